// Messages of the replication protocol as bytes. Grammar: docs/format/peer.md.
#pragma once

#include "engine/consensus/message.h"
#include "engine/node/peer_transport.h"
#include "io/base/result.h"

namespace verity::node {

// What the protocol knows of an entry. corrupt: its body does not say what its kind promises.
Result<consensus::EntryInfo> describe_entry(log::EntryPtr entry);
// The entry behind what the protocol knows.
log::EntryPtr entry_of(const consensus::EntryInfo& info);

// Every EntryInfo of a Prepare or Fetched has its entry. Written in `release`, by the node `sender`.
PeerMessage encode(const consensus::Message& message, std::uint32_t release, NodeId sender);
// corrupt: place and value; unsupported: of a release after `newest`, or holds an entry of one. Lies that only the protocol
// can see are left to it.
Result<consensus::Message> decode(std::uint16_t type, ByteView payload, std::uint32_t newest, NodeId sender);

}  // namespace verity::node
