#include "tests/flip/flip.h"

#include "engine/node/node.h"
#include "engine/node/request.h"
#include "io/base/assert.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"
#include "sim/disk.h"
#include "sim/process.h"
#include "sim/world.h"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace verity::flip {
namespace {

node::NodeOptions small_options() {
  node::NodeOptions options;
  options.cluster_name = "flip";
  options.segment_bytes = 64 * KiB;
  options.lock_holder = "flip";
  options.limits.record_bytes_max = 16 * KiB;
  options.limits.batch_bytes_max = 32 * KiB;
  options.tuning.checkpoint_entries = 40;
  options.tuning.checkpoint_bytes = 48 * KiB;
  options.tuning.read_cache_bytes = 0;  // what is read comes from the disk
  options.tuning.scrub_pause = 1h;      // reads are to find it, not luck
  return options;
}

// One host with one disk, on which one program after the other runs.
class Host {
 public:
  explicit Host(std::uint64_t seed) : world_({.seed = seed}), disk_(world_, "disk", {.sector_bytes = 512}) {}

  void run(const std::function<void(io::Wait&, sim::Process&, io::Directory&)>& body) {
    sim::Process process(world_, {.host = "node", .boot = ++boot_});
    process.spawn("main", [&](io::Wait& wait) {
      auto root = disk_.mount(process, "data");
      body(wait, process, *root);
    });
    world_.run_until([&] { return process.is_finished(); });
    process.crash("the program has ended");
    process.drain();
  }

  sim::Disk& disk() { return disk_; }
  const std::optional<std::string>& failure() const { return world_.failure(); }

