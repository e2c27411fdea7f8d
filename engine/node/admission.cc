#include "engine/node/admission.h"

#include "engine/tenant/names.h"

#include <algorithm>
#include <map>
#include <set>

namespace verity::node {
namespace {

std::string place_of(std::string_view stream, std::size_t index) {
  return "stream '" + std::string(stream) + "', event " + std::to_string(index) + ": ";
}

ByteCount record_bytes(const NewEvent& event) {
  return event.type.size() + event.data.size() + event.metadata.size() + event.id.size() +
         event.subject.size();
}

std::optional<Refusal> check_event(const NewEvent& event, std::string_view stream, std::size_t index,
                                   const Limits& limits) {
  Status named = tenant::check_event_type(event.type);
  if (named && !event.id.empty()) named = tenant::check_event_id(event.id);
  if (named && !event.subject.empty()) named = tenant::check_subject(event.subject);
  if (!named) return Refusal{RefusalCode::invalid_request, place_of(stream, index) + named.error().message};
  if (event.data.empty())
    return Refusal{RefusalCode::invalid_request, place_of(stream, index) + "there is no data"};
  if (event.subject.empty() && event.subject_expected.kind != Expectation::Kind::any) {
    return Refusal{RefusalCode::invalid_request,
                   place_of(stream, index) + "an expected subject revision needs a subject"};
  }
  if (record_bytes(event) > limits.record_bytes_max) {
    return Refusal{RefusalCode::limit_exceeded,
                   place_of(stream, index) + "it has " + std::to_string(record_bytes(event)) +
                       " bytes; max_record_size is " + std::to_string(limits.record_bytes_max)};
  }
  return std::nullopt;
}

std::optional<Refusal> check_shape(const AppendRequest& request, const Limits& limits) {
  if (request.streams.empty()) return Refusal{RefusalCode::invalid_request, "the request names no stream"};
  if (request.idempotency) {
    if (Status named = tenant::check_idempotency_key(request.idempotency->key); !named) {
      return Refusal{RefusalCode::invalid_request, named.error().message};
    }
  }
  ByteCount batch_bytes = 0;
  std::uint64_t events = 0;
  std::set<std::string_view> names;
  for (const StreamAppend& append : request.streams) {
    if (Status named = tenant::check_stream_name(append.stream); !named) {
      return Refusal{RefusalCode::invalid_request, named.error().message};
    }
    if (!names.insert(append.stream).second) {
      return Refusal{RefusalCode::invalid_request,
                     "stream '" + std::string(append.stream) + "' is named twice"};
    }
    if (append.events.empty()) {
      return Refusal{RefusalCode::invalid_request,
                     "stream '" + std::string(append.stream) + "' gets no event"};
    }
    events += append.events.size();
    for (std::size_t i = 0; i < append.events.size(); ++i) {
      if (auto refusal = check_event(append.events[i], append.stream, i, limits)) return refusal;
      batch_bytes += record_bytes(append.events[i]);
    }
  }
  if (events > append_events_max) {
    return Refusal{RefusalCode::limit_exceeded, "the request has " + std::to_string(events) +
                                                    " events; at most " + std::to_string(append_events_max) +
                                                    " are taken"};
  }
  if (batch_bytes > limits.batch_bytes_max) {
    return Refusal{RefusalCode::limit_exceeded, "the request's events have " + std::to_string(batch_bytes) +
                                                    " bytes; max_batch_size is " +
                                                    std::to_string(limits.batch_bytes_max)};
  }
  return std::nullopt;
}

class Builder {
 public:
  Builder(TenantId tenant, const Derived& derived, const ProposedState& proposed)
      : tenant_(tenant), derived_(derived), proposed_(proposed) {}

  void add(const StreamAppend& append) {
    const std::optional<Revision> last = last_revision(append.stream);
    if (!append.expected.holds(last)) fail({std::string(append.stream), {}, append.expected, last});
    if (!last) ++new_streams_;
    body_.add_stream(append.stream, last ? last->next() : Revision{0});
    for (const NewEvent& event : append.events) add(append.stream, event);
  }

