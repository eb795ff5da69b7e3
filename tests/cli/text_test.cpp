#include "cli/text.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/raw_json.h"

using namespace webhookd;

TEST_CASE("text from outside reaches a terminal without control characters") {
  CHECK(safe_text("a\x1b[31mb") == "a\\x1b[31mb");
  CHECK(safe_text("a\r\nb\tc") == "a\\r\\nb\\tc");
  CHECK(safe_text(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(safe_text("\x7f") == "\\x7f");
  CHECK(safe_text("\xc2\x9b"
                  "31m") == "\\u{9b}31m");
}

TEST_CASE("bidirectional overrides and invisible separators are spelled out") {
  CHECK(safe_text("a\u202eb") == "a\\u{202e}b");
  CHECK(safe_text("\u2066\u2069\u200f\u061c") == "\\u{2066}\\u{2069}\\u{200f}\\u{61c}");
  CHECK(safe_text("\u2028") == "\\u{2028}");
}

TEST_CASE("bytes that are no UTF-8 are spelled out one by one") {
  CHECK(safe_text("\xff\xfe") == "\\xff\\xfe");
  CHECK(safe_text("\xc0\xaf") == "\\xc0\\xaf");           // overlong
  CHECK(safe_text("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(safe_text("\xe4\xbd") == "\\xe4\\xbd");           // cut off
  CHECK(safe_text("grüße 你好 🎉") == "grüße 你好 🎉");
}

TEST_CASE("line breaks stay only where they are asked for, and escapes never") {
  CHECK(safe_text("a\nb\t\x1b", LineBreaks::kept) == "a\nb\t\\x1b");
}

TEST_CASE("JSON on a terminal keeps its value and loses its control characters") {
  const std::string json = "{\"a\":\"x\u202ey\xc2\x9bz\"}";
  CHECK(safe_json(json) == R"({"a":"x\u202ey\u009bz"})");
  CHECK(nlohmann::json::parse(safe_json(json)) == nlohmann::json::parse(json));
  CHECK(safe_json("{\n \"a\": 1\n}") == "{\n \"a\": 1\n}");
}

TEST_CASE("a TSV field can be turned back into what it was") {
  CHECK(tsv_field("a\tb\nc\\d") == "a\\tb\\nc\\\\d");
  CHECK(tsv_field("a\\tb") == "a\\\\tb");
}

TEST_CASE("wide characters take two columns, combining ones none") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("grüße") == 5);
  CHECK(display_width("你好") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("🎉") == 2);
}

TEST_CASE("text is cut by columns, never within a character") {
  CHECK(shortened("abcdef", 6) == "abcdef");
  CHECK(shortened("abcdefg", 6) == "abcde…");
  CHECK(shortened("你好你好", 5) == "你好…");
  CHECK(shortened("你好你好", 4) == "你…");
}

TEST_CASE("a shell reads a quoted text back as it was") {
  CHECK(shell_quoted("it's $HOME") == "'it'\\''s $HOME'");
}

TEST_CASE("JSON is cut into pieces byte for byte") {
  const auto elements =
      raw_elements(R"([ {"a": 0.10, "b":"],\"}"} , 12345678901234567890123, [] ])");
  REQUIRE(elements.size() == 3);
  CHECK(elements[0] == R"({"a": 0.10, "b":"],\"}"})");
  CHECK(elements[1] == "12345678901234567890123");
  CHECK(elements[2] == "[]");
  CHECK(raw_elements("[]").empty());
  CHECK(raw_elements("{}").empty());
  const auto members = raw_members(R"({"x" : 1.50, "items":[1 , 2], "":null})");
  REQUIRE(members.size() == 3);
  CHECK(members[0].second == "1.50");
  CHECK(members[1].second == "[1 , 2]");
  CHECK(members[2].first.empty());
}

TEST_CASE("compact JSON is one line with the same digits and strings") {
  CHECK(compact_json("{\n  \"a b\" : [ 1.0 ,\t\"x\\n y\" ]\r\n}") == R"({"a b":[1.0,"x\n y"]})");
}

TEST_CASE("a log shows neither secrets nor the values of headers") {
  const std::string masked =
      masked_json(R"({"secret":"whsec_a","n":0.10,"headers":{"X-Team":"blue","A":["b"]},)"
                  R"("items":[{"api_key":{"x":"y"},"token":"t","name":"n"}]})");
  CHECK(masked == R"({"secret":"***","n":0.10,"headers":{"X-Team":"***","A":["***"]},)"
                  R"("items":[{"api_key":{"x":"***"},"token":"***","name":"n"}]})");
  CHECK(masked_json("<html>secret") == "(12 bytes)");
}
