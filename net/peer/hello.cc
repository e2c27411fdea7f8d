#include "net/peer/hello.h"

#include <algorithm>
#include <array>
#include <limits>

namespace verity::peer {

namespace {

constexpr std::array<std::string_view, refusal_code_count> code_names = {
    "unknown",          "malformed",        "other_cluster_name", "other_cluster", "other_epoch",
    "protocol_too_old", "protocol_too_new", "bad_node_id",        "self",          "own_node_id",
    "node_id_taken",    "stale_boot",       "identity_changed",   "duplicate",     "stopping",
    "other_release",
};

template <class Length>
void put_text(Bytes& out, std::string_view text) {
  text = text.substr(0, std::numeric_limits<Length>::max());
  put(out, static_cast<Length>(text.size()));
  put_bytes(out, as_bytes(text));
}

// Takes fields off a payload; the first one that is cut short is remembered.
class Fields {
 public:
  explicit Fields(ByteView payload) : size_(payload.size()), reader_(payload) {}

  template <class T>
  T number() {
    return note(reader_.get<T>()).value_or(T{});
  }
  template <class Length>
  std::string text() {
    const auto length = number<Length>();
    return std::string(as_text(note(reader_.take(length)).value_or(ByteView())));
  }
  Status check(std::string_view what) const {
    if (!reader_.failed()) return {};
    return fail(ErrorCode::corrupt, std::string(what) + " of " + std::to_string(size_) +
                                        " bytes ends inside the field at byte " + std::to_string(cut_at_));
  }

 private:
  template <class T>
  std::optional<T> note(std::optional<T> field) {
    if (!reader_.failed()) cut_at_ = size_ - reader_.rest().size();
    return field;
  }

  const std::size_t size_;
  ByteReader reader_;
  std::size_t cut_at_ = 0;
};

}  // namespace

std::string_view describe(Lane lane) {
  return lane == Lane::control ? "control" : "bulk";
}

std::string_view describe(RefusalCode code) {
  const auto index = static_cast<std::size_t>(code);
  return code_names[index < code_names.size() ? index : 0];
}

std::string PeerIdentity::describe() const {
  return "node " + id.describe() + " boot " + std::to_string(boot_number);
}

std::string Hello::describe() const {
  return identity.describe() + " incarnation " + identity.incarnation.describe() + " of cluster \"" +
         printable(cluster_name) + "\" " + (cluster_id.is_zero() ? "(blank)" : cluster_id.describe());
}

Bytes encode_hello(const HelloFrame& frame) {
  const Hello& hello = frame.hello;
  Bytes out;
  put(out, hello.protocol_min);
  put(out, hello.protocol_max);
  put(out, hello.identity.id.value);
  put(out, hello.identity.incarnation);
  put(out, hello.identity.boot_number);
  put(out, hello.identity.boot_nonce);
  put(out, hello.cluster_id);
  put(out, hello.epoch);
  put(out, hello.release);
  put(out, hello.oldest_release);
  put(out, hello.active_release);
  put(out, hello.activated_by);
  put(out, frame.lane);
  put(out, frame.number_from);
  put_text<std::uint8_t>(out, hello.cluster_name);
  put_text<std::uint8_t>(out, hello.address);
  return out;
}

Result<HelloFrame> decode_hello(ByteView payload) {
  Fields fields(payload);
  HelloFrame frame;
  Hello& hello = frame.hello;
  hello.protocol_min = fields.number<std::uint16_t>();
  hello.protocol_max = fields.number<std::uint16_t>();
  hello.identity.id = NodeId{fields.number<std::uint64_t>()};
  hello.identity.incarnation = fields.number<Id128>();
  hello.identity.boot_number = fields.number<std::uint64_t>();
  hello.identity.boot_nonce = fields.number<Id128>();
  hello.cluster_id = fields.number<Id128>();
  hello.epoch = fields.number<Id128>();
  hello.release = fields.number<std::uint32_t>();
  hello.oldest_release = fields.number<std::uint32_t>();
  hello.active_release = fields.number<std::uint32_t>();
  hello.activated_by = fields.number<Position>();
  const auto lane = fields.number<std::uint8_t>();
  frame.number_from = fields.number<std::uint64_t>();
  hello.cluster_name = fields.text<std::uint8_t>();
  hello.address = fields.text<std::uint8_t>();
  VERITY_TRY(fields.check("a hello"));
  if (lane >= lane_count) return fail(ErrorCode::corrupt, "a hello names lane " + std::to_string(lane));
  frame.lane = static_cast<Lane>(lane);
  return frame;
}

Bytes encode_refusal(const Refusal& refusal) {
  Bytes out;
  put(out, refusal.code);
  put(out, refusal.by.value);
  put_text<std::uint16_t>(out, refusal.sentence);
  return out;
}

Result<Refusal> decode_refusal(ByteView payload) {
  Fields fields(payload);
  Refusal refusal;
  refusal.code = static_cast<RefusalCode>(fields.number<std::uint16_t>());
  refusal.by = NodeId{fields.number<std::uint64_t>()};
  refusal.sentence = fields.text<std::uint16_t>();
  VERITY_TRY(fields.check("a refusal"));
  return refusal;
}

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string out(text.substr(0, bytes_max));
  std::ranges::replace_if(
      out, [](char c) { return c < ' ' || c == '\x7f'; }, '?');
  if (out.size() < text.size()) out += "...";
  return out;
}

}  // namespace verity::peer