  bool has_failed() const { return failed_count_ > 0; }
  Refusal refusal() const {
    Refusal refusal{RefusalCode::expectation_failed, ""};
    std::uint64_t told = 0;
    for (const FailedExpectation& failed : failed_) {
      // The last one passes it by less than its names.
      if (refusal.detail.size() > refusal_text_bytes_max - KiB) break;
      if (!refusal.detail.empty()) refusal.detail += "; ";
      refusal.detail +=
          (failed.subject.empty() ? "stream '" + failed.stream + "'"
                                  : "subject '" + failed.subject + "' of stream '" + failed.stream + "'") +
          " is at " + (failed.actual ? "revision " + failed.actual->describe() : "no revision yet") +
          ", expected was " + failed.expected.describe();
      ++told;
    }
    if (told < failed_count_) refusal.detail += "; and " + std::to_string(failed_count_ - told) + " more";
    refusal.failed_expectations = failed_;
    return refusal;
  }
  std::uint64_t new_streams() const { return new_streams_; }
  log::EventsBody& body() { return body_; }

 private:
  void fail(FailedExpectation failed) {
    if (failed_count_++ < failed_expectations_max) failed_.push_back(std::move(failed));
  }

  std::optional<Revision> last_revision(std::string_view stream) const {
    const auto on_its_way = proposed_.last_revision(tenant_, stream);
    return on_its_way ? on_its_way : derived_.streams.last_revision(tenant_, stream);
  }

  // Counting what this request adds itself.
  std::optional<Revision> subject_last_revision(std::string_view stream, std::string_view subject) const {
    if (const auto here = subjects_.find({stream, subject}); here != subjects_.end()) return here->second;
    const auto on_its_way = proposed_.subject_last_revision(tenant_, stream, subject);
    return on_its_way ? on_its_way : derived_.streams.subject_last_revision(tenant_, stream, subject);
  }

  void add(std::string_view stream, const NewEvent& event) {
    log::BodyEvent made{.type = event.type,
                        .id = event.id,
                        .subject = event.subject,
                        .metadata = event.metadata,
                        .data = event.data};
    if (!event.subject.empty()) {
      const std::optional<Revision> last = subject_last_revision(stream, event.subject);
      if (!event.subject_expected.holds(last)) {
        fail({std::string(stream), std::string(event.subject), event.subject_expected, last});
      }
      made.subject_revision = last ? last->next() : Revision{0};
      subjects_[{stream, event.subject}] = made.subject_revision;
    }
    body_.add_event(made);
  }

  const TenantId tenant_;
  const Derived& derived_;
  const ProposedState& proposed_;
  log::EventsBody body_;
  std::map<std::pair<std::string_view, std::string_view>, Revision> subjects_;
  std::vector<FailedExpectation> failed_;  // the first of failed_count_
  std::uint64_t failed_count_ = 0;
  std::uint64_t new_streams_ = 0;
};

// Streams that exist or will.
std::uint64_t stream_count(TenantId tenant, const Derived& derived, const ProposedState& proposed) {
  std::uint64_t count = derived.streams.stream_count(tenant);
  for (const std::string_view stream : proposed.streams(tenant)) {
    if (!derived.streams.has_stream(tenant, stream)) ++count;
  }
  return count;
}

}  // namespace

Outcome<log::EventsBody> admit(const AppendRequest& request, TenantId tenant, const Limits& limits,
                               const Derived& derived, const ProposedState& proposed) {
  if (auto refusal = check_shape(request, limits)) return std::unexpected(std::move(*refusal));
  Builder builder(tenant, derived, proposed);
  for (const StreamAppend& append : request.streams) builder.add(append);
  if (builder.has_failed()) return std::unexpected(builder.refusal());
  if (builder.new_streams() > 0 &&
      stream_count(tenant, derived, proposed) + builder.new_streams() > limits.streams_per_tenant_max) {
    return std::unexpected(Refusal{.code = RefusalCode::limit_exceeded,
                                   .detail = "the tenant would have more than " +
                                             std::to_string(limits.streams_per_tenant_max) +
                                             " streams; max_streams_per_tenant allows no more",
                                   .limits_count = true});
  }
  if (request.idempotency) {
    builder.body().idempotency = log::BodyKey{request.idempotency->key, request.idempotency->request_digest};
  }
  return std::move(builder.body());
}

}  // namespace verity::node
