#include "engine/crypto/sha256.h"

#include "io/base/assert.h"

#include <openssl/evp.h>

#include <memory>

namespace verity {
namespace {

struct Free {
  void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

struct Hasher {
  Hasher() : digest(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context(EVP_MD_CTX_new()) {
    VERITY_ASSERT_NOTE(digest != nullptr && context != nullptr, "OpenSSL offers no SHA-256");
  }
  std::unique_ptr<EVP_MD, Free> digest;
  std::unique_ptr<EVP_MD_CTX, Free> context;
};

}  // namespace

Sha256Digest sha256(std::initializer_list<ByteView> parts) {
  // Scratch, not state: no call depends on an earlier one.
  thread_local Hasher hasher;
  Sha256Digest result;
  bool ok = EVP_DigestInit_ex2(hasher.context.get(), hasher.digest.get(), nullptr) == 1;
  for (const ByteView part : parts)
    ok = ok && EVP_DigestUpdate(hasher.context.get(), part.data(), part.size()) == 1;
  ok = ok && EVP_DigestFinal_ex(hasher.context.get(), result.bytes.data(), nullptr) == 1;
  VERITY_ASSERT(ok);
  return result;
}

}  // namespace verity
