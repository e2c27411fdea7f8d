#include "sim/trace.h"

#include "io/base/assert.h"
#include "io/base/bytes.h"

#include <xxhash.h>

#include <cstdio>

namespace verity::sim {

struct Trace::State {
  XXH3_state_t* hash = XXH3_createState();
  ~State() { XXH3_freeState(hash); }
};

Trace::Trace(std::size_t lines_kept, Sink sink)
    : state_(std::make_unique<State>()), sink_(std::move(sink)), lines_kept_(lines_kept) {
  VERITY_ASSERT(state_->hash != nullptr);
  XXH3_128bits_reset(state_->hash);
}

Trace::~Trace() = default;

namespace {

std::string line_of(Instant at, std::string_view who, std::string_view what) {
  char time[40];
  const int size =
      std::snprintf(time, sizeof(time), "%lld.%09lld ", static_cast<long long>(at.ns / 1'000'000'000),
                    static_cast<long long>(at.ns % 1'000'000'000));
  std::string text(time, static_cast<std::size_t>(size));
  text.append(who).append(who.size() < 8 ? 8 - who.size() : 0, ' ').append("  ").append(what).append("\n");
  return text;
}

}  // namespace

void Trace::remark(Instant at, std::string_view who, std::string_view what) {
  if (sink_) sink_(line_of(at, who, what));
}

void Trace::line(Instant at, std::string_view who, std::string_view what) {
  std::string text = line_of(at, who, what);
  XXH3_128bits_update(state_->hash, text.data(), text.size());
  ++line_count_;
  if (sink_) sink_(text);
  if (lines_kept_ == 0) return;
  if (kept_.size() == lines_kept_) kept_.pop_front();
  kept_.push_back(std::move(text));
}

std::string Trace::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->hash);
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return to_hex(std::as_bytes(std::span(canonical.digest)));
}

std::string fingerprint(std::string_view bytes) {
  char text[20];
  std::snprintf(text, sizeof(text), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text;
}

}  // namespace verity::sim
