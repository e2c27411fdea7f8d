#include "tests/contract/contract.h"

#include "io/base/assert.h"
#include "io/fiber/loop.h"

namespace verity::io::contract {

void IoContract::run(std::move_only_function<void(Wait&, World&)> body) {
  const std::unique_ptr<WorldFactory> factory = GetParam().make();
  direct_ = factory->prefers_direct();
  bool ran = false;
  factory->run([&](Wait& wait, World& world) {
    Wait limited = wait.within(30s);
    body(limited, world);
    ran = true;
  });
  EXPECT_TRUE(ran) << "the world never ran its body";
}

void Crew::start(std::string_view name, std::move_only_function<void()> body) {
  running_.add();
  loop_.spawn(name, [this, body = std::move(body)]() mutable {
    body();
    running_.done();
  });
}

void Crew::join() {
  Wait patient(loop_);  // the members of a crew have limits of their own
  const Status joined = running_.wait(patient);
  VERITY_ASSERT(joined.has_value());
}

}  // namespace verity::io::contract
