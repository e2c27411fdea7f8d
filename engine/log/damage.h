// One place in the log that cannot be trusted.
#pragma once

#include "io/base/ids.h"
#include "io/base/units.h"

#include <string>

namespace verity::log {

struct Damage {
  std::string file;  // path within the data directory: "log/00000003.segment"
  ByteCount offset = 0;
  Position position;  // the first entry concerned; 0 if that cannot be told
  std::string what;

  // "log/current.segment at offset 8192, position 17: the checksum ... does not match"
  std::string describe() const {
    return file + " at offset " + std::to_string(offset) +
           (position.value == 0 ? std::string() : ", position " + position.describe()) + ": " + what;
  }
};

}  // namespace verity::log
