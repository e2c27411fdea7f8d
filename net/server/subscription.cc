#include "net/server/subscription.h"

#include "engine/node/node.h"
#include "io/fiber/wait.h"
#include "net/http/answer_json.h"
#include "net/http/message.h"
#include "net/http/problem.h"
#include "net/http/read_parameters.h"
#include "net/server/context.h"

#include <utility>

namespace verity::server {

namespace {

constexpr Duration memory_retry_delay = 50ms;

// A field of a server-sent event ends at its line's end, so JSON sent over several lines becomes several data
// lines; the reader joins them with line feeds. Carriage returns would end lines too and are white space in
// JSON: they become spaces.
void append_data_lines(std::string& out, std::string_view json) {
  out += "data: ";
  for (const char c : json) {
    if (c == '\n') {
      out += "\ndata: ";
    } else {
      out += c == '\r' ? ' ' : c;
    }
  }
  out += '\n';
}

// A field of one line.
void append_line(std::string& out, std::string_view field, std::string_view value) {
  out += field;
  for (const char c : value) out += c == '\n' || c == '\r' || c == '\0' ? ' ' : c;
  out += '\n';
}

void append_sse_event(std::string& out, std::string& scratch, const node::EventView& event) {
  append_line(out, "id: ", event.token().describe());
  append_line(out, "event: ", event.type);
  scratch.clear();
  http::append_event(scratch, event);
  append_data_lines(out, scratch);
  out += '\n';
}

class Subscription {
 public:
  Subscription(Context& context, SubscriptionRequest request)
      : context_(context), subject_(std::move(request)) {
    request_.tenant = subject_.tenant;
    request_.stream = subject_.stream;
    request_.subject = subject_.subject;
    request_.from = subject_.from;
    request_.limit = http::read_limit_max;
    request_.awaits_stream = true;
    // What this node has not applied yet it sends as soon as it has.
    request_.consistency = node::Consistency::stale;
    request_.bytes_max = context.options.subscription_page_bytes_max;
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  node::Outcome<node::EventPage> read(io::Wait& wait) { return context_.node().read(wait, request_); }

  void run(http::StreamWriter& writer, node::EventPage page) {
    io::Wait wait(context_.world.loop, &context_.aborting);
    io::Wait idle(context_.world.loop, &context_.stopping);
    ++context_.counters.subscriptions;
    // Says at once that it works, also through proxies that wait for a first byte.
    if (writer.write(wait, ": subscribed\n\n")) follow(wait, idle, writer, std::move(page));
    --context_.counters.subscriptions;
  }

 private:
  // Until the reader, the node or the server ends it.
  void follow(io::Wait& wait, io::Wait& idle, http::StreamWriter& writer, node::EventPage page) {
    Instant heartbeat_at = wait.now() + context_.options.heartbeat_interval;
    for (;;) {
      if (!page.events.empty()) {
        if (!send(wait, writer, page)) return;
        heartbeat_at = wait.now() + context_.options.heartbeat_interval;
      }
      if (page.next) request_.from = *page.next;
      if (idle.is_cancelled() || wait.is_cancelled()) return;
      if (page.events.empty()) {
        if (wait.now() >= heartbeat_at) {
          if (!writer.write(wait, ": heartbeat\n\n")) return;
          heartbeat_at = wait.now() + context_.options.heartbeat_interval;
        }
        io::Wait until_heartbeat = idle.until(heartbeat_at);
        context_.node().wait_for_events(until_heartbeat, request_, page.awaited());
        ignore(wait.yield(), "the next read notices");  // whoever wakes us early does not starve the others
      }
      page = {};
      auto next_page = read(wait);
      if (!next_page) return send_refusal(wait, writer, std::move(next_page.error()));
      page = std::move(*next_page);
    }
  }

  bool send(io::Wait& wait, http::StreamWriter& writer, const node::EventPage& page) {
    text_.clear();
    for (const node::EventView& event : page.events) append_sse_event(text_, scratch_, event);
    MemoryBudget::Share memory(context_.memory);
    while (!memory.grow_to(text_.size())) {
      if (!wait.sleep(memory_retry_delay)) return false;
    }
    const bool is_sent = writer.write(wait, text_).has_value();
    if (text_.capacity() > 64 * KiB) std::string().swap(text_);
    return is_sent;
  }

  void send_refusal(io::Wait& wait, http::StreamWriter& writer, node::Refusal refusal) {
    http::Response problem;
    http::answer(problem, http::to_problem(std::move(refusal)));
    if (problem.body.ends_with('\n')) problem.body.pop_back();
    std::string text = "event: error\n";
    append_data_lines(text, problem.body);
    text += '\n';
    ignore(writer.write(wait, text), "the stream ends here, heard or not");
  }

  Context& context_;
  const SubscriptionRequest subject_;  // owns the text that request_ views
  node::ReadRequest request_;
  std::string text_;
  std::string scratch_;
};

}  // namespace

void start_subscription(io::Wait& wait, Context& context, SubscriptionRequest request,
                        http::Response& response) {
  auto subscription = std::make_unique<Subscription>(context, std::move(request));
  auto page = subscription->read(wait);
  if (!page) return http::answer(response, http::to_problem(std::move(page.error())));
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.close = true;
  response.stream = [subscription = std::move(subscription), page = std::move(*page)](
                        http::StreamWriter& writer) mutable { subscription->run(writer, std::move(page)); };
}

}  // namespace verity::server
