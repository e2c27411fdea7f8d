#include "engine/node/derived.h"

namespace verity::node {

Status Derived::apply_body(const log::Entry& entry) {
  const log::EntryHeader& header = entry.header();
  switch (header.kind) {
    case log::EntryKind::founding:
    case log::EntryKind::members:
    case log::EntryKind::settled:
    case log::EntryKind::release:
      return {};
    case log::EntryKind::tenant: {
      log::TenantBody body;
      VERITY_TRY(log::decode(entry.body(), body));
      VERITY_TRY(catalogue.apply(entry.position(), header.timestamp, body));
      if (body.action == log::TenantBody::Action::remove) {
        streams.remove_tenant(body.id);
        keys.remove_tenant(body.id);
      }
      return {};
    }
    case log::EntryKind::events: {
      VERITY_TRY(log::decode(entry.body(), body_));
      VERITY_TRY(streams.apply(entry.position(), header.tenant, body_));
      if (body_.idempotency)
        keys.apply(entry.position(), header.timestamp, header.tenant, *body_.idempotency);
      if (!header.session.is_zero()) {
        sessions.settle(entry.position(), header.session, header.request,
                        index::SettledRequest::Fate::carried_out);
      }
      return {};
    }
    case log::EntryKind::session: {
      log::SessionBody body;
      VERITY_TRY(log::decode(entry.body(), body));
      if (body.action == log::SessionBody::Action::add) {
        sessions.add(entry.position(), header.session);
      } else {
        sessions.settle(entry.position(), header.session, header.request,
                        index::SettledRequest::Fate::given_up);
      }
      return {};
    }
  }
  return fail(ErrorCode::unsupported, "an entry of kind " +
                                          std::to_string(static_cast<unsigned>(header.kind)) +
                                          "; this release does not know it");
}

Status Derived::apply(const log::Entry& entry, const log::MerkleFrontier::OnNode& on_node) {
  if (entry.position() != position.next() || entry.header().parent != hash) {
    return fail(ErrorCode::corrupt, entry.describe() + " does not follow position " + position.describe());
  }
  if (Status applied = apply_body(entry); !applied) {
    return std::unexpected(std::move(applied.error()).within("applying " + entry.describe()));
  }
  position = entry.position();
  hash = entry.hash();
  recorded_at = entry.header().timestamp;
  tree.append(log::merkle_leaf(hash), on_node);
  return {};
}

}  // namespace verity::node
