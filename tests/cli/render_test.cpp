#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/text.h"

using namespace webhookd;

namespace {

View view_of(Format format) {
  View view;
  view.format = format;
  view.now = *parse_rfc3339("2026-11-23T09:00:00Z");
  return view;
}

Table small_table() {
  Table table;
  table.columns = {{"id"},
                   {"event_type", Align::left, Fit::shrinks},
                   {"count", Align::right},
                   {"tenant_id", Align::left, Fit::fixed, Shown::wide}};
  table.rows = {{{"7"}, {"user.created"}, {"12"}, {"tnt_1"}},
                {{"8"}, {"a\tb\x1b[2J"}, {"3"}, {"-"}}};
  return table;
}

}  // namespace

TEST_CASE("a table is aligned, without blanks at the end of a line") {
  CHECK(render(small_table(), view_of(Format::table)) ==
        "ID  EVENT TYPE    COUNT\n"
        "7   user.created     12\n"
        "8   a\\tb\\x1b[2J       3\n");
}

TEST_CASE("a wide table has all columns, and TSV too") {
  CHECK(render(small_table(), view_of(Format::wide))
            .starts_with("ID  EVENT TYPE    COUNT  TENANT ID\n"));
  CHECK(render(small_table(), view_of(Format::tsv)) ==
        "id\tevent_type\tcount\ttenant_id\n"
        "7\tuser.created\t12\ttnt_1\n"
        "8\ta\\tb\\x1b[2J\t3\t-\n");
}

TEST_CASE("without a header line only rows are shown") {
  View view = view_of(Format::tsv);
  view.header = HeaderLine::hidden;
  CHECK(render(small_table(), view).starts_with("7\t"));
  view.format = Format::table;
  CHECK(render(small_table(), view).starts_with("7  user.created"));
}

TEST_CASE("a table of no rows shows nothing, TSV its header") {
  Table table = small_table();
  table.rows.clear();
  CHECK(render(table, view_of(Format::table)).empty());
  CHECK(render(table, view_of(Format::tsv)) == "id\tevent_type\tcount\ttenant_id\n");
}

TEST_CASE("on a narrow terminal columns that may shrink do, and ids never") {
  Table table;
  table.columns = {{"id"}, {"url", Align::left, Fit::shrinks}};
  table.rows = {{{"whk_0123456789abcdef"}, {"https://example.com/a/very/long/path"}}};
  View view = view_of(Format::table);
  view.width = 40;
  const std::string text = render(table, view);
  CHECK(text.find("whk_0123456789abcdef  https://example.c…\n") != std::string::npos);
  view.width = 10;
  CHECK(render(table, view).find("whk_0123456789abcdef  https:/…\n") != std::string::npos);
}

TEST_CASE("where shrinking is not enough the columns on the right are left out, down to two") {
  Table table;
  table.columns = {{"id"}, {"name", Align::left, Fit::shrinks}, {"status"}, {"backlog"}};
  table.rows = {{{"whk_0123456789abcdef"}, {"a-rather-long-name"}, {"disabled"}, {"12"}}};
  View view = view_of(Format::table);
  view.width = 40;
  CHECK(render(table, view) ==
        "ID                    NAME      STATUS\n"
        "whk_0123456789abcdef  a-rathe…  disabled\n");
  view.width = 39;
  CHECK(render(table, view) ==
        "ID                    NAME\n"
        "whk_0123456789abcdef  a-rather-long-na…\n");
  view.width = 5;
  CHECK(render(table, view).find("a-rathe…\n") != std::string::npos);
}

TEST_CASE("a time at which something is to be done is due once it is past, for people") {
  const Json object = {{"past", "2026-11-23T08:55:00.000Z"}, {"next", "2026-11-23T09:00:30.000Z"}};
  View view = view_of(Format::table);
  CHECK(due_at(object, "past", view).text == "2026-11-23T08:55:00.000Z");
  view.times = Times::relative;
  CHECK(due_at(object, "past", view).text == "due");
  CHECK(due_at(object, "next", view).text == "in 30 s");
  CHECK(due_at(object, "nothing", view).text == "-");
}

