// Stories of the protocol as text: commands above a line of dashes, what the cluster did below it. Those of the founding begin
// with another command (founding_script.h).
//
//   cluster N [keep=K] [batch=B]   N nodes, members of one another; node 1 leads view 0; what that took is not shown. In memory
//                               they hold K committed entries; a message carries B
//   blank                       another node, blank and down
//   propose N LABEL             node N, which leads, proposes an entry
//   voters N I[,I...]           node N proposes that these nodes be the voters, as their disks are now; 3' is the disk before
//   admit N I | forget N I      node N sends node I the log | no longer waits for the disk that node I had before
//   tend N [K] | grow N         what the driver does at a heartbeat of N: admits, forgets, beats, and proposes to replace the
//                               disks that are gone, or that the first K nodes be the voters | that all nodes be
//   confirm N TOKEN             does node N still lead?
//   beat N [times=K]            its heartbeat is due
//   silence N                   its election timeout has passed
//   handover N M                node N is to give the lead to node M
//   run | quiet                 delivers and writes until nothing is left to do | without showing it
//   hold N | release N          the disk of node N does not write
//   write N                     one write of a held disk
//   promise N                   its first promises under way, if any, overtaking writes of the log
//   cut A>B | cut A-B | heal    messages are lost one way | both ways | no longer
//   keep A>B NAME               the next such message is kept back
//   late A>B NAME [K]           the K-th oldest such message is delivered, by itself | again A>B NAME [K]: a copy of it
//   forge A>B NAME P            a prepare, prepare-ok or vote of A that nobody says: another entry is at position P
//   crash N [kept=K]            the first K writes under way reach the disk | start N
//   damage N P | wipe N         while down: the log is damaged from position P on | the disk is lost
//   refound N                   all are down: node N goes on alone in a new epoch, the disks of the others are lost
//   heals [members=K] [without=N] [seed=S]
//                               all faults end: everybody runs, and time passes until all is well (healing.h)
//   show [N]                    all there is to know of a node, or of all
#pragma once

#include "engine/consensus/testing/model_cluster.h"

#include <string>

namespace verity::consensus::testing {

// What belongs below the line.
std::string run_script(const std::string& commands);

// The cluster at the end of them, all of which can be understood.
ModelCluster cluster_after(const std::string& commands);

}  // namespace verity::consensus::testing
