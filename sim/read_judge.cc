#include "sim/read_judge.h"

#include "sim/http_client.h"

#include <algorithm>
#include <set>

namespace verity::sim {

std::string Read::target() const {
  std::string target = "/v1/tenants/" + percent_encode(tenant);
  if (!stream.empty()) target += "/streams/" + percent_encode(stream);
  target += "/events?limit=" + std::to_string(limit);
  if (backward) target += "&direction=backward";
  if (from_revision) target += "&from=" + std::to_string(*from_revision);
  if (from_place) target += "&from=" + from_place->describe();
  if (from_end) target += "&from=end";
  if (!subject.empty()) target += "&subject=" + percent_encode(subject);
  if (wait > Duration::zero())
    target += "&wait=" + std::to_string(static_cast<std::uint64_t>(wait / 1ms)) + "ms";
  return target;
}

namespace {

// Places between these, both excluded, that belong to what was asked for are in the page.
struct Range {
  Place first{0, 0};
  Place last{UINT64_MAX, 0};
};

// Towards the direction of reading a page may stop anywhere, unless nothing follows.
std::optional<Range> range_of(const Read& read, const Page& page) {
  Range range;
  const bool from_start = !read.from_revision && !read.from_place;
  if (page.events.empty()) {
    const bool is_whole = !read.backward && from_start && page.next && *page.next > Place{page.head, 0};
    return is_whole ? std::optional(range) : std::nullopt;
  }
  const Place front = page.events.front().place;
  const Place back = page.events.back().place;
  if (read.backward) {
    if (!read.from_end) range.last = front;
    if (page.next) range.first = back;
  } else {
    if (!from_start) range.first = front;
    range.last = page.next.value_or(back);
  }
  return range;
}

}  // namespace

void judge_page(History& history, const Read& read, const Page& page, const ReadFloor& floor, Instant now,
                const std::function<void(const std::string&)>& fail) {
  const std::string what = "a read of " + read.target();
  if (page.head < floor.position) {
    fail(what + " has head " + std::to_string(page.head) + " although position " +
         std::to_string(floor.position) + " was known before");
  }
  if (page.events.size() > read.limit) fail(what + " has " + std::to_string(page.events.size()) + " events");
  std::set<Place> served;
  const ServedEvent* previous = nullptr;
  for (const ServedEvent& event : page.events) {
    history.observed(read.tenant, event, now);
    if (!read.stream.empty() && event.stream != read.stream) fail(what + " has an event of " + event.stream);
    if (!read.subject.empty() && event.subject != read.subject)
      fail(what + " has an event of subject " + event.subject);
    if (event.place.position > page.head)
      fail(what + " has " + event.place.describe() + " behind its head " + std::to_string(page.head));
    if (previous != nullptr) {
      const bool in_order = read.backward ? event.place < previous->place : event.place > previous->place;
      if (!in_order) fail(what + " has " + event.place.describe() + " after " + previous->place.describe());
      if (!read.stream.empty() && read.subject.empty()) {
        const bool next = read.backward ? event.revision + 1 == previous->revision
                                        : event.revision == previous->revision + 1;
        if (!next)
          fail(what + " goes from revision " + std::to_string(previous->revision) + " to " +
               std::to_string(event.revision));
      }
    }
    served.insert(event.place);
    previous = &event;
  }
  if (read.from_revision && floor.revision && *read.from_revision <= *floor.revision) {
    if (page.events.empty() || page.events.front().revision != *read.from_revision)
      fail(what + " does not begin where it was asked to");
  }
  if (const auto range = range_of(read, page)) {
    history.check_nothing_left_out(read.tenant, read.stream, read.subject, range->first,
                                   std::min(range->last, Place{page.head + 1, 0}), served, history.mark());
  }
}

}  // namespace verity::sim
