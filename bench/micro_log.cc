// What does the processor spend on an event of 256 bytes before the disk is asked: encoding its body, sealing its
// entry (hash, chain, checksums), and laying entries out as the flush that a segment is appended with? Reading back
// stands beside it.
#include "bench/micro_conditions.h"
#include "engine/log/body.h"
#include "engine/log/entry.h"
#include "engine/log/flush.h"
#include "io/base/aligned_buffer.h"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace verity::log {
namespace {

EventsBody body_of(const std::string& data, std::uint64_t events) {
  EventsBody body;
  body.add_stream("bench-0", {41});
  for (std::uint64_t n = 0; n < events; ++n) {
    BodyEvent event;
    event.type = "measured";
    event.data = data;
    body.add_event(event);
  }
  return body;
}

EntryHeader header_at(std::uint64_t position) {
  EntryHeader header;
  header.kind = EntryKind::events;
  header.position = {position};
  header.tenant = {1};
  return header;
}

// Consecutive entries of one event each.
std::vector<EntryPtr> entries_of(std::uint64_t count) {
  const std::string data(256, 'x');
  Bytes encoded;
  encode(body_of(data, 1), encoded);
  std::vector<EntryPtr> entries;
  Sha256Digest parent;
  for (std::uint64_t n = 1; n <= count; ++n) {
    auto header = header_at(n);
    header.parent = parent;
    entries.push_back(Entry::make(header, encoded));
    parent = entries.back()->hash();
  }
  return entries;
}

void encode_body(benchmark::State& state) {
  const std::string data(256, 'x');
  const auto body = body_of(data, static_cast<std::uint64_t>(state.range(0)));
  Bytes out;
  for ([[maybe_unused]] auto _ : state) {
    out.clear();
    encode(body, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode_body)->Arg(1)->Arg(1000);

void make_entry(benchmark::State& state) {
  const std::string data(256, 'x');
  Bytes encoded;
  encode(body_of(data, static_cast<std::uint64_t>(state.range(0))), encoded);
  const auto header = header_at(7);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(Entry::make(header, encoded));
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(encoded.size()));
}
BENCHMARK(make_entry)->Arg(1)->Arg(1000);

void append_flush(benchmark::State& state) {
  const auto entries = entries_of(static_cast<std::uint64_t>(state.range(0)));
  FlushPlace place;
  place.offset = 4096;
  place.block_bytes = 512;
  AlignedBuffer out;
  ByteCount size = 0;
  for ([[maybe_unused]] auto _ : state) size = build_flush(place, entries, out);
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}
BENCHMARK(append_flush)->Arg(1)->Arg(64)->Arg(1000);

void read_flush(benchmark::State& state) {
  const auto entries = entries_of(static_cast<std::uint64_t>(state.range(0)));
  FlushPlace place;
  place.offset = 4096;
  place.block_bytes = 512;
  AlignedBuffer out;
  const ByteCount size = build_flush(place, entries, out);
  const auto bytes = ByteView(out.view()).first(size);
  for ([[maybe_unused]] auto _ : state) {
    const auto header = decode_flush_header(bytes);
    if (!header || inspect_flush(*header, bytes, place.block_bytes) != FlushState::intact)
      state.SkipWithError("not intact");
    benchmark::DoNotOptimize(decode_flush_entries(*header, bytes, {}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_flush)->Arg(1)->Arg(64);

}  // namespace
}  // namespace verity::log

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  verity::bench::add_conditions();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
