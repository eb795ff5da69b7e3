#include "shared/model.h"

#include <catch2/catch.hpp>

using namespace webhookd;

TEST_CASE("header names that tell of a secret are recognised in any case") {
  for (const auto* name :
       {"Authorization", "PROXY-AUTHORIZATION", "cookie", "Set-Cookie", "X-Auth-Token", "x-api-key",
        "ApiKey", "My-Secret-Thing", "X-Password", "X-ScaiKey-Token", "MonKey"}) {
    CAPTURE(name);
    CHECK(is_secret_header(name));
  }
}

TEST_CASE("other header names tell of none, nor does the platform's own name") {
  for (const auto* name : {"", "Content-Type", "User-Agent", "X-Request-ID", "webhook-signature",
                           "X-ScaiKey-Signature", "x-scaikey-event-id", "X-ScaiKey-Timestamp"}) {
    CAPTURE(name);
    CHECK_FALSE(is_secret_header(name));
  }
}
