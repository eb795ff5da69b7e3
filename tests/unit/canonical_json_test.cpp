#include "shared/canonical_json.h"

#include <catch2/catch.hpp>

using namespace webhookd;
using namespace std::string_view_literals;

namespace {

std::string canonical(std::string_view text) {
  const auto result = canonicalize(text);
  if (const auto* fault = std::get_if<JsonFault>(&result)) FAIL(text << ": " << fault->reason);
  return std::get<CanonicalMember>(result).text;
}

JsonFault fault_of(std::string_view text) {
  const auto result = canonicalize(text);
  if (!std::holds_alternative<JsonFault>(result)) FAIL(text << " was accepted");
  return std::get<JsonFault>(result);
}

CanonicalObject members_of(std::string_view text) {
  const auto result = canonicalize_object(text);
  if (!std::holds_alternative<CanonicalObject>(result)) FAIL(text << " is no object");
  return std::get<CanonicalObject>(result);
}

std::string nested(int depth) {
  const auto count = static_cast<std::size_t>(depth);
  return std::string(count, '[') + std::string(count, ']');
}

struct Pair {
  std::string_view given;
  std::string_view expected;
};

}  // namespace

TEST_CASE("scalars come out as Python writes them") {
  const auto pair = GENERATE(Pair{"null", "null"}, Pair{" true ", "true"}, Pair{"false\n", "false"},
                             Pair{R"("x")", R"("x")"}, Pair{R"("")", R"("")"}, Pair{"\t7", "7"});
  CHECK(canonical(pair.given) == pair.expected);
}

TEST_CASE("a number keeps the digits that were sent") {
  const auto* number = GENERATE(
      "0", "-0", "-0.0", "0.0", "0.10", "1.0", "1E5", "1e-7", "1e+7", "-1.50E+007", "0e0", "10",
      "-1", "123456789012345678901234567890", "-123456789012345678901234567890",
      "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
      "18446744073709551615", "18446744073709551616", "3.14159265358979323846264338327950288",
      "1.7976931348623157e308", "1e-400", "5e-324", "0.30000000000000000000000001");
  CHECK(canonical(number) == number);
  CHECK(canonical(std::string("[") + number + "]") == std::string("[") + number + "]");
}

TEST_CASE("a number outside the range of a double is a fault of its own") {
  const std::string long_integer = "1" + std::string(400, '0');
  for (const std::string& text :
       {std::string("1e400"), std::string("-1e400"), std::string("[1,1e309]"), long_integer}) {
    CHECK(fault_of(text).kind == JsonFault::Kind::number_range);
  }
  CHECK(fault_of("[1, 1e400]").position >= 4);
}

TEST_CASE("what is no JSON number is refused") {
  const auto* text = GENERATE("01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "NaN", "Infinity",
                              "-Infinity", "1_000", "- 1", "--1", "1.e5", "-01");
  CHECK(fault_of(text).kind == JsonFault::Kind::syntax);
}

