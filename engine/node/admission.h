// Decides whether an append may be proposed, and as what: names, sizes, limits, expectations. A function of the request,
// the derived state and what is on its way; nothing here waits or changes anything.
#pragma once

#include "engine/log/body.h"
#include "engine/node/derived.h"
#include "engine/node/options.h"
#include "engine/node/proposed_state.h"
#include "engine/node/request.h"

namespace verity::node {

// The body views into the request.
Outcome<log::EventsBody> admit(const AppendRequest& request, TenantId tenant, const Limits& limits,
                               const Derived& derived, const ProposedState& proposed);

}  // namespace verity::node
