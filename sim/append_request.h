// Appends as clients draw and print them: every shape a client might send, none of which may be tidied up.
#pragma once

#include "sim/client.h"
#include "sim/history.h"
#include "sim/http_client.h"

namespace verity::sim {

// Its data occurs nowhere else in the run.
SentEvent draw_event(Client& client);
SentRequest draw_request(Client& client);

// One of the ways in which `request` may be asked for.
HttpRequest to_http(Client& client, const SentRequest& request);

}  // namespace verity::sim
