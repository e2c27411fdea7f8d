// `verity-admin stream append`: one event given by options, or many as lines.
//
// Lines go in requests of batch_events. Each is atomic; together they are not, so that what was appended is said when
// one is refused. With an expected revision every request expects what the one before left behind; with an idempotency
// key request n carries "KEY.n": running the same command on the same lines again goes on where it was interrupted.
#include "net/http/json_check.h"
#include "net/http/json_slice.h"
#include "net/http/json_writer.h"
#include "tools/admin/api.h"
#include "tools/admin/line_source.h"

#include <nlohmann/json.hpp>

#include <csignal>

namespace verity::tools {
namespace {

constexpr std::size_t batch_bytes_max = 4 * MiB;  // below any sensible max_batch_size
constexpr std::size_t json_depth_max = 128;       // the server's
constexpr int attempts_max = 5;                   // of a request that carries an idempotency key

volatile std::sig_atomic_t interrupted = 0;
void note_interrupt(int /*signal*/) {
  interrupted = 1;
}

// The request under way is finished; waiting for a line is not.
void watch_for_interrupt() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
}

std::string event_format(bool lines) {
  return lines ? "application/x-ndjson" : "application/json";
}

// Sends one request; one that carries a key may be sent again when its answer did not come.
std::optional<HttpResponse> post(const Context& context, HttpClient& client, const HttpRequest& request,
                                 bool has_key) {
  for (int attempt = 1;; ++attempt) {
    auto response = client.send(request);
    if (response && response->is_success()) return *std::move(response);
    if (response) {
      print_refusal(context, *response);
      return std::nullopt;
    }
    const Error& error = response.error();
    if (error.code == ErrorCode::refused || !has_key || attempt == attempts_max) {
      if (error.code == ErrorCode::closed || error.code == ErrorCode::timed_out) {
        print_error(context.json, "outcome_unknown",
                    error.message + "; the events may or may not have been appended" +
                        (has_key ? ". Running the same command again is safe: it has an idempotency key"
                                 : ". --idempotency-key makes repeating safe"));
      } else {
        print_unreachable(context, error);
      }
      return std::nullopt;
    }
  }
}

class Appender {
 public:
  Appender(const Context& context, const AppendCommand& command)
      : context_(context), command_(command), client_(context.server), expected_(command.expected_revision) {}

  // One event made of the options.
  int append_single() {
    std::string data = command_.data.value_or("null");
    if (command_.file) {
      auto text = read_whole(*command_.file, LineSource::line_bytes_max);
      if (!text) {
        print_error(context_.json, text.error());
        return exit_failure;
      }
      data = *std::move(text);
    }
    std::string body = "[{\"type\":";
    http::append_json_string(body, *command_.type);
    if (!add_json(body, "data", command_.file ? "the file" : "--data", data)) return exit_usage;
    if (command_.metadata && !add_json(body, "metadata", "--metadata", *command_.metadata)) return exit_usage;
    add_text(body, "id", command_.id);
    add_text(body, "subject", command_.subject);
    const auto response = send(body + "}]", false, command_.idempotency_key);
    if (!response) return exit_failure;
    print(context_.json ? *response : receipt_line(*response));
    return exit_fine;
  }

  int append_lines() {
    auto source = LineSource::open(command_.file.value_or("-"));
    if (!source) {
      print_error(context_.json, source.error());
      return exit_failure;
    }
    watch_for_interrupt();
    Progress progress("appending", source->bytes_total() > 0 ? Progress::Unit::bytes : Progress::Unit::items,
                      context_.json);
    std::string batch;
    std::uint64_t batch_events = 0;
    std::uint64_t batch_first_line = 1;
    while (true) {
      auto line = source->next();
      if (!line && interrupted != 0) return report_interrupt(progress);
      if (!line) {
        print_error(context_.json, line.error());
        return report(exit_failure);
      }
      const bool at_end = !line->has_value();
      const bool is_blank = !at_end && (*line)->find_first_not_of(" \t\r") == std::string::npos;
      const std::size_t line_bytes = at_end ? 0 : (*line)->size() + 1;
      if (batch_events > 0 &&
          (at_end || batch_events == command_.batch_events || batch.size() + line_bytes > batch_bytes_max)) {
        if (!send_batch(batch, batch_events, batch_first_line)) return report(exit_failure);
        batch.clear();
        batch_events = 0;
        if (source->bytes_total() > 0) {
          progress.update(source->bytes_read(), source->bytes_total());
        } else {
          progress.update(appended_, 0);
        }
        if (interrupted != 0) return report_interrupt(progress);
      }
      if (at_end) break;
      if (is_blank) continue;
      if (batch_events == 0) batch_first_line = source->lines_read();
      batch += **line;
      batch += '\n';
      ++batch_events;
      last_read_line_ = source->lines_read();
    }
    progress.finish();
    return report(exit_fine);
  }

