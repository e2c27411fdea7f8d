// Messages of the founding as bytes. Grammar: docs/format/peer.md.
#pragma once

#include "engine/consensus/founding.h"
#include "engine/node/peer_transport.h"
#include "io/base/result.h"

namespace verity::node {

bool is_founding(std::uint16_t type);
PeerMessage encode(const consensus::FoundingMessage& message);
// corrupt, or unsupported for another version.
Result<consensus::FoundingMessage> decode_founding(std::uint16_t type, ByteView payload);

}  // namespace verity::node
