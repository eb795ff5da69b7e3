"""The stream of finished attempts: what it shows, to whom, and how a client comes back to it."""

import http.client
import json
import socket
import threading
import time
import unittest

from api_client import UnixConnection, connect, query_text
from daemon import Daemon
from e2e import DaemonTest
from polling import PATIENCE, eventually
from receiver import Receiver, Reply

STREAM = "/api/v1/admin/deliveries/stream"


class Client:
    """Reads server-sent events on a thread of its own."""

    def __init__(self, daemon, token=None, last_id=None, **query):
        self.messages, self.last_id, self.ended = [], last_id, threading.Event()
        if token:
            self.connection = http.client.HTTPConnection(*daemon.tcp, timeout=30 * PATIENCE)
        else:
            self.connection = UnixConnection(daemon.socket, 30 * PATIENCE)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self.connection.request("GET", STREAM + query_text(query), headers=headers)
        # The connection forgets it as soon as it knows that the answer ends it.
        self.socket = self.connection.sock
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.thread = threading.Thread(target=self._read, daemon=True)
        if self.status == 200:
            self.thread.start()
            eventually(lambda: self.last_id is not None, "the stream tells where it begins")

    def _read(self):
        fields = {}
        try:
            while line := self.answer.readline():
                line = line.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                    continue
                if "data" in fields:
                    self.messages.append((fields.get("event"), json.loads(fields["data"])))
                if "id" in fields:
                    self.last_id = int(fields["id"])
                fields = {}
        except (OSError, ValueError, http.client.HTTPException):
            pass
        self.ended.set()

    def attempts(self):
        return [data for name, data in self.messages if name == "attempt"]

    def wait_for(self, count):
        eventually(lambda: len(self.attempts()) >= count, f"{count} attempts in the stream")
        return self.attempts()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was first
        if self.thread.ident:
            self.thread.join(20 * PATIENCE)
        self.answer.close()


class DeliveryStreamTest(DaemonTest):
    def stream(self, **options):
        client = Client(self.daemon, **options)
        self.addCleanup(client.close)
        return client

    def test_an_attempt_is_told_when_it_has_ended(self):
        webhook, path = self.webhook(Reply(500))
        client = self.stream(webhook_id=webhook["id"])
        self.assertEqual("text/event-stream", client.answer.headers["Content-Type"])
        for header in ("X-Request-ID", "webhookd-version", "Date"):
            self.assertTrue(client.answer.headers[header], header)
        event = self.api.publish()
        first, second = client.wait_for(2)
        self.assertEqual(
            [
                "id",
                "delivery_id",
                "webhook_id",
                "event_id",
                "event_type",
                "number",
                "max_attempts",
                "trigger",
                "started_at",
                "duration_ms",
                "response_status",
                "error",
                "next_attempt_at",
                "status",
            ],
            list(first),
        )
        detail = self.api.delivery(webhook["id"], first["delivery_id"])
        for attempt, told in zip(detail["attempts"], (first, second)):
            for name in ("id", "number", "trigger", "started_at", "duration_ms"):
                self.assertEqual(attempt[name], told[name], name)
            self.assertEqual(attempt["error"], told["error"])
            self.assertEqual(attempt["next_attempt_at"], told["next_attempt_at"])
        self.assertEqual(event["event_id"], first["event_id"])
        self.assertEqual((500, "pending"), (first["response_status"], first["status"]))
        self.assertEqual((200, "succeeded"), (second["response_status"], second["status"]))

    def test_a_stream_begins_now_or_where_it_is_told_to(self):
        webhook, _ = self.webhook()
        for _ in range(3):
            self.api.publish()
        self.daemon.wait_deliveries(webhook["id"], 3, status="succeeded")
        everything = self.stream(webhook_id=webhook["id"], since_id=0).wait_for(3)
        ids = [attempt["id"] for attempt in everything]
        self.assertEqual(sorted(ids), ids)
        self.assertEqual(ids[1:], [a["id"] for a in self.ids_after(webhook, 2, since_id=ids[0])])
        by_header = self.ids_after(webhook, 1, since_id=0, last_id=ids[1])
        self.assertEqual(ids[2:], [a["id"] for a in by_header])
        since = everything[0]["started_at"]
        self.assertEqual(ids, [a["id"] for a in self.ids_after(webhook, 3, since=since)])
        live = self.stream(webhook_id=webhook["id"])
        later = self.stream(webhook_id=webhook["id"], since="2100-01-01T00:00:00Z")
        self.api.publish()
        self.assertGreater(live.wait_for(1)[0]["id"], ids[-1])
        self.assertEqual(1, len(live.attempts()))
        self.assertEqual([], later.attempts())

    def ids_after(self, webhook, count, **options):
        client = self.stream(webhook_id=webhook["id"], **options)
        client.wait_for(count)
        return client.attempts()

    def test_a_status_filters_by_what_became_of_the_delivery(self):
        webhook, _ = self.webhook(Reply(500), Reply(500), retry_schedule=[1])
        failed = self.stream(webhook_id=webhook["id"], status="failed")
        pending = self.stream(webhook_id=webhook["id"], status="pending")
        self.api.publish()
        self.assertEqual([2], [a["number"] for a in failed.wait_for(1)])
        self.assertEqual([1], [a["number"] for a in pending.wait_for(1)])

    def test_a_bound_principal_sees_its_own_alone(self):
        mine, _ = self.webhook(tenant_id="t1")
        theirs, _ = self.webhook(tenant_id="t2")
        token = self.api.token(role="tenant_admin", tenant_id="t1")
        client = self.stream(token=token)
        for tenant in ("t2", "t1", "t2", "t1"):
            self.api.publish(tenant_id=tenant)
        self.assertEqual({mine["id"]}, {a["webhook_id"] for a in client.wait_for(2)})
        for webhook in (theirs["id"], "whk_0000000000000000", "x"):
            answer = self.daemon.tcp_api(token).request("GET", f"{STREAM}?webhook_id={webhook}")
            self.assert_detail(answer, 404, "Webhook not found")
        self.assertEqual(401, self.daemon.tcp_api().request("GET", STREAM).status)
        publisher = self.daemon.minted(scope="events:publish", tenant_id="t1")
        self.assertEqual(403, publisher.request("GET", STREAM).status)

    def test_bad_parameters_are_told_all_at_once(self):
        answer = self.api.request(
            "GET", f"{STREAM}?since_id=-1&since=x&status=lost", headers={"Last-Event-ID": "y"}
        )
        self.assert_faults(
            answer,
            ("greater_than_equal", ["query", "since_id"]),
            ("datetime_parsing", ["query", "since"]),
            ("literal_error", ["query", "status"]),
            ("int_parsing", ["header", "last-event-id"]),
        )
        answer = self.api.request("POST", STREAM)
        self.assertEqual((405, "GET, HEAD"), (answer.status, answer.headers["Allow"]))

    def test_head_has_the_headers_of_get_and_opens_nothing(self):
        def told(headers):
            # Per connection or per request; all others are of the answer itself.
            own = ("connection", "date", "x-request-id")
            return sorted((n.lower(), v) for n, v in headers.items() if n.lower() not in own)

        head = self.api.request("HEAD", STREAM)
        self.assertEqual((200, b""), (head.status, head.body))
        self.assertEqual("text/event-stream", head.headers["Content-Type"])
        self.assertEqual(told(self.stream().answer.headers), told(head.headers))

    def test_an_id_of_another_store_begins_now(self):
        webhook, _ = self.webhook()
        client = self.stream(webhook_id=webhook["id"], last_id=10**15)
        self.api.publish()
        client.wait_for(1)

    def test_streams_are_bounded_for_each_door_and_give_their_place_back(self):
        token = self.api.token(role="super_admin")
        eventually(lambda: self.places_free(), "earlier streams are gone")
        clients = [Client(self.daemon) for _ in range(64)]
        try:
            refused = self.api.request("GET", STREAM)
            self.assert_detail(refused, 429)
            self.assertTrue(refused.headers["Retry-After"])
            self.assertEqual(200, self.stream(token=token).status)
            # None of them holds a thread.
            for _ in range(20):
                self.assertEqual(200, self.api.request("GET", "/healthz").status)
        finally:
            for client in clients:
                client.close()
        eventually(lambda: self.stream().status == 200, "a place is free again")

    def places_free(self):
        clients = [Client(self.daemon) for _ in range(8)]
        for client in clients:
            client.close()
        return all(client.status == 200 for client in clients)


