// How many bytes a second do the two hashes of the log take in: XXH3-128, which finds accidents, and SHA-256,
// which is the chain and the tree? An event of 256 bytes is hashed by both before it is acknowledged.
#include "bench/micro_conditions.h"
#include "engine/crypto/sha256.h"
#include "io/base/prng.h"

#include <benchmark/benchmark.h>
#include <xxhash.h>

namespace verity {
namespace {

Bytes some_bytes(std::size_t size) {
  Bytes bytes(size);
  Prng(7).fill(bytes);
  return bytes;
}

void xxh3_128(benchmark::State& state) {
  const Bytes bytes = some_bytes(static_cast<std::size_t>(state.range(0)));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(XXH3_128bits(bytes.data(), bytes.size()));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(xxh3_128)->Arg(256)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

void sha_256(benchmark::State& state) {
  const Bytes bytes = some_bytes(static_cast<std::size_t>(state.range(0)));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(sha256({ByteView(bytes)}));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(sha_256)->Arg(256)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

// Two digests into one, as every interior node of the tree is made.
void sha_256_of_two_digests(benchmark::State& state) {
  const Bytes bytes = some_bytes(64);
  const ByteView left = ByteView(bytes).first(32);
  const ByteView right = ByteView(bytes).last(32);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(sha256({left, right}));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(sha_256_of_two_digests);

}  // namespace
}  // namespace verity

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  verity::bench::add_conditions();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
