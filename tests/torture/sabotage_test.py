"""A whole world in which somebody does what no daemon may do: the account of it tells."""

import unittest

from api_client import BASE
from checker import KINDS
from polling import eventually
from torture import World


class SabotageTest(unittest.TestCase):
    def setUp(self):
        self.world = World(1)
        self.addCleanup(self.close)
        self.world.open()

    def close(self):
        self.world.close()
        self.assertEqual([], self.world.totals.faults)

    def found_after(self, sabotage):
        """The kinds of what was found, after sabotage of a webhook while events wait for it."""
        world = self.world
        webhook = world.endpoints.ids["steady"]
        quiet_since = world.endpoints.pause(world.daemon.api, "steady")
        world.let_publish()
        eventually(lambda: world.daemon.api.webhook(webhook)["backlog"] > 20, "a backlog")
        for client in world.clients:
            client.rest()
        sabotage(world.daemon.api, webhook)
        world.kill()
        world.start()
        world.endpoints.resume(world.daemon.api, "steady", quiet_since)
        world.account_for_all("sabotage")
        return {kind for kind in KINDS if getattr(world.totals.verdict, kind)}

    def test_without_any_there_is_nothing_to_tell(self):
        self.assertEqual(set(), self.found_after(lambda api, webhook: None))
        self.assertGreater(self.world.totals.verdict.delivered, 20)

    def test_deliveries_that_are_dropped_are_lost(self):
        def drop(api, webhook):
            answer = api.request("POST", f"{BASE}/{webhook}/deliveries/cancel", {"limit": 5})
            self.assertEqual(200, answer.status, answer)

        self.assertEqual({"lost"}, self.found_after(drop))
        self.assertEqual(5, len(self.world.totals.verdict.lost))

    def test_an_event_from_nowhere_is_unexpected(self):
        self.assertEqual({"unexpected"}, self.found_after(lambda api, _: api.publish()))

    def test_a_secret_that_nobody_knows_is_told(self):
        self.assertEqual(
            {"unsigned"},
            self.found_after(lambda api, webhook: api.rotate(webhook, grace_period_seconds=0)),
        )


if __name__ == "__main__":
    unittest.main()