TEST_CASE("bytes have a unit for people and none in TSV") {
  const Json object = {{"few", 7}, {"many", 1610612736}, {"odd", "x"}, {"debt", -1}};
  CHECK(bytes_at(object, "few", view_of(Format::table)).text == "7 B");
  CHECK(bytes_at(object, "many", view_of(Format::table)).text == "1.5 GiB");
  CHECK(bytes_at(object, "many", view_of(Format::tsv)).text == "1610612736");
  CHECK(bytes_at(object, "odd", view_of(Format::table)).text == "x");
  CHECK(bytes_at(object, "debt", view_of(Format::table)).text == "-1");
}

TEST_CASE("relative times are reckoned from when they are shown") {
  class LateClock final : public Clock {
   public:
    Timestamp now() const override { return *parse_rfc3339("2026-11-23T09:30:00Z"); }
    Monotonic monotonic() const override { return {}; }
  };
  const LateClock clock;
  const Output out(view_of(Format::table), Verbosity::normal, Color::off, clock);
  CHECK(out.view().now == clock.now());
}

TEST_CASE("wide characters keep columns aligned") {
  Table table;
  table.columns = {{"name"}, {"x"}};
  table.rows = {{{"你好"}, {"1"}}, {{"abcdef"}, {"2"}}};
  CHECK(render(table, view_of(Format::table)) == "NAME    X\n你好    1\nabcdef  2\n");
}

TEST_CASE("colour surrounds a cell and does not count as width") {
  Table table;
  table.columns = {{"status"}, {"x"}};
  table.rows = {{{"failed", Tone::bad}, {"1"}}};
  View view = view_of(Format::table);
  view.color = Color::on;
  CHECK(render(table, view).find("\x1b[31mfailed\x1b[0m  1\n") != std::string::npos);
}

TEST_CASE("a card is a list of names and values") {
  Card card;
  card.add("id", {"7"});
  card.add("last_success_at", {"a\nb"});
  card.add("dns_ms", {"3"});
  CHECK(render(card, view_of(Format::table)) ==
        "id:               7\nlast success at:  a\\nb\ndns:              3\n");
  CHECK(render(card, view_of(Format::tsv)) ==
        "field\tvalue\nid\t7\nlast_success_at\ta\\nb\ndns_ms\t3\n");
}

TEST_CASE("a field that the server lacks is a dash") {
  const Json object = {{"a", nullptr}, {"b", {{"c", 1.5}}}, {"d", "x"}};
  CHECK(text_at(object, "a") == "-");
  CHECK(text_at(object, "nothing") == "-");
  CHECK(text_at(object, "d.e") == "-");
  CHECK(text_at(object, "b.c") == "1.5");
  CHECK(text_at(object, "d") == "x");
  CHECK(text_at(Json("text"), "a") == "-");
}

TEST_CASE("times are relative where the view says so, else as the server wrote them") {
  const Json object = {{"past", "2026-11-23T08:55:00.000Z"},
                       {"future", "2026-11-23T09:00:30.000Z"},
                       {"other", "yesterday"}};
  View view = view_of(Format::table);
  CHECK(time_at(object, "past", view).text == "2026-11-23T08:55:00.000Z");
  view.times = Times::relative;
  CHECK(time_at(object, "past", view).text == "5 m ago");
  CHECK(time_at(object, "future", view).text == "in 30 s");
  CHECK(time_at(object, "other", view).text == "yesterday");
  CHECK(time_at(object, "nothing", view).text == "-");
}

TEST_CASE("a duration has its unit for people and none in TSV") {
  const Json object = {{"ms", 350}, {"odd", 1e300}};
  CHECK(millis_at(object, "ms", view_of(Format::table)).text == "350 ms");
  CHECK(millis_at(object, "ms", view_of(Format::tsv)).text == "350");
  CHECK(millis_at(object, "odd", view_of(Format::table)).text == "1e+300");
}

TEST_CASE("an error in JSON has its five members and no control characters") {
  CliError error(Exit::not_found, "there is no webhook \x1b[31m", "did you mean billing?");
  error.request_id = "req-1";
  const Json parsed = Json::parse(error_json(error))["error"];
  CHECK(parsed["code"] == "not_found");
  CHECK(parsed["message"] == "there is no webhook \x1b[31m");
  CHECK(parsed["hint"] == "did you mean billing?");
  CHECK(parsed["exit_code"] == 3);
  CHECK(parsed["request_id"] == "req-1");
  CHECK(error_json(error).find('\x1b') == std::string::npos);
}
