#include "tools/client/convert.h"

namespace veritydb {

namespace node = verity::node;

namespace {

node::Expectation to_expectation(const Expected& expected) {
  static_assert(static_cast<int>(Expected::Kind::none) == static_cast<int>(node::Expectation::Kind::none));
  static_assert(static_cast<int>(Expected::Kind::exists) ==
                static_cast<int>(node::Expectation::Kind::exists));
  static_assert(static_cast<int>(Expected::Kind::exact) == static_cast<int>(node::Expectation::Kind::exact));
  return {static_cast<node::Expectation::Kind>(expected.kind), verity::Revision{expected.revision}};
}

static_assert(static_cast<int>(From::Kind::end) == static_cast<int>(node::ReadFrom::Kind::end));
static_assert(static_cast<int>(From::Kind::revision) == static_cast<int>(node::ReadFrom::Kind::revision));
static_assert(static_cast<int>(From::Kind::token) == static_cast<int>(node::ReadFrom::Kind::token));
static_assert(static_cast<int>(Consistency::leader) == static_cast<int>(node::Consistency::leader));
static_assert(static_cast<int>(Consistency::stale) == static_cast<int>(node::Consistency::stale));

std::chrono::sys_time<std::chrono::nanoseconds> to_time(verity::Timestamp timestamp) {
  return std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(timestamp.ns));
}

RecordedEvent to_event(const node::EventView& event) {
  return {.stream = std::string(event.stream),
          .revision = event.revision.value,
          .position = event.position.value,
          .index = event.index,
          .type = std::string(event.type),
          .data = std::string(event.data),
          .metadata = std::string(event.metadata),
          .id = std::string(event.id),
          .subject = std::string(event.subject),
          .subject_revision = event.subject_revision.value,
          .recorded_at = to_time(event.recorded_at)};
}

}  // namespace

node::AppendRequest to_request(const Append& append) {
  node::AppendRequest request{.tenant = append.tenant, .streams = {}};
  for (const StreamAppend& stream : append.streams) {
    node::StreamAppend& part = request.streams.emplace_back();
    part.stream = stream.stream;
    part.expected = to_expectation(stream.expected);
    part.events.reserve(stream.events.size());
    for (const NewEvent& event : stream.events) {
      part.events.push_back({.type = event.type,
                             .data = event.data,
                             .metadata = event.metadata,
                             .id = event.id,
                             .subject = event.subject,
                             .subject_expected = to_expectation(event.subject_expected)});
    }
  }
  return request;
}

node::ReadRequest to_request(const Read& read) {
  node::ReadRequest request{.tenant = read.tenant, .stream = read.stream, .subject = read.subject};
  request.from = {.kind = static_cast<node::ReadFrom::Kind>(read.from.kind),
                  .revision = verity::Revision{read.from.revision},
                  .token = {verity::Position{read.from.position}, read.from.index}};
  request.direction = read.backward ? node::Direction::backward : node::Direction::forward;
  request.limit = read.limit;
  request.consistency = static_cast<node::Consistency>(read.consistency);
  return request;
}

Appended to_appended(const node::AppendReceipt& receipt) {
  Appended appended{.position = receipt.position.value,
                    .streams = {},
                    .hash = receipt.hash.describe(),
                    .recorded_at = to_time(receipt.recorded_at)};
  for (const node::AppendedStream& stream : receipt.streams)
    appended.streams.push_back({stream.stream, stream.first_revision.value, stream.last_revision.value});
  return appended;
}

Page to_page(const node::EventPage& page) {
  Page out;
  out.events.reserve(page.events.size());
  for (const node::EventView& event : page.events) out.events.push_back(to_event(event));
  if (page.next) {
    out.next = From{static_cast<From::Kind>(page.next->kind), page.next->revision.value,
                    page.next->token.position.value, page.next->token.index};
  }
  out.at_end = page.at_end;
  return out;
}

Error to_error(const node::Refusal& refusal) {
  Error error{
      .code = std::string(node::describe(refusal.code)), .detail = refusal.detail, .failed_expectations = {}};
  for (const node::FailedExpectation& failed : refusal.failed_expectations) {
    error.failed_expectations.push_back(
        {.stream = failed.stream,
         .subject = failed.subject,
         .expected = {static_cast<Expected::Kind>(failed.expected.kind), failed.expected.revision.value},
         .actual = failed.actual ? std::optional(failed.actual->value) : std::nullopt});
  }
  return error;
}

}  // namespace veritydb
