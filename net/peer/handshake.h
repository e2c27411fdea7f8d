// The first frames of a connection: who is there, and do both sides want to talk?
//
//   dialler                          listener
//     hello ───────────────────────►   judge(theirs)
//     judge(theirs) ◄──────────────  welcome | refused
//     ping | refused ──────────────►  the connection counts from here on
#pragma once

#include "net/peer/hello.h"
#include "net/peer/wire.h"

#include <functional>
#include <optional>
#include <variant>

namespace verity::peer {

struct Greeting {
  HelloFrame ours;
  HelloFrame theirs;
  // The listener has read the first frame behind the handshake already.
  std::optional<frame::Frame> first;
};

struct RefusedByUs {
  Refusal refusal;
  std::optional<HelloFrame> theirs;  // if it could be read
};
struct RefusedByThem {
  Refusal refusal;
};

// Error: the other side hung up, was silent or sent something else.
using HandshakeOutcome = std::variant<Greeting, RefusedByUs, RefusedByThem, Error>;

using Judge = std::function<std::optional<Refusal>(const HelloFrame& theirs)>;

// Both: `wait` has a deadline. `ours` has its lane (the dialler's; the listener takes the one it is told) and number.
// A refusal of ours has been sent when the call returns.
HandshakeOutcome greet_as_dialler(io::Wait& wait, Wire& wire, HelloFrame ours, ByteCount payload_bytes_max,
                                  const Judge& judge);
HandshakeOutcome greet_as_listener(io::Wait& wait, Wire& wire, HelloFrame ours, ByteCount payload_bytes_max,
                                   const Judge& judge);

}  // namespace verity::peer
