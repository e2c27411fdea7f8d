// Everything a node may ask of the outside, handed in by whoever builds it: a main, a benchmark, a test or
// the simulator. The engine cannot tell which.
#pragma once

namespace verity::io {

class Clock;
class Logger;
class Loop;
class Network;
class Random;

struct World {
  Loop& loop;
  Clock& clock;
  Random& random;
  Network& network;
  Logger& logger;
};

}  // namespace verity::io
