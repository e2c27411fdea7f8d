// The JSON that successful requests are answered with. Events carry data and metadata exactly as they were
// appended.
#pragma once

#include "engine/node/request.h"

#include <string>

namespace verity::http {

// {"stream","revision","position","index","subject"?,"subject_revision"?,"type","data","metadata"?,"id"?,
//  "recorded_at"}
void append_event(std::string& out, const node::EventView& event);
// {"events":[…],"next":"42.2"|null,"head":{"position":N,"revision":N?}}
void append_page(std::string& out, const node::EventPage& page);

// {"position","first_revision","last_revision","hash","recorded_at"}
void append_stream_receipt(std::string& out, const node::AppendReceipt& receipt);
// {"position","streams":[{"stream","first_revision","last_revision"}],"hash","recorded_at"}
void append_streams_receipt(std::string& out, const node::AppendReceipt& receipt);

// {"id","name","created_at","created_position","streams","events"}
void append_tenant(std::string& out, const node::TenantInfo& tenant);
// {"position","hash","tree_root","recorded_at"}
void append_head(std::string& out, const node::Head& head);

}  // namespace verity::http
