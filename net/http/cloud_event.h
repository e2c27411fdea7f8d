// CloudEvents 1.0 in the JSON format, mapped onto events:
//
//   type → type, id → id, subject → subject, data → data (none: null)
//   specversion, source, time, datacontenttype, dataschema and every extension → metadata, one JSON object
//   made of the members exactly as they were sent
//
// data_base64 is refused: data is kept as the JSON text that was sent, and bytes are none.
#pragma once

#include "net/http/event_fields.h"

namespace verity::http {

// `object` is a checked JSON object and outlives the event.
Fault parse_cloud_event(Place place, std::string_view object, std::deque<std::string>& texts,
                        node::NewEvent& event);

}  // namespace verity::http
