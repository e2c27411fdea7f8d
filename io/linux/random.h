// The kernel's generator: fit for keys, salts and ids.
#pragma once

#include "io/random.h"

namespace verity::io {

class LinuxRandom final : public Random {
 public:
  // Does not fail once the machine has gathered entropy at boot; until then it blocks, as it must.
  void fill(MutableByteView out) override;
};

}  // namespace verity::io
