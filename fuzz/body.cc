// Bodies of entries. The first byte chooses the kind, the rest is the body.
//
// Whatever is accepted is exactly what its encoding gives, and every text lies within the body.
#include "engine/log/body.h"

#include "fuzz/fuzz_input.h"
#include "io/base/result.h"

namespace {

using namespace verity;

bool is_inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

template <class Body>
bool check(std::string_view bytes, Body& body) {
  const Status status = log::decode(as_bytes(bytes), body);
  if (!status) {
    FUZZ_CHECK(status.error().code == ErrorCode::corrupt && !status.error().message.empty());
    return false;
  }
  Bytes again;
  log::encode(body, again);
  FUZZ_CHECK(as_text(again) == bytes);
  return true;
}

void check_events(std::string_view bytes) {
  log::EventsBody body;
  if (!check(bytes, body)) return;
  FUZZ_CHECK(log::encoded_bytes(body) == bytes.size());
  std::size_t events = 0;
  for (const log::BodyStream& stream : body.streams) {
    FUZZ_CHECK(is_inside(stream.name, bytes) && stream.first_event == events && stream.event_count > 0);
    FUZZ_CHECK(stream.last_revision() >= stream.first_revision);
    events += stream.event_count;
  }
  FUZZ_CHECK(events == body.events.size());
  for (const log::BodyEvent& event : body.events) {
    FUZZ_CHECK(event.stream < body.streams.size());
    FUZZ_CHECK(is_inside(event.type, bytes) && is_inside(event.data, bytes) &&
               is_inside(event.metadata, bytes));
    FUZZ_CHECK(is_inside(event.id, bytes) && is_inside(event.subject, bytes));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const int kind = input.take_byte() % 6;
  if (kind == 0) {
    check_events(input.rest());
  } else if (kind == 1) {
    log::TenantBody body;
    check(input.rest(), body);
  } else if (kind == 2) {
    log::FoundingBody body;
    check(input.rest(), body);
  } else if (kind == 3) {
    log::MembersBody body;
    check(input.rest(), body);
  } else if (kind == 4) {
    log::SettledBody body;
    check(input.rest(), body);
  } else {
    log::ReleaseBody body;
    check(input.rest(), body);
  }
  return 0;
}
