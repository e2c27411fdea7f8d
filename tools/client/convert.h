// Between the library's types and ours.
#pragma once

#include "engine/node/request.h"

#include "tools/client/include/veritydb/client.h"

namespace veritydb {

// Views into `append` and `read`, which outlive them.
verity::node::AppendRequest to_request(const Append& append);
verity::node::ReadRequest to_request(const Read& read);

Appended to_appended(const verity::node::AppendReceipt& receipt);
Page to_page(const verity::node::EventPage& page);
Error to_error(const verity::node::Refusal& refusal);

}  // namespace veritydb
