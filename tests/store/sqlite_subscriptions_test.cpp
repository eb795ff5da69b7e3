#include <catch2/catch.hpp>

#include "shared/random.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/subscriptions.h"
#include "store/sqlite/webhook_rows.h"
#include "store/sqlite_under_test.h"
#include "store/store_fixture.h"

namespace webhookd::test {
namespace {

TEST_CASE("answers about many types to many webhooks are kept within a bound") {
  const ScratchDirectory directory;
  SystemRandom random;
  const Sealer sealer{SealingKey(std::string(32, 'k')), random};
  Connection db(directory.path() / "test.db", Connection::Role::writer);
  migrate(db);
  db.script("BEGIN");
  const Secret secret{kSecretText};
  for (int number = 1; number <= 1000; ++number) {
    WebhookSettings settings = settings_for("w" + std::to_string(number));
    settings.events = {"*"};
    insert_webhook(db, sealer, {webhook_id(number), settings, secret, kStart});
  }
  db.script("COMMIT");
  Subscriptions subscriptions(3);
  subscriptions.refresh(db);
  std::size_t most = 0;
  for (int type = 0; type < 1500; ++type) {
    CHECK(subscriptions.matching({}, "type.n" + std::to_string(type)).size() == 1000);
    most = std::max(most, subscriptions.answered());
  }
  CHECK(most == 1'000'000);
}

}  // namespace
}  // namespace webhookd::test
