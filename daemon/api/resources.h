#pragma once

// The routes of each resource; every function is defined in the file of its name.

#include <vector>

#include "api/router.h"

namespace webhookd {

std::vector<Route> webhook_routes();
std::vector<Route> event_routes();
std::vector<Route> event_batch_routes();
std::vector<Route> event_type_routes();
std::vector<Route> delivery_routes();
std::vector<Route> many_routes();
std::vector<Route> delivery_stream_routes();
std::vector<Route> test_send_routes();
std::vector<Route> stats_routes();
std::vector<Route> status_routes();
std::vector<Route> audit_routes();
std::vector<Route> token_routes();
std::vector<Route> health_routes();

}  // namespace webhookd
