"""Pages, cursors and filters of everything that is listed."""

import unittest

from api_client import BASE, query_text
from e2e import DaemonTest
from receiver import Reply

PAGE = ["items", "total", "page", "per_page", "pages"]
DELIVERIES = "/api/v1/admin/deliveries"


class ListingTest(DaemonTest):
    flags = ("--retry-schedule", "3600")

    def get(self, path, **query):
        answer = self.api.request("GET", path + query_text(query))
        self.assertEqual(200, answer.status, (path, query, answer))
        return answer.json()

    def refused(self, path, query, *faults):
        answer = self.api.request("GET", f"{path}?{query}")
        self.assert_faults(answer, *((kind, ["query", name]) for kind, name in faults))


class WebhookListTest(ListingTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, fields in {
            "orders": {"events": ["user.created"], "description": "Für Bestellungen"},
            "Orders of t1": {"events": ["user.*"], "tenant_id": "t1"},
            "all": {"events": ["*"], "status": "paused"},
            "groups": {"events": ["group.*"], "tenant_id": "t1", "partner_id": "p1"},
            "off": {"events": ["user.deleted"], "status": "disabled", "partner_id": "p1"},
            "100%_": {"events": ["auth.*"]},
        }.items():
            cls.api.create(f"http://127.0.0.1/{len(name)}", name=name, **fields)

    def names(self, **query):
        page = self.get(f"{BASE}/", **query)
        self.assertEqual(page["total"], len(page["items"]), query)
        return [webhook["name"] for webhook in page["items"]]

    def test_a_webhook_that_was_made_is_where_its_location_says(self):
        body = {"url": "http://127.0.0.1/", "events": ["*"], "name": "located"}
        answer = self.api.request("POST", f"{BASE}/", body)
        self.addCleanup(self.api.delete, answer.json()["id"])
        self.assertEqual(201, answer.status, answer)
        self.assertEqual(f"{BASE}/{answer.json()['id']}", answer.headers["Location"])
        self.assertEqual("located", self.get(answer.headers["Location"])["name"])

    def test_every_filter_shows_what_it_names_alone(self):
        everything = ["orders", "Orders of t1", "all", "groups", "off", "100%_"]
        for query, expected in (
            ({}, everything),
            ({"name": "orders"}, ["orders"]),
            ({"name": "Orders"}, []),
            ({"q": "ORDERS"}, ["orders", "Orders of t1"]),
            ({"q": "bestell"}, ["orders"]),
            ({"q": "0.1/12"}, ["Orders of t1"]),
            ({"q": "%"}, ["100%_"]),
            ({"q": "s_of"}, []),
            ({"q": "nowhere"}, []),
            ({"event_type": "user.created"}, ["orders", "Orders of t1", "all"]),
            ({"event_type": "user.deleted"}, ["Orders of t1", "all", "off"]),
            ({"event_type": "group.created"}, ["all", "groups"]),
            ({"status": "active"}, ["orders", "Orders of t1", "groups", "100%_"]),
            ({"status": "paused"}, ["all"]),
            ({"status": "disabled"}, ["off"]),
            ({"tenant_id": "t1"}, ["Orders of t1", "groups"]),
            ({"partner_id": "p1"}, ["groups", "off"]),
            ({"tenant_id": "t1", "partner_id": "p1"}, ["groups"]),
            ({"tenant_id": "t1", "event_type": "user.created"}, ["Orders of t1"]),
            ({"q": "orders", "status": "paused"}, []),
        ):
            self.assertEqual(expected, self.names(**query), query)

    def test_an_id_is_found_by_a_piece_of_it(self):
        [webhook] = self.get(f"{BASE}/", name="orders")["items"]
        self.assertEqual(["orders"], self.names(q=webhook["id"][4:]))

    def test_pages_hold_everything_once_and_in_order(self):
        everything = self.names()
        shown = []
        for number in (1, 2, 3):
            page = self.get(f"{BASE}/", page=number, per_page=2)
            self.assertEqual(PAGE, list(page))
            self.assertEqual(
                (6, number, 2, 3), tuple(page[k] for k in ("total", "page", "per_page", "pages"))
            )
            shown += [webhook["name"] for webhook in page["items"]]
        self.assertEqual(everything, shown)
        beyond = self.get(f"{BASE}/", page=4, per_page=2)
        self.assertEqual(([], 6), (beyond["items"], beyond["total"]))

    def test_the_catalogue_is_whole_without_a_page_and_paged_with_one(self):
        path = f"{BASE}/events"
        everything = self.get(path)
        count = everything["total"]
        self.assertEqual(PAGE, list(everything))
        self.assertEqual(count, len(everything["items"]))
        self.assertEqual((1, 1), (everything["page"], everything["pages"]))
        for known in everything["items"]:
            self.assertEqual(["event_type", "description", "resource_type", "schema"], list(known))
        names = [known["event_type"] for known in everything["items"]]
        self.assertEqual(sorted(names), names)
        self.assertLessEqual({"user.created", "registration.rejected", "webhook.test"}, set(names))
        pages = [self.get(path, page=number, per_page=10) for number in range(1, 5)]
        self.assertEqual({(count, 10, 4)}, {(p["total"], p["per_page"], p["pages"]) for p in pages})
        self.assertEqual(names, [known["event_type"] for page in pages for known in page["items"]])
        self.assertEqual([], self.get(path, page=5, per_page=10)["items"])
        self.assertEqual(min(50, count), len(self.get(path, page=1)["items"]))
        self.refused(path, "page=0", ("greater_than_equal", "page"))
        self.refused(path, "per_page=201", ("less_than_equal", "per_page"))


class DeliveryListTest(ListingTest):
    """One webhook with deliveries of every kind, and another's beside it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.receiver.script(
            "/kinds",
            *[Reply(200), Reply(500), Reply(503), Reply(404), Reply(close=True)],
            then=Reply(204),
        )
        url = cls.receiver.url("/kinds")
        events = ["user.*", "group.*"]
        cls.hook = cls.api.create(url, events, name="kinds", retry_schedule=[])
        cls.list_path = f"{BASE}/{cls.hook['id']}/deliveries"
        created, deleted = "user.created", "user.deleted"
        for event_type in (created, deleted, created, "group.created", created):
            cls.api.publish(event_type)
            newest = cls.api.deliveries(cls.hook["id"])["items"][0]
            cls.daemon.wait_status(cls.hook["id"], newest["id"], "succeeded", "failed")
        cls.api.update(cls.hook["id"], status="paused")
        cls.api.publish("group.deleted")
        cls.other = cls.api.create(url, ["auth.*"], name="other", tenant_id="t1", status="paused")
        cls.api.publish("auth.login_failed", tenant_id="t1")
        cls.everything = cls.api.deliveries(cls.hook["id"])["items"]

    def ids(self, path=None, **query):
        page = self.get(path or self.list_path, per_page=200, **query)
        self.assertEqual(page["total"], len(page["items"]), query)
        return [delivery["id"] for delivery in page["items"]]

    def test_every_filter_shows_what_it_names_alone(self):
        pending, broken, missing, busy, failed, fine = [d["id"] for d in self.everything]
        fourth = self.everything[2]["created_at"]
        for query, expected in (
            ({}, [pending, broken, missing, busy, failed, fine]),
            ({"status": "succeeded"}, [fine]),
            ({"status": "failed"}, [broken, missing, busy, failed]),
            ({"status": "pending"}, [pending]),
            ({"status": "cancelled"}, []),
            ({"event_type": "user.created"}, [broken, busy, fine]),
            ({"event_type": "group.deleted"}, [pending]),
            ({"response_status": "500"}, [failed]),
            ({"response_status": "5xx"}, [busy, failed]),
            ({"response_status": "4xx"}, [missing]),
            ({"response_status": "2xx"}, [fine]),
            ({"response_status": "none", "status": "failed"}, [broken]),
            ({"since": fourth}, [pending, broken, missing]),
            ({"until": fourth}, [busy, failed, fine]),
            ({"since": fourth, "until": fourth}, []),
            ({"since": "2100-01-01T00:00:00Z"}, []),
            ({"until": "2100-01-01T00:00:00+05:00", "status": "pending"}, [pending]),
            ({"status": "failed", "event_type": "user.created", "response_status": "503"}, [busy]),
        ):
            self.assertEqual(expected, self.ids(**query), query)
            self.assertEqual(expected, self.ids(DELIVERIES, webhook_id=self.hook["id"], **query))

    def test_the_list_across_webhooks_is_narrowed_by_webhook_and_tenant(self):
        [of_other] = self.ids(f"{BASE}/{self.other['id']}/deliveries")
        own = [delivery["id"] for delivery in self.everything]
        self.assertEqual([of_other, *own], self.ids(DELIVERIES))
        self.assertEqual([of_other], self.ids(DELIVERIES, webhook_id=self.other["id"]))
        self.assertEqual([of_other], self.ids(DELIVERIES, tenant_id="t1"))
        self.assertEqual([], self.ids(DELIVERIES, tenant_id="t2"))
        self.assertEqual([], self.ids(DELIVERIES, webhook_id="whk_0000000000000000"))

    def test_pages_and_cursors_both_lead_through_everything_once(self):
        own = [delivery["id"] for delivery in self.everything]
        pages = [self.get(self.list_path, page=number, per_page=4) for number in (1, 2)]
        for number, page in enumerate(pages, 1):
            self.assertEqual([*PAGE, "next_cursor"], list(page))
            self.assertEqual((6, number, 4, 2), tuple(page[k] for k in PAGE[1:]))
        self.assertEqual(own, [d["id"] for page in pages for d in page["items"]])
        for query in ({}, {"status": "failed"}, {"event_type": "user.created"}):
            shown, cursor = [], None
            for _ in range(10):
                page = self.get(self.list_path, per_page=2, cursor=cursor, **query)
                shown += [delivery["id"] for delivery in page["items"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            self.assertEqual(self.ids(**query), shown, query)

    def test_a_cursor_is_not_moved_by_what_comes_after_it(self):
        hook, _ = self.webhook(events=["session.*"], status="paused")
        path = f"{BASE}/{hook['id']}/deliveries"
        for _ in range(4):
            self.api.publish("session.created")
        expected = self.ids(path)
        first = self.get(path, per_page=2)
        self.api.publish("session.created")
        rest = self.get(path, per_page=2, cursor=first["next_cursor"])
        shown = [delivery["id"] for delivery in first["items"] + rest["items"]]
        self.assertEqual((expected, None), (shown, rest["next_cursor"]))

    def test_what_is_no_filter_is_named(self):
        for query, fault in (
            ("status=on", ("literal_error", "status")),
            ("status=", ("literal_error", "status")),
            ("since=yesterday", ("datetime_parsing", "since")),
            ("since=2026-01-01T00:00:00", ("datetime_parsing", "since")),
            ("until=2026-13-01T00:00:00Z", ("datetime_parsing", "until")),
            ("response_status=6xx", ("value_error", "response_status")),
            ("response_status=099", ("value_error", "response_status")),
            ("response_status=5x", ("value_error", "response_status")),
            ("response_status=", ("value_error", "response_status")),
            ("cursor=abc", ("value_error", "cursor")),
            ("cursor=", ("value_error", "cursor")),
            ("page=0", ("greater_than_equal", "page")),
            ("per_page=201", ("less_than_equal", "per_page")),
            ("event_type=user.created&page=10000", ("value_error", "page")),
        ):
            for path in (self.list_path, DELIVERIES):
                self.refused(path, query, fault)
        both = ("literal_error", "status"), ("datetime_parsing", "since")
        self.refused(self.list_path, "status=x&since=x", *both)

    def test_stats_know_four_windows(self):
        path = f"{BASE}/{self.hook['id']}/stats"
        self.assertEqual("24h", self.get(path)["window"])
        for window in ("1h", "24h", "7d", "30d"):
            stats = self.get(path, window=window)
            self.assertEqual(
                (window, 1, 4), (stats["window"], stats["succeeded"], stats["failed"]), stats
            )
        for window in ("2h", "", "24H", "1d", "3600"):
            self.refused(path, f"window={window}", ("literal_error", "window"))


if __name__ == "__main__":
    unittest.main()
