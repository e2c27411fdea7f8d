// Appends over HTTP: N connections, one request under way on each. The client side is as lean as it can be, so
// that on few cores the server is what is measured.
#pragma once

#include "bench/load.h"
#include "io/base/result.h"
#include "io/network.h"

namespace verity::io {
class Runtime;
}

namespace verity::bench {

Result<Figures> append_over_http(io::Runtime& runtime, const io::Address& server, const Load& load);

}  // namespace verity::bench
