// What native clients and servers say to one another, as payloads of frames. Grammar: docs/format/native.md. Requests,
// receipts and refusals of appends: engine/node/forwarding_codec.h.
#pragma once

#include "engine/node/request.h"
#include "io/base/bytes.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <cstdint>
#include <string>

namespace verity::native {

// Of a connection that speaks this protocol: the first of frame::header's magic.
inline constexpr char first_byte = 'V';
inline constexpr std::uint16_t protocol = 1;

enum class Type : std::uint16_t {
  hello = 1,
  welcome,
  open_session = 16,
  append,
  read,
  who_leads,
  session = 32,
  receipt,
  refusal,
  page,
  leader,
};

// Every request and every answer begins with its tag.
inline constexpr std::size_t tag_bytes = sizeof(std::uint64_t);

struct Hello {
  std::uint16_t protocol_min = protocol;
  std::uint16_t protocol_max = protocol;
  std::string name;  // of the client, for people

  bool operator==(const Hello&) const = default;
};

// Who leads, as far as a node knows.
struct Leader {
  NodeId node{};        // 0: none
  std::string address;  // of its port for clients; empty: not known

  bool operator==(const Leader&) const = default;
};

struct Welcome {
  std::uint16_t protocol = native::protocol;
  NodeId node;
  Id128 cluster_id;
  // What the connection may have under way.
  std::uint32_t requests_max = 0;
  ByteCount bytes_max = 0;
  // Numbers of a session that are remembered, counted back from its highest.
  std::uint32_t numbers_kept = 0;
  Leader leader;

  bool operator==(const Welcome&) const = default;
};

struct Read {
  node::ReadRequest request;
  Duration wait{};  // for something to be there; zero: answer at once
};

Bytes encode(const Hello& hello);
Bytes encode(const Welcome& welcome);
Bytes encode(const Leader& leader);
Bytes encode(const Read& read);
Bytes encode(const node::EventPage& page);

// corrupt: place and value. What is decoded views `bytes` where the struct holds views.
Result<Hello> decode_hello(ByteView bytes);
Result<Welcome> decode_welcome(ByteView bytes);
Result<Leader> decode_leader(ByteView bytes);
Result<Read> decode_read(ByteView bytes);
Result<node::EventPage> decode_page(ByteView bytes);

}  // namespace verity::native
