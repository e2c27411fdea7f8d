// Small things the contract's tests share.
#pragma once

#include "io/base/aligned_buffer.h"
#include "io/base/result.h"

#include <gtest/gtest.h>

#include <cstring>

namespace verity::io::contract {

// The error of something that must fail.
template <class T>
ErrorCode code_of(const Result<T>& result) {
  if (result) {
    ADD_FAILURE() << "succeeded where an error was expected";
    return ErrorCode::unsupported;
  }
  return result.error().code;
}

// For EXPECT_TRUE(is_fine(x)): shows the error.
template <class T>
testing::AssertionResult is_fine(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().describe();
}

// Bytes that tell where they belong; every word differs by seed and place.
inline AlignedBuffer pattern(ByteCount size, std::uint64_t seed) {
  AlignedBuffer buffer(size);
  for (ByteCount at = 0; at + 8 <= buffer.size(); at += 8) {
    const std::uint64_t word = (seed + 1) * 0x9e3779b97f4a7c15u + at * 0xbf58476d1ce4e5b9u;
    std::memcpy(buffer.data() + at, &word, sizeof word);
  }
  return buffer;
}

inline bool same(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace verity::io::contract

// Leaves the test body with a failure when `expression`, a Result, is an error.
#define VERITY_REQUIRE(expression) ASSERT_TRUE(::verity::io::contract::is_fine(expression))
