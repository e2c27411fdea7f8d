// Stories of the founding (engine/consensus/founding.h) as text, in the format of script.h. The network and the disks are as weak as
// there: messages wait until somebody says which is next, and what is not saved is lost in a crash.
//
//   founding N                  N blank nodes, each of which has a link with every other
//   run | quiet                 saves and delivers until nothing is left to do | without showing it
//   hold N | release N          the disk of node N does not write
//   cut A-B | heal              messages are lost both ways | no longer
//   keep A>B NAME               such messages are kept back
//   late A>B NAME               the oldest such message is delivered, by itself
//   crash N | wipe N            it stops | while down: the disk is lost
//   start N                     it has a link with everybody who runs
//   remind N                    it says again what may have been lost
//   show                        all there is to know
//   heals                       all faults end: everybody runs and reminds until each is a member, or a stranger to those who are
#pragma once

#include <string>

namespace verity::consensus::testing {

bool is_founding_script(const std::string& commands);
// What belongs below the line.
std::string run_founding_script(const std::string& commands);

}  // namespace verity::consensus::testing