class ResumeTest(unittest.TestCase):
    """With a daemon that is killed."""

    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)
        self.daemon = Daemon("--retry-schedule", "1,1")
        self.addCleanup(self.daemon.close)
        self.daemon.start()

    def test_resuming_under_load_shows_every_attempt_exactly_once(self):
        webhook = self.daemon.api.create(self.receiver.url("/r"))["id"]
        lines = "\n".join('{"event_type":"user.created","data":{}}' for _ in range(100))
        headers = {"Content-Type": "application/x-ndjson"}
        seen, last_id = [], 0
        for round_number in range(6):
            for _ in range(3):
                path = "/api/v1/events/batch"
                answer = self.daemon.api.request("POST", path, lines.encode(), headers)
                self.assertEqual(202, answer.status)
            client = Client(self.daemon, last_id=last_id)
            client.wait_for(150)
            client.close()
            seen += [attempt["id"] for attempt in client.attempts()]
            last_id = client.last_id
            if round_number == 2:
                self.daemon.kill()
                self.daemon.start()
        self.daemon.wait_deliveries(webhook, 1800, status="succeeded", timeout=60)
        client = Client(self.daemon, last_id=last_id)
        newest = Client(self.daemon).last_id
        eventually(lambda: client.last_id >= newest, "it has caught up")
        seen += [attempt["id"] for attempt in client.attempts()]
        self.assertEqual(list(range(1, newest + 1)), seen)
        client.close()

    def test_a_reader_who_does_not_read_holds_nobody_up_and_loses_nothing(self):
        self.daemon.api.create(self.receiver.url("/r"))
        lines = "\n".join('{"event_type":"user.created","data":{}}' for _ in range(1000))
        headers = {"Content-Type": "application/x-ndjson"}
        slow = connect(self.daemon.socket)
        self.addCleanup(slow.close)
        slow.sendall(f"GET {STREAM}?since_id=0 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        live = Client(self.daemon)
        self.addCleanup(live.close)
        for _ in range(3):
            path = "/api/v1/events/batch"
            self.assertEqual(
                202, self.daemon.api.request("POST", path, lines.encode(), headers).status
            )
        live.wait_for(3000)
        text = b""
        while text.count(b"event: attempt\n") < 3000 or not text.endswith(b"\n\n"):
            piece = slow.recv(1 << 16)
            self.assertTrue(piece, "the stream ended")
            text += piece
        attempts = [m for m in text.split(b"\n\n") if m.startswith(b"event: attempt\n")]
        ids = [int(message.split(b"\n")[1][4:]) for message in attempts]
        self.assertEqual(list(range(1, 3001)), ids)

    def test_streams_do_not_hold_a_stop_up(self):
        client = Client(self.daemon)
        began = time.monotonic()
        self.assertEqual(0, self.daemon.terminate())
        self.assertLess(time.monotonic() - began, 5 * PATIENCE)
        self.assertTrue(client.ended.wait(5 * PATIENCE))
        client.close()


if __name__ == "__main__":
    unittest.main()
