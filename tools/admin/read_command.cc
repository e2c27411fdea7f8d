// `verity-admin stream read` goes through pages; with --follow it waits for more at the end. `stream tail` holds a
// subscription and takes it up again behind the last event it printed.
#include "net/http/json_check.h"
#include "net/http/json_slice.h"
#include "tools/admin/api.h"
#include "tools/admin/event_line.h"
#include "tools/admin/sse_parser.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

namespace verity::tools {
namespace {

constexpr std::uint64_t page_events_max = 1000;  // the server's
constexpr std::uint64_t read_limit_default = 100;
constexpr std::size_t json_depth_max = 256;

// One page of events, cut but not changed.
struct Page {
  std::string body;
  std::vector<std::string_view> events;  // into body
  std::optional<std::string> next;
};

std::optional<Page> parse_page(http::JsonChecker& json, std::string body) {
  Page page{.body = std::move(body)};
  if (json.find_fault(page.body, json_depth_max)) return std::nullopt;
  const std::string_view text = http::trim_json(page.body);
  if (http::kind_of(text) != http::JsonKind::object) return std::nullopt;
  http::JsonObjectWalker members(text);
  while (const auto member = members.next()) {
    if (member->key_text() == "events") {
      http::JsonArrayWalker events(member->value);
      while (const auto event = events.next()) page.events.push_back(*event);
    } else if (member->key_text() == "next" && http::kind_of(member->value) == http::JsonKind::string) {
      page.next = http::unescape_json_string(member->value);
    }
  }
  return page;
}

class Reader {
 public:
  Reader(const Context& context, const ReadCommand& command)
      : context_(context), command_(command), client_(context.server), from_(command.from) {
    if (command.limit) {
      left_ = *command.limit;
    } else if (!command.follow) {
      left_ = read_limit_default;
    }
  }

  int run() {
    bool header_is_due = !context_.json;
    while (left_ > 0) {
      auto page = fetch();
      if (!page) return exit_failure;
      if (std::exchange(header_is_due, false)) print(event_header());
      for (const std::string_view event : page->events) print(event_line(event, context_.json));
      std::fflush(stdout);
      left_ -= std::min<std::uint64_t>(left_, page->events.size());
      if (!page->next || (page->events.empty() && !command_.follow)) return exit_fine;
      from_ = page->next;
      at_end_ = page->events.empty();
    }
    if (!command_.limit) say_there_is_more();
    return exit_fine;
  }

 private:
  std::optional<Page> fetch() {
    std::string path =
        stream_path(command_.name) + "/events?limit=" + std::to_string(std::min(left_, page_events_max));
    if (from_) path += "&from=" + percent_encode(*from_);
    if (command_.subject) path += "&subject=" + percent_encode(*command_.subject);
    if (command_.backward) path += "&direction=backward";
    if (command_.follow && at_end_) path += "&wait=30s";
    auto response = call(context_, client_, {.path = path});
    if (!response) return std::nullopt;
    auto page = parse_page(json_, std::move(response->body));
    if (!page)
      print_error(context_.json, "invalid_answer", context_.server + " did not answer with a page of events");
    return page;
  }

  // Only after the default limit: whoever gave one knows.
  void say_there_is_more() {
    left_ = 1;
    const auto from = from_;
    const auto page = fetch();
    if (!page || page->events.empty()) return;
    std::fprintf(stderr, "verity-admin: there is more; go on with --from %s, or choose --limit\n",
                 from->c_str());
  }

  const Context& context_;
  const ReadCommand& command_;
  HttpClient client_;
  http::JsonChecker json_;
  std::optional<std::string> from_;
  std::uint64_t left_ = UINT64_MAX;
  bool at_end_ = false;
};

class Tail {
 public:
  Tail(const Context& context, const ReadCommand& command)
      : context_(context),
        command_(command),
        client_(context.server),
        from_(command.from),
        left_(command.limit.value_or(UINT64_MAX)) {
    if (from_ == "end") from_.reset();
  }

  int run() {
    if (!from_ && !find_end()) return exit_failure;
    while (left_ > 0) {
      SseParser parser;
      const auto response = client_.stream(request(), heartbeat_patience, [&](std::string_view bytes) {
        connected_once_ = true;
        return parser.feed(bytes, [&](const SseEvent& event) { return take(event); });
      });
      if (left_ == 0 || refused_) break;
      if (response && !response->is_success()) {
        // 503 passes: the server is starting or stopping.
        if (response->status != 503 || !connected_once_) {
          print_refusal(context_, *response);
          return exit_failure;
        }
      } else if (!response && !connected_once_ && response.error().code == ErrorCode::refused) {
        print_unreachable(context_, response.error());
        return exit_failure;
      }
      wait_before_reconnecting();
    }
    return refused_ ? exit_failure : exit_fine;
  }

 private:
  static constexpr Duration heartbeat_patience = 60s;  // the server sends one every 15 s

  // Where the next event will be. Asked once, so that nothing is missed when the first connection breaks before it
  // brought an event.
  bool find_end() {
    auto response =
        call(context_, client_, {.path = stream_path(command_.name) + "/events?from=end&limit=1"});
    if (!response) return false;
    http::JsonChecker json;
    const auto page = parse_page(json, std::move(response->body));
    if (page) from_ = page->next;
    if (!from_)
      print_error(context_.json, "invalid_answer", context_.server + " did not say where the stream ends");
    return from_.has_value();
  }

  HttpRequest request() const {
    HttpRequest request{.path = stream_path(command_.name) + "/subscribe"};
    request.path += "?from=" + percent_encode(*from_);
    if (command_.subject) request.path += "&subject=" + percent_encode(*command_.subject);
    request.headers.push_back("Accept: text/event-stream");
    if (!last_id_.empty()) request.headers.push_back("Last-Event-ID: " + last_id_);
    return request;
  }

  bool take(const SseEvent& event) {
    reconnect_delay_ = first_delay;
    // An event of a stream, whatever its type, has an id of its own; the server's last word has none.
    if (event.type == "error" && (event.id.empty() || event.id == last_id_)) {
      print_refusal(context_, {.status = 200, .headers = {}, .body = event.data});
      refused_ = true;
      return false;
    }
    last_id_ = event.id;
    if (!context_.json && !header_printed_) print(event_header());
    header_printed_ = true;
    print(event_line(event.data, context_.json));
    std::fflush(stdout);
    return --left_ > 0;
  }

  void wait_before_reconnecting() {
    std::fprintf(stderr, "verity-admin: the subscription ended; connecting to %s again\n",
                 context_.server.c_str());
    std::this_thread::sleep_for(reconnect_delay_);
    reconnect_delay_ = std::min<std::chrono::milliseconds>(reconnect_delay_ * 2, last_delay);
  }

  static constexpr std::chrono::milliseconds first_delay{200};
  static constexpr std::chrono::milliseconds last_delay{5000};

  const Context& context_;
  const ReadCommand& command_;
  HttpClient client_;
  std::optional<std::string> from_;
  std::uint64_t left_;
  std::string last_id_;
  bool connected_once_ = false;
  bool refused_ = false;
  bool header_printed_ = false;
  std::chrono::milliseconds reconnect_delay_ = first_delay;
};

}  // namespace

int read_events(const Context& context, const ReadCommand& command) {
  return Reader(context, command).run();
}
int tail_events(const Context& context, const ReadCommand& command) {
  return Tail(context, command).run();
}

}  // namespace verity::tools
