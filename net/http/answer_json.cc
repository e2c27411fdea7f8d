#include "net/http/answer_json.h"

#include "net/http/json_writer.h"

namespace verity::http {

namespace {

// Keys are written with everything around them: ",\"revision\":".
void add(std::string& out, std::string_view key, std::uint64_t number) {
  out += key;
  append_json_number(out, number);
}

void add(std::string& out, std::string_view key, std::string_view text) {
  out += key;
  append_json_string(out, text);
}

// Text that needs no escaping.
void add_plain(std::string& out, std::string_view key, std::string_view text) {
  out += key;
  out += '"';
  out += text;
  out += '"';
}

void add_revisions(std::string& out, const node::AppendedStream& stream) {
  add(out, ",\"first_revision\":", stream.first_revision.value);
  add(out, ",\"last_revision\":", stream.last_revision.value);
}

void add_proof(std::string& out, const node::AppendReceipt& receipt) {
  add_plain(out, ",\"hash\":", receipt.hash.describe());
  add_plain(out, ",\"recorded_at\":", receipt.recorded_at.describe());
  out += "}\n";
}

}  // namespace

void append_event(std::string& out, const node::EventView& event) {
  add(out, "{\"stream\":", event.stream);
  add(out, ",\"revision\":", event.revision.value);
  add(out, ",\"position\":", event.position.value);
  add(out, ",\"index\":", std::uint64_t{event.index});
  if (!event.subject.empty()) {
    add(out, ",\"subject\":", event.subject);
    add(out, ",\"subject_revision\":", event.subject_revision.value);
  }
  add(out, ",\"type\":", event.type);
  out += ",\"data\":";
  out += event.data;
  if (!event.metadata.empty()) {
    out += ",\"metadata\":";
    out += event.metadata;
  }
  if (!event.id.empty()) add(out, ",\"id\":", event.id);
  add_plain(out, ",\"recorded_at\":", event.recorded_at.describe());
  out += '}';
}

void append_page(std::string& out, const node::EventPage& page) {
  out += "{\"events\":[";
  bool is_first = true;
  for (const node::EventView& event : page.events) {
    if (!is_first) out += ",\n";
    is_first = false;
    append_event(out, event);
  }
  out += "],\"next\":";
  if (page.next) {
    add_plain(out, "", page.next->describe());
  } else {
    out += "null";
  }
  add(out, ",\"head\":{\"position\":", page.head.value);
  if (page.last_revision) add(out, ",\"revision\":", page.last_revision->value);
  out += "}}\n";
}

void append_stream_receipt(std::string& out, const node::AppendReceipt& receipt) {
  add(out, "{\"position\":", receipt.position.value);
  if (!receipt.streams.empty()) add_revisions(out, receipt.streams.front());
  add_proof(out, receipt);
}

void append_streams_receipt(std::string& out, const node::AppendReceipt& receipt) {
  add(out, "{\"position\":", receipt.position.value);
  out += ",\"streams\":[";
  bool is_first = true;
  for (const node::AppendedStream& stream : receipt.streams) {
    if (!is_first) out += ',';
    is_first = false;
    add(out, "{\"stream\":", stream.stream);
    add_revisions(out, stream);
    out += '}';
  }
  out += ']';
  add_proof(out, receipt);
}

void append_tenant(std::string& out, const node::TenantInfo& tenant) {
  add(out, "{\"id\":", tenant.id.value);
  add(out, ",\"name\":", tenant.name);
  add_plain(out, ",\"created_at\":", tenant.created_at.describe());
  add(out, ",\"created_position\":", tenant.created_position.value);
  add(out, ",\"streams\":", tenant.streams);
  add(out, ",\"events\":", tenant.events);
  out += '}';
}

void append_head(std::string& out, const node::Head& head) {
  add(out, "{\"position\":", head.position.value);
  add_plain(out, ",\"hash\":", head.hash.describe());
  add_plain(out, ",\"tree_root\":", head.tree_root.describe());
  add_plain(out, ",\"recorded_at\":", head.recorded_at.describe());
  out += "}\n";
}

}  // namespace verity::http