 private:
  sim::World world_;
  sim::Disk disk_;
  std::uint64_t boot_ = 0;
};

// ---- filling

struct Sent {
  std::string tenant;
  std::vector<ExpectedEvent> events;  // without position, index and revision; streams in order of the request
  std::string idempotency_key;
};

// One request of every shape, over and over, with contents that tell the requests apart.
Sent request_number(std::uint64_t n) {
  Sent sent;
  sent.tenant = n % 5 == 4 ? "clinic" : "default";
  const auto event = [&](std::string stream, std::uint64_t part) {
    ExpectedEvent e;
    e.stream = std::move(stream);
    e.type = part % 2 == 0 ? "noted" : "corrected";
    e.data = "{\"n\": " + std::to_string(n) + ", \"part\":" + std::to_string(part) + ".0, \"text\":\"" +
             std::string(40 + n * 37 % 300, static_cast<char>('a' + n % 26)) + "\"}";
    if (n % 3 == 0) e.subject = "patient-" + std::to_string(n % 7);
    if (n % 4 == 1) e.metadata = "{\"by\" :\"" + std::to_string(n) + "\"}";
    if (n % 6 == 2) e.id = "id-" + std::to_string(n) + "-" + std::to_string(part);
    return e;
  };
  sent.events.push_back(event("notes-" + std::to_string(n % 3), 0));
  if (n % 2 == 0) sent.events.push_back(event("notes-" + std::to_string(n % 3), 1));
  if (n % 7 == 3) sent.events.push_back(event("audit", 2));
  if (n % 4 == 0) sent.idempotency_key = "key-" + std::to_string(n);
  return sent;
}

node::AppendRequest as_request(const Sent& sent) {
  node::AppendRequest request;
  request.tenant = sent.tenant;
  for (const auto& e : sent.events) {
    if (request.streams.empty() || request.streams.back().stream != e.stream) {
      node::StreamAppend append;
      append.stream = e.stream;
      request.streams.push_back(std::move(append));
    }
    node::NewEvent event{};
    event.type = e.type;
    event.data = e.data;
    event.metadata = e.metadata;
    event.id = e.id;
    event.subject = e.subject;
    request.streams.back().events.push_back(event);
  }
  if (!sent.idempotency_key.empty())
    request.idempotency =
        node::IdempotencyKey{sent.idempotency_key, sha256({as_bytes(sent.idempotency_key)})};
  return request;
}

// Appends and fills in where the events went; empty when all is well, else what went wrong.
std::string append(io::Wait& wait, node::Node& node, Sent sent, std::vector<ExpectedEvent>& events) {
  auto receipt = node.append(wait, as_request(sent));
  if (!receipt) return "an append was refused: " + receipt.error().describe();
  std::map<std::string, std::uint64_t> next;
  for (const auto& s : receipt->streams) next[s.stream] = s.first_revision.value;
  std::uint32_t index = 0;
  for (auto& e : sent.events) {
    e.position = receipt->position.value;
    e.index = index++;
    e.revision = next[e.stream]++;
    events.push_back(std::move(e));
  }
  return {};
}

// ---- reading

struct Reading {
  std::string wrong;                  // empty: everything that was answered is true
  std::vector<std::string> damaged;   // what was refused as damaged
  std::set<std::uint64_t> positions;  // of the entries that were refused
};

ExpectedEvent as_expected(const node::EventView& v) {
  return {.stream = std::string(v.stream),
          .revision = v.revision.value,
          .position = v.position.value,
          .index = v.index,
          .subject = std::string(v.subject),
          .type = std::string(v.type),
          .data = std::string(v.data),
          .metadata = std::string(v.metadata),
          .id = std::string(v.id)};
}

std::string describe(const ExpectedEvent& e) {
  return e.stream + "@" + std::to_string(e.revision) + " at " + std::to_string(e.position) + "." +
         std::to_string(e.index);
}

// Reads a tenant's whole log in one direction; what is refused as damaged is stepped over.
void read_tenant(io::Wait& wait, node::Node& node, const std::string& tenant,
                 const std::vector<ExpectedEvent>& events, Reading& reading) {
  node::ReadRequest request;
  request.tenant = tenant;
  request.limit = 50;
  std::size_t at = 0;
  while (at < events.size() && reading.wrong.empty()) {
    request.from = {.kind = node::ReadFrom::Kind::token,
                    .revision = {},
                    .token = {.position = {events[at].position}, .index = events[at].index}};
    auto page = node.read(wait, request);
    if (!page) {
      if (page.error().code != node::RefusalCode::damaged) {
        reading.wrong = "reading " + tenant + " at " + describe(events[at]) + ": " + page.error().describe();
        return;
      }
      reading.damaged.push_back(page.error().describe());
      const std::uint64_t damaged = page.error().position.value;
      reading.positions.insert(damaged);
      if (damaged < events[at].position || damaged > events.back().position) {
        reading.wrong = "a read at " + describe(events[at]) + " names position " + std::to_string(damaged);
        return;
      }
      while (at < events.size() && events[at].position <= damaged) ++at;
      continue;
    }
    if (page->events.empty()) {
      reading.wrong = tenant + " ends before " + describe(events[at]);
      return;
    }
    for (const auto& view : page->events) {
      if (at == events.size() || as_expected(view) != events[at]) {
        reading.wrong = "at " + describe(as_expected(view)) + " of " + tenant + " something else was sent" +
                        (at < events.size() ? ": " + describe(events[at]) : "");
        return;
      }
      ++at;
    }
  }
}

// The last revision of every stream, which the index answers without the log.
void read_streams(io::Wait& wait, node::Node& node, const std::string& tenant,
                  const std::vector<ExpectedEvent>& events, Reading& reading) {
  std::map<std::string, ExpectedEvent> last;
  for (const auto& e : events) last[e.stream] = e;
  for (const auto& [stream, event] : last) {
    node::ReadRequest request;
    request.tenant = tenant;
    request.stream = stream;
    request.from = {.kind = node::ReadFrom::Kind::end, .revision = {}, .token = {}};
    request.direction = node::Direction::backward;
    request.limit = 1;
    auto page = node.read(wait, request);
    if (!page) {
      if (page.error().code == node::RefusalCode::damaged)
        reading.damaged.push_back(page.error().describe());
      else
        reading.wrong = "the end of " + stream + ": " + page.error().describe();
      continue;
    }
    if (page->events.size() != 1 || as_expected(page->events[0]) != event)
      reading.wrong = "the end of " + stream + " is not " + describe(event);
  }
}

// An event is found by its revision exactly if its entry is intact, whatever its neighbours are.
void read_by_revision(io::Wait& wait, node::Node& node, const std::string& tenant,
                      const std::vector<ExpectedEvent>& events, Reading& reading) {
  const std::size_t step = reading.positions.empty() ? 16 : 1;
  for (std::size_t i = 0; i < events.size() && reading.wrong.empty(); i += step) {
    const ExpectedEvent& event = events[i];
    node::ReadRequest request;
    request.tenant = tenant;
    request.stream = event.stream;
    request.from = {.kind = node::ReadFrom::Kind::revision, .revision = {event.revision}, .token = {}};
    request.direction = i % 2 == 0 ? node::Direction::forward : node::Direction::backward;
    request.limit = 1;
    const auto page = node.read(wait, request);
    const bool is_damaged = reading.positions.contains(event.position);
    if (is_damaged ? !page && page.error().code == node::RefusalCode::damaged &&
                         reading.positions.contains(page.error().position.value)
                   : page && page->events.size() == 1 && as_expected(page->events[0]) == event)
      continue;
    reading.wrong = "reading " + tenant + " by revision at " + describe(event) + ": " +
                    (page ? std::string(is_damaged ? "it is damaged and served" : "another event")
                          : page.error().describe());
  }
}

Reading read_everything(io::Wait& wait, node::Node& node, const Image& image) {
  Reading reading;
  for (const auto& [tenant, events] : image.events) {
    read_tenant(wait, node, tenant, events, reading);
    read_streams(wait, node, tenant, events, reading);
    read_by_revision(wait, node, tenant, events, reading);
  }
  auto head = node.head(wait);
  if (!head) {
    if (head.error().code != node::RefusalCode::damaged)
      reading.wrong = "the head: " + head.error().describe();
    else
      reading.damaged.push_back(head.error().describe());
  } else if (head->position.value != image.head || head->hash.describe() != image.head_hash) {
    reading.wrong =
        "the head is " + std::to_string(head->position.value) + " instead of " + std::to_string(image.head);
  }
  return reading;
}

// ---- one start of a node

std::string file_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// Starts, reads everything, appends if nothing is damaged, and stops. `more` gets what was appended.
Verdict look(Host& host, const Image& image, const std::string& path, Image* more) {
  Verdict verdict;
  host.run([&](io::Wait& wait, sim::Process& process, io::Directory& root) {
    auto node = node::Node::start(wait, process.io_world(), root, small_options());
    if (!node) {
      const std::string words = node.error().describe();
      const bool named = words.find(file_name(path)) != std::string::npos;
      verdict = {named ? Finding::refused : Finding::wrong,
                 named ? words : "refused without naming the file: " + words};
      return;
    }
    const Reading reading = read_everything(wait, **node, image);
    const auto status = (*node)->status();
    if (!reading.wrong.empty()) {
      verdict = {Finding::wrong, reading.wrong};
    } else if (!reading.damaged.empty() || !status.damage.empty()) {
      const std::string words = status.damage.empty() ? std::string() : status.damage.front();
      const bool named = words.find(file_name(path)) != std::string::npos;
      verdict = {named ? Finding::named : Finding::wrong,
                 named ? words : "damage was met, but the status does not name the file: " + words};
      // What is damaged accepts nothing more.
      std::vector<ExpectedEvent> ignored;
      if (append(wait, **node, request_number(1000), ignored).empty())
        verdict = {Finding::wrong, "an append was accepted although damage was found: " + words};
    } else {
      verdict = {Finding::harmless, status.reason};
      if (more != nullptr) {
        for (std::uint64_t n = 1000; n < 1003 && verdict.finding == Finding::harmless; ++n) {
          auto sent = request_number(n);
          auto& events = more->events[sent.tenant];
          if (const auto wrong = append(wait, **node, std::move(sent), events); !wrong.empty())
            verdict = {Finding::wrong, wrong};
        }
        if (auto head = (*node)->head(wait)) {
          more->head = head->position.value;
          more->head_hash = head->hash.describe();
        }
      }
    }
    if (auto stopped = (*node)->stop(wait); !stopped && verdict.finding == Finding::harmless)
      verdict = {Finding::wrong, "the node did not stop: " + stopped.error().describe()};
  });
  if (host.failure()) return {Finding::wrong, *host.failure()};
  return verdict;
}

void install(Host& host, const Image& image) {
  host.run([&](io::Wait& wait, sim::Process& /*process*/, io::Directory& root) {
    std::map<std::string, std::unique_ptr<io::Directory>> folders;
    for (const auto& [path, content] : image.files) {
      io::Directory* folder = &root;
      std::string name = path;
      if (const auto slash = path.find('/'); slash != std::string::npos) {
        auto& slot = folders[path.substr(0, slash)];
        if (slot == nullptr) slot = root.open_directory(wait, path.substr(0, slash), true).value();
        folder = slot.get();
        name = path.substr(slash + 1);
      }
      auto file = folder->open(wait, name, {.mode = io::OpenMode::create}).value();
      if (!content.empty())
        ignore(file->write(wait, 0, content, io::Durability::cached), "the sync below tells");
      file->sync(wait).value();
    }
    for (auto& [name, folder] : folders) folder->sync(wait).value();
    root.sync(wait).value();
  });
}

}  // namespace

