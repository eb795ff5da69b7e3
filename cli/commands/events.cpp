#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/data_source.h"
#include "cli/listing.h"
#include "cli/views.h"
#include "shared/url.h"

namespace webhookd {
namespace {

constexpr const char* kEventTypesPath = "/api/v1/admin/event-types";

struct AddOptions {
  std::string event_type;
  std::string description;
  std::string resource_type;
  std::string schema;
};

// A server of the reference may list bare names.
Table event_type_table(const std::vector<Json>& types) {
  Table table;
  table.columns = {{"event_type"},
                   {"resource_type", Align::left, Fit::fixed, Shown::always, "RESOURCE"},
                   {"description", Align::left, Fit::shrinks}};
  for (const Json& type : types) {
    if (type.is_string()) {
      table.rows.push_back({{type.get<std::string>()}, {"-"}, {"-"}});
    } else {
      table.rows.push_back({cell_at(type, "event_type"), cell_at(type, "resource_type"),
                            cell_at(type, "description")});
    }
  }
  return table;
}

// In one request without a page: then all of them are answered.
Exit list_types(Context& context) {
  const Answer answer = context.client.call({"GET", webhook_path("events"), {}, std::nullopt});
  const Listing listing = listing_of(answer);
  show_listing(context.out, listing, event_type_table(listing.items), "event types", "");
  return Exit::done;
}

Exit add_type(Context& context, const AddOptions& options) {
  Json body = {{"event_type", options.event_type}};
  if (!options.description.empty()) body["description"] = options.description;
  if (!options.resource_type.empty()) body["resource_type"] = options.resource_type;
  std::string text = body.dump();
  if (!options.schema.empty()) {
    text.back() = ',';
    text += fmt::format("\"schema\":{}}}", read_json_object(options.schema, "--schema"));
  }
  const Answer answer = context.client.call({"POST", kEventTypesPath, {}, text});
  const Json added = parse_object(answer);
  if (context.out.is_json()) {
    context.out.json(answer.body);
  } else {
    context.out.show(event_type_table({added}));
  }
  return Exit::done;
}

Exit remove_types(Context& context, const std::vector<std::string>& types) {
  return for_each_target(context, types, [&context](const std::string& type) {
    context.client.call(
        {"DELETE", fmt::format("{}/{}", kEventTypesPath, percent_encode(type)), {}, std::nullopt});
    context.out.note(fmt::format("removed {}", type));
  });
}

}  // namespace

void add_events(CommandLine& line) {
  CLI::App& command = line.add("events", "List, add and remove event types",
                               "  webhookctl events\n"
                               "  webhookctl events add invoice.paid --description 'Paid in full'\n"
                               "  webhookctl events remove invoice.paid");
  line.on_run(command, list_types);

  auto options = std::make_shared<AddOptions>();
  CLI::App& adding = line.add_below(command, "add", "Extend the catalogue",
                                    "  webhookctl events add invoice.paid --schema @invoice.json");
  adding.add_option("TYPE", options->event_type, "Words of a-z, 0-9 and _, with dots")->required();
  adding.add_option("--description", options->description, "What it tells")->type_name("TEXT");
  adding.add_option("--resource-type", options->resource_type, "What it is about")
      ->type_name("TYPE");
  adding
      .add_option("--schema", options->schema,
                  "JSON Schema that its data must follow: @FILE, - or JSON")
      ->type_name("JSON");
  line.on_run(adding, [options](Context& context) { return add_type(context, *options); });

  auto types = std::make_shared<std::vector<std::string>>();
  CLI::App& removing = line.add_below(command, "remove", "Remove event types that were added",
                                      "  webhookctl events remove invoice.paid");
  removing.add_option("TYPE", *types, "Event types")->required();
  line.on_run(removing, [types](Context& context) { return remove_types(context, *types); });
}

}  // namespace webhookd
