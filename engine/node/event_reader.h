// Pages of events: which entries the index names, read from the log, as the request wants them.
#pragma once

#include "engine/log/reader.h"
#include "engine/node/derived.h"
#include "engine/node/request.h"

namespace verity::io {
class Wait;
}

namespace verity::node {

// Reads nothing beyond what is applied when it is called. `tenant` is the request's tenant.
Outcome<EventPage> read_events(io::Wait& wait, const ReadRequest& request, TenantId tenant,
                               const Derived& derived, log::LogReader& reader);

// Whether an event of the request's tenant, and stream and subject if named, may exist at or after `from`.
bool may_have_events(const ReadRequest& request, TenantId tenant, const Derived& derived, EventToken from);

}  // namespace verity::node
