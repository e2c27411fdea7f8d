#include "engine/crypto/sha256.h"

#include <gtest/gtest.h>

namespace verity {
namespace {

// FIPS 180-4 example values.
TEST(Sha256, AgreesWithTheStandardsExamples) {
  EXPECT_EQ(sha256({}).describe(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256({as_bytes("abc")}).describe(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({as_bytes("a"), as_bytes("bc")}), sha256({as_bytes("abc")}));
}

TEST(Sha256, ParsesWhatItPrintsAndNothingElse) {
  const Sha256Digest digest = sha256({as_bytes("abc")});
  EXPECT_EQ(Sha256Digest::parse(digest.describe()), digest);
  EXPECT_FALSE(Sha256Digest::parse(digest.describe().substr(1)));
  EXPECT_FALSE(Sha256Digest::parse("zz" + digest.describe().substr(2)));
}

}  // namespace
}  // namespace verity
