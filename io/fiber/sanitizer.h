// Which sanitizer this is built with: VERITY_ASAN, VERITY_TSAN, or neither is defined. Both compilers say so differently.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define VERITY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VERITY_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define VERITY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VERITY_TSAN 1
#endif
#endif
