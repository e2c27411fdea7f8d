// One bit of a data directory flipped, and what a node then does with it: the answer to "can anything false ever be
// served?". Runs on the simulated disk, so that every byte of a directory can have its turn.
//
//   founded and filled once ─► image ─► one bit flipped ─► start, read everything, append, stop ─► start, read again
#pragma once

#include "io/base/bytes.h"
#include "io/base/units.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace verity::flip {

// Every event as a client must see it, by tenant, and the request they came in.
struct ExpectedEvent {
  std::string stream;
  std::uint64_t revision = 0;
  std::uint64_t position = 0;
  std::uint32_t index = 0;
  std::string subject;
  std::string type;
  std::string data;
  std::string metadata;
  std::string id;

  auto operator<=>(const ExpectedEvent&) const = default;
};

// A small data directory at rest: its files, and what they hold.
struct Image {
  std::map<std::string, Bytes> files;  // path in the directory to content
  std::map<std::string, std::vector<ExpectedEvent>> events;
  std::uint64_t head = 0;
  std::string head_hash;

  ByteCount size() const;
};

// Founds a node and fills it: several tenants, streams, subjects, idempotency keys; a few sealed segments,
// checkpoints, sidecars, a spare. Stopped cleanly, so that all of it is marked durable.
Image make_image();

enum class Finding : std::uint8_t {
  refused,   // the node does not start, and names the file
  named,     // it starts, names the damage, and answers "damaged" for what it cannot read
  harmless,  // everything is served and accepted as if nothing had happened, also after another start
  wrong,     // something false was served, or something is missing without a word
};

struct Verdict {
  Finding finding = Finding::wrong;
  std::string words;  // what the node said; for `wrong`: what is not so
};

// What a node does with the image after bit `bit` of byte `offset` of `path` was flipped.
Verdict flip_and_look(const Image& image, const std::string& path, ByteCount offset, unsigned bit);

}  // namespace verity::flip
