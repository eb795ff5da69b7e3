#include "shared/encoding.h"

#include <catch2/catch.hpp>

using namespace webhookd;

namespace {

std::string every_byte() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

}  // namespace

TEST_CASE("base64 matches the vectors of RFC 4648 section 10 both ways") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    CHECK(base64_encode(bytes) == text);
    CHECK(base64_decode(text) == std::string(bytes));
  }
}

TEST_CASE("every byte survives each encoding") {
  for (std::size_t drop = 0; drop < 4; ++drop) {
    const std::string bytes = every_byte().substr(drop);
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
    CHECK(base64url_decode(base64url_encode(bytes)) == bytes);
    CHECK(hex_decode(hex_encode(bytes)) == bytes);
  }
}

TEST_CASE("base64 with wrong padding, foreign characters or left-over bits is refused") {
  const auto* text = GENERATE("Zg", "Zg=", "Zg===", "Z", "=",
                              "==", "====", "Zm9v=", "Zm9v====", "Zg==Zg==", "Zm 9v", "Zm9v\n",
                              "Zm9-", "Zm9_", "Zh==", "Zm9=", "Z===", "Zm\x80v");
  CAPTURE(text);
  CHECK_FALSE(base64_decode(text));
}

TEST_CASE("base64url has no padding and an alphabet of its own") {
  CHECK(base64url_encode("\xFB\xFF\xFE") == "-__-");
  CHECK(base64_encode("\xFB\xFF\xFE") == "+//+");
  CHECK(base64url_decode("-__-") == "\xFB\xFF\xFE");
  CHECK(base64url_encode("f") == "Zg");
  for (const auto* text : {"Zg==", "+//+", "Z", "Zh", "Zm9", "Zg\n"}) {
    CAPTURE(text);
    CHECK_FALSE(base64url_decode(text));
  }
}

TEST_CASE("hex is written in lower case and read in any") {
  CHECK(hex_encode("\x01\xAB\xFF") == "01abff");
  CHECK(hex_decode("01aBFf") == "\x01\xAB\xFF");
  CHECK_FALSE(hex_decode("0"));
  CHECK_FALSE(hex_decode("0g"));
  CHECK_FALSE(hex_decode("0x"));
  CHECK_FALSE(hex_decode(" 0"));
}

TEST_CASE("SHA-256 matches the vectors of FIPS 180-2") {
  CHECK(hex_encode(sha256("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex_encode(sha256({})) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("HMAC-SHA-256 matches the vectors of RFC 4231") {
  CHECK(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // A key longer than the block.
  CHECK(hex_encode(hmac_sha256(std::string(131, '\xAA'),
                               "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("HMAC-SHA-256 takes an empty key for an empty key, whatever key came before") {
  hmac_sha256("Jefe", "x");
  CHECK(hex_encode(hmac_sha256({}, {})) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("texts are equal in constant time only when all bytes are") {
  CHECK(constant_time_equal("", ""));
  CHECK(constant_time_equal("secret", "secret"));
  CHECK_FALSE(constant_time_equal("secret", "secreT"));
  CHECK_FALSE(constant_time_equal("secret", "secre"));
  CHECK_FALSE(constant_time_equal("", "s"));
}

TEST_CASE("well-formed UTF-8 is recognised up to the last code point") {
  for (const auto* text :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CAPTURE(hex_encode(text));
    CHECK(is_utf8(text));
  }
  CHECK(is_utf8(std::string_view("\0", 1)));
}

TEST_CASE("overlong forms, surrogates, stray and cut-off bytes are not UTF-8") {
  for (const auto* text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2 ", "\xE0\x9F\xBF", "\xE0\xA0",
        "\xE2\x82 ", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x9F\x98",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF", "ok\xFF"}) {
    CAPTURE(hex_encode(text));
    CHECK_FALSE(is_utf8(text));
  }
}

TEST_CASE("what is not UTF-8 is replaced and the rest stays") {
  CHECK(replace_invalid_utf8("caf\xC3\xA9") == "caf\xC3\xA9");
  CHECK(replace_invalid_utf8("a\xFF\xC3") == "a\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(replace_invalid_utf8("\xE9t\xC3\xA9") == "\xEF\xBF\xBDt\xC3\xA9");
  CHECK(is_utf8(replace_invalid_utf8(every_byte())));
}

TEST_CASE("length counts code points") {
  CHECK(utf8_length("") == 0);
  CHECK(utf8_length("abc") == 3);
  CHECK(utf8_length("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") == 3);
}