TEST_CASE("strings are escaped as Python does with ensure_ascii") {
  const auto pair = GENERATE(
      Pair{R"("\"\\\/\b\f\n\r\t")", R"("\"\\/\b\f\n\r\t")"}, Pair{R"("/")", R"("/")"},
      Pair{R"("\u0000\u0001\u001F")", R"("\u0000\u0001\u001f")"},
      Pair{R"("\u0008\u000C\u000a")", R"("\b\f\n")"}, Pair{R"("\u0041")", R"("A")"},
      Pair{"\"\x7F\"", R"("\u007f")"}, Pair{R"("\u007F~")", R"("\u007f~")"},
      Pair{"\"\xC2\x80\"", R"("\u0080")"}, Pair{"\"caf\xC3\xA9!\"", R"("caf\u00e9!")"},
      Pair{"\"\xE2\x82\xAC\"", R"("\u20ac")"}, Pair{R"("\u20AC")", R"("\u20ac")"},
      Pair{"\"\xEF\xBF\xBF\"", R"("\uffff")"}, Pair{"\"\xF0\x9F\x98\x80\"", R"("\ud83d\ude00")"},
      Pair{R"("\uD83D\uDE00")", R"("\ud83d\ude00")"},
      Pair{"\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"", R"("\ud800\udc00\udbff\udfff")"},
      Pair{"\"\xE2\x80\xA8<>&'\"", R"("\u2028<>&'")"});
  CHECK(canonical(pair.given) == pair.expected);
}

TEST_CASE("lone surrogates are refused") {
  const auto* text = GENERATE(R"("\ud800")", R"("\udc00")", R"("\ud800x")", R"("\ud800\u0041")",
                              R"("\udc00\ud800")", R"("\ud83d\ud83d")", R"({"\ud800":1})");
  CHECK(fault_of(text).kind == JsonFault::Kind::syntax);
}

TEST_CASE("invalid UTF-8 is refused in values, keys and between tokens") {
  for (const auto text : {"\"\xFF\""sv, "\"\xC3\""sv, "\"\xC0\x80\""sv, "\"\xED\xA0\x80\""sv,
                          "\"\xF4\x90\x80\x80\""sv, "{\"\xE9\":1}"sv, "[\xFF]"sv, "\xFE\xFF"sv}) {
    CHECK(fault_of(text).kind == JsonFault::Kind::syntax);
  }
}

TEST_CASE("a control character in a string must be escaped") {
  for (const auto text : {"\"\n\""sv, "\"\t\""sv, "\"\x01\""sv, "\"\x1F\""sv}) {
    CHECK(fault_of(text).kind == JsonFault::Kind::syntax);
  }
}

TEST_CASE("a NUL byte never ends a text early") {
  for (const auto text : {"{}\0"sv, "{}\0{}"sv, "\0"sv, "1\0garbage"sv, "\"a\0b\""sv, "[1,\0]"sv}) {
    CHECK(fault_of(text).kind == JsonFault::Kind::syntax);
  }
  CHECK(fault_of("{}\0"sv).position == 2);
}

TEST_CASE("white space between tokens goes") {
  CHECK(canonical(" {\r\n\t\"a\" : [ 1 , 2 ] ,\"b\": { } } ") == R"({"a":[1,2],"b":{}})");
  CHECK(canonical("[ ]") == "[]");
  CHECK(canonical("[[],{},[[]]]") == "[[],{},[[]]]");
}

TEST_CASE("keys are sorted at every level") {
  CHECK(canonical(R"({"b":1,"a":2})") == R"({"a":2,"b":1})");
  CHECK(canonical(R"({"b":{"d":1,"c":[{"z":1,"y":{"x":1,"w":2}}]},"a":0})") ==
        R"({"a":0,"b":{"c":[{"y":{"w":2,"x":1},"z":1}],"d":1}})");
  CHECK(canonical(R"([{"b":1,"a":2},{"d":1,"c":2}])") == R"([{"a":2,"b":1},{"c":2,"d":1}])");
  CHECK(canonical(R"({"c":{"b":1,"a":1},"b":{},"a":{"b":1,"a":1}})") ==
        R"({"a":{"a":1,"b":1},"b":{},"c":{"a":1,"b":1}})");
  CHECK(canonical(R"({"a":1,"ab":2,"":0,"B":3})") == R"({"":0,"B":3,"a":1,"ab":2})");
}

TEST_CASE("keys that are in order keep it, with what is out of order inside") {
  CHECK(canonical(R"({"a":{"z":1,"y":2},"b":[{"d":1,"c":2}],"c":3})") ==
        R"({"a":{"y":2,"z":1},"b":[{"c":2,"d":1}],"c":3})");
}

TEST_CASE("keys are sorted by code point and not by how they are escaped") {
  // As text '\' (0x5C) would come before 'a' and a surrogate (0xD83D) before U+FFFD.
  CHECK(canonical("{\"\xC3\xA9\":1,\"z\":2,\"a\":3}") == R"({"a":3,"z":2,"\u00e9":1})");
  CHECK(canonical("{\"\xF0\x9F\x98\x80\":1,\"\xEF\xBF\xBD\":2}") ==
        R"({"\ufffd":2,"\ud83d\ude00":1})");
  CHECK(canonical(R"({"]":1,"\\":2,"#":3,"\"":4,"\u007f":5,"~":6})") ==
        R"({"\"":4,"#":3,"\\":2,"]":1,"~":6,"\u007f":5})");
}

TEST_CASE("the last of duplicate keys is kept") {
  CHECK(canonical(R"({"a":1,"a":2})") == R"({"a":2})");
  CHECK(canonical(R"({"a":1,"b":2,"a":3,"a":{"x":1,"x":0}})") == R"({"a":{"x":0},"b":2})");
  CHECK(canonical(R"({"a":1,"\u0061":2})") == R"({"a":2})");
  CHECK(canonical(R"([{"":1,"":2}])") == R"([{"":2}])");
}

TEST_CASE("many members in reverse come out in order") {
  std::string given = "{";
  std::string expected = "{";
  for (int i = 999; i >= 0; --i) {
    given += "\"k" + std::to_string(1000 + i) + "\":" + std::to_string(i) + (i > 0 ? "," : "}");
    const int j = 999 - i;
    expected += "\"k" + std::to_string(1000 + j) + "\":" + std::to_string(j) + (i > 0 ? "," : "}");
  }
  CHECK(canonical(given) == expected);
}

TEST_CASE("nesting is allowed down to 128 levels") {
  CHECK(canonical(nested(128)) == nested(128));
  const JsonFault fault = fault_of(nested(129));
  CHECK(fault.kind == JsonFault::Kind::too_deep);
  CHECK(fault.position == 128);
  std::string objects;
  for (int i = 0; i < 127; ++i) objects += R"({"[{\"":)";
  CHECK(canonical(objects + "[1]" + std::string(127, '}')) ==
        objects + "[1]" + std::string(127, '}'));
  const JsonFault deep = fault_of(objects + "[[1]]" + std::string(127, '}'));
  CHECK(deep.kind == JsonFault::Kind::too_deep);
  CHECK(deep.position == objects.size() + 1);
}

TEST_CASE("brackets side by side are no nesting, and a flood of them ends early") {
  std::string flat = "[";
  for (int i = 0; i < 1000; ++i) flat += "[],";
  CHECK(canonical(flat + "[]]").size() == flat.size() + 3);
  CHECK(fault_of(std::string(1'000'000, '[')).kind == JsonFault::Kind::too_deep);
}

TEST_CASE("what is no JSON text is refused") {
  const auto* text =
      GENERATE("", " ", "{", "}", "[", "]", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}",
               "{\"a\":1,}", "{a:1}", "{'a':1}", "{1:2}", "\"", "\"abc", "\"\\x\"", "\"\\u12\"",
               "\"\\u12G4\"", "tru", "True", "nul", "nullx", "undefined", "// c\n1", "/* c */1",
               "[1]]", "{\"a\":1]", "[1}", "1,2", "\\", ",", ":");
  CHECK(fault_of(text).kind == JsonFault::Kind::syntax);
}

TEST_CASE("nothing may follow the value") {
  const auto* text =
      GENERATE("1 1", "{} {}", "{}x", "[]]", "null,", "\"a\"\"b\"", "{}\xEF\xBB\xBF");
  CHECK(fault_of(text).kind == JsonFault::Kind::syntax);
}

TEST_CASE("a byte order mark at the beginning is passed over, as Python does with bytes") {
  CHECK(canonical("\xEF\xBB\xBF{}") == "{}");
  CHECK(fault_of("\xEF\xBB").kind == JsonFault::Kind::syntax);
  CHECK(fault_of("\xEF\xBB\xBF").kind == JsonFault::Kind::syntax);
  CHECK(fault_of("\xEF\xBB\xBF\xEF\xBB\xBF{}").kind == JsonFault::Kind::syntax);
}

TEST_CASE("a fault says where it is") {
  CHECK(fault_of("{\"a\": x}").position == 6);
  CHECK(fault_of("[1, 2").position == 5);
  CHECK(fault_of("").position == 0);
  CHECK(fault_of("x").position == 0);
}

TEST_CASE("a fault lies where the token begins that is out of place or broken, as in Python") {
  const std::pair<const char*, std::size_t> faults[] = {{"not json", 0},
                                                        {"{not json", 1},
                                                        {R"({"a": tru})", 6},
                                                        {R"({"a":1 "b":2})", 7},
                                                        {R"({"a":"abc)", 5},
                                                        {R"({"a":"abc\)", 5},
                                                        {R"({"a":"\x"})", 6},
                                                        {R"({"a":"\u12G4"})", 7},
                                                        {R"({"a":-})", 5},
                                                        {R"({"a":1.})", 6},
                                                        {"[1.5e+]", 4},
                                                        {"[01]", 2},
                                                        {"[1", 2},
                                                        {"{", 1},
                                                        {R"({"a":})", 5},
                                                        {"{'a':1}", 1},
                                                        {R"({"a":1} x)", 8},
                                                        {"<xml/>", 0},
                                                        {R"({"a":1,})", 7},
                                                        {"nullx", 4},
                                                        {"[1]  ]", 5},
                                                        {"[\"a\tb\"]", 3},
                                                        {"[-.5]", 1}};
  for (const auto& [text, position] : faults) {
    CAPTURE(text);
    CHECK(fault_of(text).position == position);
  }
}

TEST_CASE("what only we refuse is placed at its beginning too") {
  CHECK(fault_of("[1, 1e999]").position == 4);
  CHECK(fault_of(R"(["ab\ud800"])").position == 4);
  CHECK(fault_of(R"(["\ud83d\ude00\udc00"])").position == 14);
  CHECK(fault_of(R"(["\ud800\u0041"])").position == 2);
  CHECK(fault_of("[\"ab\xFF\"]").position == 4);
}

TEST_CASE("a fault never repeats the text") {
  for (const auto* text :
       {"{\"secret\": hunter2}", "\"hunter2", "[\"hunter2\" \"hunter2\"]", "hunter2",
        "\"hunter2\xFF\"", "{\"hunter2\"}", "- \"hunter2\"", "{\" - hunter2; \":hunter2}"}) {
    const JsonFault fault = fault_of(text);
    CAPTURE(fault.reason);
    CHECK_FALSE(fault.reason.empty());
    CHECK(fault.reason.find("hunter2") == std::string::npos);
    CHECK(fault.reason.size() < 120);
  }
}

TEST_CASE("a fault's reason is words") {
  CHECK(fault_of("\"abc").reason == "invalid string: missing closing quote");
  CHECK(fault_of("tru").reason == "invalid literal");
  CHECK(fault_of("1e400").reason == "number outside the range of a double");
}

TEST_CASE("a value comes with its kind, and a string with its characters") {
  using Kind = CanonicalMember::Kind;
  const std::pair<const char*, Kind> kinds[] = {{"null", Kind::null},     {"true", Kind::boolean},
                                                {"false", Kind::boolean}, {"-1", Kind::number},
                                                {"0.5", Kind::number},    {"\"\"", Kind::string},
                                                {"[1]", Kind::array},     {"{}", Kind::object}};
  for (const auto& [text, kind] : kinds) {
    CHECK(std::get<CanonicalMember>(canonicalize(text)).kind == kind);
    CHECK(members_of(std::string("{\"a\":") + text + "}").at("a").kind == kind);
  }
  const auto member = std::get<CanonicalMember>(canonicalize("\"caf\xC3\xA9\\n\""));
  CHECK(member.string == "caf\xC3\xA9\n");
  CHECK(std::get<CanonicalMember>(canonicalize(R"(["x"])")).string.empty());
}

TEST_CASE("an object is opened one level") {
  const CanonicalObject members =
      members_of(R"({"b":{"d":"inner","c":[1.0]},"a":"caf\u00e9","n":null,"b2":"x","":[]})");
  CHECK(members.size() == 5);
  CHECK(members.at("a").string == "caf\xC3\xA9");
  CHECK(members.at("a").text == R"("caf\u00e9")");
  CHECK(members.at("b").text == R"({"c":[1.0],"d":"inner"})");
  CHECK(members.at("b").string.empty());
  CHECK(members.at("b2").string == "x");
  CHECK(members.at("n").text == "null");
  CHECK(members.at("").text == "[]");
  CHECK(members_of("{}").empty());
}

TEST_CASE("an opened object keeps the last of duplicate members, whole") {
  const CanonicalObject members = members_of(R"({"a":"first","b":"x","a":[2]})");
  CHECK(members.size() == 2);
  CHECK(members.at("a").kind == CanonicalMember::Kind::array);
  CHECK(members.at("a").string.empty());
  CHECK(members.at("b").string == "x");
}

TEST_CASE("a value that is no object comes back as it is, a faulty one as a fault") {
  CHECK(std::get<CanonicalMember>(canonicalize_object("[{\"b\":1,\"a\":2}]")).text ==
        R"([{"a":2,"b":1}])");
  CHECK(std::get<CanonicalMember>(canonicalize_object("\"x\"")).string == "x");
  CHECK(std::holds_alternative<JsonFault>(canonicalize_object("{")));
  CHECK(std::holds_alternative<JsonFault>(canonicalize_object("{}\0"sv)));
}

TEST_CASE("members put together again are the canonical object") {
  const auto* text = R"({"z":[1,{"b":1,"a":1e5}],"\u00e9":"x","a":{"y":1,"x":2},"a":-0})";
  CHECK(canonical_text(members_of(text)) == canonical(text));
  CHECK(canonical_text({}) == "{}");
}

TEST_CASE("canonical text is its own canonical form") {
  const std::string once = canonical(
      "{\"b\":[0.10,1E5,-0,\"\x7F\xC3\xA9\xF0\x9F\x98\x80\\/\"],\"a\":{\"d\":{},\"c\":[]}}");
  CHECK(canonical(once) == once);
}

TEST_CASE("a string can be escaped alone") {
  CHECK(canonical_string("a\"\x7F\xC3\xA9\n") == R"("a\"\u007f\u00e9\n")");
  CHECK(canonical_string("") == R"("")");
  CHECK(canonical_string("\0"sv) == R"("\u0000")");
}