 private:
  bool add_json(std::string& body, std::string_view key, std::string_view origin, std::string_view text) {
    if (const auto fault = json_.find_fault(text, json_depth_max)) {
      print_error(context_.json, "invalid_json", std::string(origin) + " is not JSON: " + *fault);
      return false;
    }
    body += ",\"" + std::string(key) + "\":";
    body += http::trim_json(text);
    return true;
  }

  static void add_text(std::string& body, std::string_view key, const std::optional<std::string>& text) {
    if (!text) return;
    body += ",\"" + std::string(key) + "\":";
    http::append_json_string(body, *text);
  }

  // The server's answer; nothing when it failed, which has been printed.
  std::optional<std::string> send(std::string body, bool lines, const std::optional<std::string>& key) {
    HttpRequest request{
        .method = "POST", .path = stream_path(command_.name) + "/events", .body = std::move(body)};
    request.headers.push_back("Content-Type: " + event_format(lines));
    if (expected_) request.headers.push_back("Expected-Revision: " + *expected_);
    if (key) request.headers.push_back("Idempotency-Key: " + *key);
    auto response = post(context_, client_, request, key.has_value());
    if (!response) return std::nullopt;
    return std::move(response->body);
  }

  bool send_batch(const std::string& batch, std::uint64_t events, std::uint64_t first_line) {
    ++requests_;
    std::optional<std::string> key;
    if (command_.idempotency_key) key = *command_.idempotency_key + "." + std::to_string(requests_);
    const auto response = send(batch, true, key);
    if (!response) {
      print_where(first_line);
      return false;
    }
    appended_ += events;
    last_line_ = last_read_line_;
    const auto receipt = nlohmann::json::parse(*response, nullptr, false);
    if (receipt.is_object()) {
      if (!first_revision_) first_revision_ = receipt.value("first_revision", std::uint64_t{0});
      last_revision_ = receipt.value("last_revision", std::uint64_t{0});
      last_position_ = receipt.value("position", std::uint64_t{0});
      if (expected_ && *expected_ != "any") expected_ = std::to_string(last_revision_);
    }
    return true;
  }

  int report_interrupt(Progress& progress) const {
    progress.finish();
    print_error(context_.json, "interrupted",
                last_line_ == 0 ? "interrupted before anything was appended"
                                : "interrupted; the events of lines 1 to " + std::to_string(last_line_) +
                                      " are appended");
    return report(exit_failure);
  }

  // The server counts events within one request; people count lines of their file.
  void print_where(std::uint64_t first_line) const {
    if (context_.json) return;
    std::fprintf(stderr, "verity-admin: that was the request that begins at line %llu; %s\n",
                 static_cast<unsigned long long>(first_line),
                 last_line_ == 0 ? "nothing was appended before it"
                                 : ("lines 1 to " + std::to_string(last_line_) + " are appended").c_str());
  }

  static std::string receipt_line(const std::string& response) {
    const auto receipt = nlohmann::json::parse(response, nullptr, false);
    if (!receipt.is_object()) return response;
    return "appended revision " + std::to_string(receipt.value("first_revision", std::uint64_t{0})) +
           " at position " + std::to_string(receipt.value("position", std::uint64_t{0})) + ", hash " +
           receipt.value("hash", "?") + "\n";
  }

  int report(int code) const {
    if (context_.json) {
      if (code != exit_fine) return code;  // the error was the answer
      nlohmann::ordered_json out{{"events", appended_}, {"requests", requests_}};
      if (first_revision_) {
        out["first_revision"] = *first_revision_;
        out["last_revision"] = last_revision_;
        out["position"] = last_position_;
      }
      print(out.dump() + "\n");
    } else if (first_revision_) {
      print("appended " + std::to_string(appended_) + (appended_ == 1 ? " event" : " events") +
            " as revisions " + std::to_string(*first_revision_) + " to " + std::to_string(last_revision_) +
            ", last position " + std::to_string(last_position_) + "\n");
    } else {
      print("appended 0 events\n");
    }
    return code;
  }

  const Context& context_;
  const AppendCommand& command_;
  HttpClient client_;
  http::JsonChecker json_;
  std::optional<std::string> expected_;  // of the next request
  std::uint64_t requests_ = 0;
  std::uint64_t appended_ = 0;
  std::uint64_t last_read_line_ = 0;
  std::uint64_t last_line_ = 0;  // the last line that is appended
  std::optional<std::uint64_t> first_revision_;
  std::uint64_t last_revision_ = 0;
  std::uint64_t last_position_ = 0;
};

}  // namespace

int append_events(const Context& context, const AppendCommand& command) {
  Appender appender(context, command);
  return command.type ? appender.append_single() : appender.append_lines();
}

}  // namespace verity::tools
