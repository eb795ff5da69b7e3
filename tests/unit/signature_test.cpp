#include "shared/signature.h"

#include <catch2/catch.hpp>
#include <set>

#include "shared/encoding.h"
#include "support/fake_random.h"

using namespace webhookd;

namespace {

const Secret kSecret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
const Secret kOwnSecret{"another secret of ours"};
constexpr std::int64_t kTimestamp = 1614265330;
constexpr std::string_view kBody = R"({"test": 2432232314})";

std::string whsec(std::size_t bytes) { return "whsec_" + base64_encode(std::string(bytes, 'k')); }

}  // namespace

TEST_CASE("the published Standard Webhooks vectors come out") {
  CHECK(standard_digest(kSecret, "msg_p5jXN8AQM9LWM0D4loKWxJek", kTimestamp, kBody) ==
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  CHECK(standard_digest(Secret{"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
                        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553,
                        R"({"email":"test@example.com","username":"test_user"})") ==
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}

// Python: hmac.new(secret.encode(), b'1614265330.{"test": 2432232314}',
//                  hashlib.sha256).hexdigest()
TEST_CASE("the ScaiKey digest is keyed with the whole secret string") {
  CHECK(scaikey_digest(kSecret, kTimestamp, kBody) ==
        "2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964");
  CHECK(scaikey_digest(kOwnSecret, kTimestamp, kBody) ==
        "94325a25f386165cc6b3d7eee45daa7a3a692aa6ccfbb7a1f676771058bc6910");
}

TEST_CASE("the ScaiKey signature names its time once and each secret's digest in order") {
  CHECK(scaikey_signature({kSecret}, kTimestamp, kBody) ==
        "t=1614265330,v1=" + scaikey_digest(kSecret, kTimestamp, kBody));
  CHECK(scaikey_signature({kSecret, kOwnSecret}, kTimestamp, kBody) ==
        "t=1614265330,v1=" + scaikey_digest(kSecret, kTimestamp, kBody) +
            ",v1=" + scaikey_digest(kOwnSecret, kTimestamp, kBody));
}

TEST_CASE("a secret that is no whsec_ one has no Standard Webhooks digest") {
  CHECK_FALSE(standard_digest(kOwnSecret, "evt_1", kTimestamp, kBody));
  CHECK_FALSE(standard_digest(Secret{"whsec_not base64 at all!"}, "evt_1", kTimestamp, kBody));
  CHECK(standard_signature({kOwnSecret}, "evt_1", kTimestamp, kBody).empty());
}

TEST_CASE("the Standard Webhooks signature lists the secrets that have one") {
  const Secret other{whsec(32)};
  const std::string first = standard_digest(kSecret, "evt_1", kTimestamp, kBody).value();
  const std::string second = standard_digest(other, "evt_1", kTimestamp, kBody).value();
  CHECK(standard_signature({kSecret, other}, "evt_1", kTimestamp, kBody) == first + " " + second);
  CHECK(standard_signature({kOwnSecret, kSecret}, "evt_1", kTimestamp, kBody) == first);
}

TEST_CASE("a body is signed with all its bytes, NUL included") {
  using namespace std::string_view_literals;
  CHECK(scaikey_digest(kSecret, 1, "a\0b"sv) != scaikey_digest(kSecret, 1, "a"sv));
}

TEST_CASE("a new secret stands for 32 random bytes") {
  FakeRandom random;
  const Secret secret = new_secret(random);
  CHECK(secret.value.starts_with("whsec_"));
  CHECK(base64_decode(std::string_view(secret.value).substr(6)).value().size() == 32);
  CHECK_FALSE(secret_fault(secret.value));
  CHECK_FALSE(secret == new_secret(random));
}

TEST_CASE("a whsec_ secret holds 24 to 64 bytes") {
  CHECK(secret_fault(whsec(23)));
  CHECK_FALSE(secret_fault(whsec(24)));
  CHECK_FALSE(secret_fault(whsec(64)));
  CHECK(secret_fault(whsec(65)));
  CHECK(secret_fault("whsec_"));
  CHECK(secret_fault("whsec_this is printable but does not decode"));
  CHECK(secret_fault("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"));
}

TEST_CASE("a secret of one's own is 16 to 256 printable characters") {
  CHECK(secret_fault(std::string(15, 'x')));
  CHECK_FALSE(secret_fault(std::string(16, 'x')));
  CHECK_FALSE(secret_fault(std::string(256, '~')));
  CHECK(secret_fault(std::string(257, 'x')));
  CHECK_FALSE(secret_fault("with spaces, and punctuation!"));
  CHECK(secret_fault(std::string(16, '\n')));
  CHECK(secret_fault(std::string(16, '\x7F')));
  CHECK(secret_fault("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"));
}

TEST_CASE("a secret's characters are counted, not its bytes, and may be of any script") {
  std::string umlauts;
  for (int i = 0; i < 15; ++i) umlauts += "\xC3\xA9";
  CHECK(secret_fault(umlauts));
  CHECK_FALSE(secret_fault(umlauts + "\xC3\xA9"));
  std::string emoji;
  for (int i = 0; i < 256; ++i) emoji += "\xF0\x9F\x94\x91";
  CHECK_FALSE(secret_fault(emoji));
  CHECK(secret_fault(emoji + "x"));
  CHECK(secret_hint(Secret{"a" + umlauts}) == umlauts.substr(0, 8));
  // As Python's hmac.new("ключ-для-подписи".encode(), b"1.{}", "sha256").
  CHECK(scaikey_digest(Secret{"ключ-для-подписи"}, 1, "{}") ==
        "20a371eafbf277aaf59399b6a0943408e7cb181b311bdef30e896ebe5fa19890");
}

TEST_CASE("what cannot be seen is no part of a secret") {
  for (const char* text : {"\xC2\x85", "\xC2\xAD", "\xE2\x80\x8B", "\xE2\x80\xA8", "\xE2\x81\xA0",
                           "\xEF\xBB\xBF", "\xFF", "\t"}) {
    CHECK(secret_fault("0123456789abcdef" + std::string(text)));
  }
}

TEST_CASE("why a secret is refused never repeats it") {
  const std::string text = "hunter2";
  CHECK(secret_fault(text).value().find(text) == std::string::npos);
  CHECK(secret_fault("whsec_hunter2").value().find("hunter2") == std::string::npos);
}

TEST_CASE("a hint is the last four characters") {
  CHECK(secret_hint(kSecret) == "LaSw");
  CHECK(secret_hint(Secret{"abc"}) == "abc");
}

TEST_CASE("a fingerprint is 8 hex digits that depend on webhook and secret") {
  CHECK(secret_fingerprint("whk_0123456789abcdef", kSecret) == "5009f993");
  CHECK(secret_fingerprint("whk_0123456789abcdeg", kSecret) != "5009f993");
  CHECK(secret_fingerprint("whk_0123456789abcdef", kOwnSecret) != "5009f993");
}