ByteCount Image::size() const {
  ByteCount sum = 0;
  for (const auto& [path, content] : files) sum += content.size();
  return sum;
}

Image make_image() {
  Host host(1);
  Image image;
  host.run([&](io::Wait& wait, sim::Process& process, io::Directory& root) {
    auto node = node::Node::start(wait, process.io_world(), root, small_options());
    VERITY_ASSERT(node.has_value());
    VERITY_ASSERT((*node)->create_tenant(wait, "clinic").has_value());
    for (std::uint64_t n = 0; n < 150; ++n) {
      auto sent = request_number(n);
      auto& events = image.events[sent.tenant];
      VERITY_ASSERT(append(wait, **node, std::move(sent), events).empty());
    }
    auto head = (*node)->head(wait);
    VERITY_ASSERT(head.has_value());
    image.head = head->position.value;
    image.head_hash = head->hash.describe();
    VERITY_ASSERT((*node)->stop(wait).has_value());
  });
  for (const auto& path : host.disk().files()) image.files[path] = host.disk().durable_content(path);
  return image;
}

Verdict flip_and_look(const Image& image, const std::string& path, ByteCount offset, unsigned bit) {
  Image flipped = image;
  auto& byte = flipped.files.at(path).at(offset);
  byte ^= std::byte(1U << bit);
  Host host(offset);
  install(host, flipped);
  Image more = image;
  Verdict verdict = look(host, image, path, &more);
  if (verdict.finding != Finding::harmless) return verdict;
  // Harmless only if the node's next life finds everything too.
  Verdict again = look(host, more, path, nullptr);
  if (again.finding != Finding::harmless) return {Finding::wrong, "after another start: " + again.words};
  return verdict;
}

}  // namespace verity::flip
