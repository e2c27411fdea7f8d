// What the proposed and not yet applied entries will have changed: an overlay over the derived state, small and short
// lived, so that expectations are checked against everything that is on its way.
#pragma once

#include "engine/log/body.h"
#include "io/base/ids.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace verity::node {

class ProposedState {
 public:
  // The entry at `position`, later than all added before, has been proposed.
  void add(Position position, TenantId tenant, const log::EventsBody& body);
  // The entry at `position`, later than all added before, settles this request of a session.
  void add_request(Position position, const Id128& session, std::uint64_t number);
  // Everything up to `applied` is in the derived state now.
  void prune(Position applied);

  // Nothing: ask the derived state.
  std::optional<Revision> last_revision(TenantId tenant, std::string_view stream) const;
  std::optional<Revision> subject_last_revision(TenantId tenant, std::string_view stream,
                                                std::string_view subject) const;
  // The entry on its way that carries this idempotency key.
  std::optional<Position> key_in_flight(TenantId tenant, std::string_view key) const;
  std::uint64_t keys_in_flight(TenantId tenant) const;
  // The entry on its way that settles this request.
  std::optional<Position> request_in_flight(const Id128& session, std::uint64_t number) const;
  // Streams of a tenant that entries on their way write to.
  std::vector<std::string_view> streams(TenantId tenant) const;

 private:
  // (tenant, stream, subject or empty); keys of another kind have stream "" and the key as subject.
  struct Name {
    TenantId tenant;
    std::string stream;
    std::string text;
  };
  struct NameView {
    TenantId tenant;
    std::string_view stream;
    std::string_view text;
    auto operator<=>(const NameView&) const = default;
  };
  struct Less {
    using is_transparent = void;
    static NameView view(const Name& name) { return {name.tenant, name.stream, name.text}; }
    static NameView view(const NameView& name) { return name; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return view(a) < view(b);
    }
  };
  struct Last {
    Revision revision;
    Position by;  // the last entry on its way that changes it
  };
  using Map = std::map<Name, Last, Less>;

  void set(Position position, const NameView& name, Revision revision);

  Map last_;
  std::map<Name, Position, Less> keys_;
  std::deque<std::pair<Position, Map::iterator>> changes_;
  std::deque<std::pair<Position, std::map<Name, Position, Less>::iterator>> key_order_;
  std::map<std::pair<Id128, std::uint64_t>, Position> requests_;
  std::deque<decltype(requests_)::iterator> request_order_;
};

}  // namespace verity::node
