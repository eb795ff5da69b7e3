#pragma once

// How webhooks and deliveries are shown. Every field may be absent: then it is "-".

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/client.h"
#include "cli/listing.h"
#include "cli/output.h"

namespace webhookd {

Table webhook_table(const std::vector<Json>& webhooks, const View& view);
Card webhook_card(const Json& webhook, const View& view);
Table delivery_table(const std::vector<Json>& deliveries, const View& view);
Card delivery_card(const Json& delivery, const View& view);
// One row per attempt of a delivery's detail.
Table attempt_table(const Json& detail, const View& view);

// A finished attempt, as the stream tells of it, in TSV.
Table finished_attempt_table(const Json& attempt);
// The same as a line of a table without end: all have the same columns. Its webhook's id is left
// out where it is always the same.
std::string live_attempt_line(const Json& attempt, bool with_webhook, const View& view);

// A list in the format that is wanted. `things` ("webhooks") stands in the notes on stderr: that
// there are none, or that `more_hint` shows the rest.
void show_listing(Output& out, const Listing& listing, const Table& table,
                  const std::string& things, const std::string& more_hint);

// One webhook: the answer's text in JSON, else its card.
void show_webhook(Output& out, const Answer& answer);

}  // namespace webhookd
