"""The tools that the other tests rely on, tried out on themselves."""

import http.client
import threading
import time
import unittest

import signatures
from api_client import raw_exchange, raw_status
from polling import eventually
from receiver import Received, Receiver, Reply


def post(receiver, body=b"{}", path="/hook", headers=None, timeout=5):
    connection = http.client.HTTPConnection(receiver.host, receiver.port, timeout=timeout)
    try:
        connection.request("POST", path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def signed_request(secret, body=b"{}", timestamp=1614265330, message_id="evt_1"):
    headers = [
        ("X-ScaiKey-Timestamp", str(timestamp)),
        ("X-ScaiKey-Signature", f"t={timestamp},v1={signatures.scaikey(secret, timestamp, body)}"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", signatures.standard(secret, message_id, timestamp, body)),
    ]
    return Received("POST", "/hook", "HTTP/1.1", headers, body, 0.0, 0.0, 1)


class SignaturesTest(unittest.TestCase):
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    def test_both_vectors_of_the_contract_come_out(self):
        first = signatures.standard(
            self.secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
        )
        self.assertEqual("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", first)
        second = signatures.standard(
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1649367553,
            b'{"email":"test@example.com","username":"test_user"}',
        )
        self.assertEqual("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=", second)

    def test_a_well_signed_request_has_no_fault(self):
        self.assertIsNone(signatures.fault(self.secret, signed_request(self.secret)))

    def test_another_secret_body_or_timestamp_is_a_fault(self):
        other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
        self.assertIsNotNone(signatures.fault(other, signed_request(self.secret)))
        for field, value in (("body", b"{ }"), ("headers", [])):
            request = signed_request(self.secret)
            setattr(request, field, value)
            self.assertIsNotNone(signatures.fault(self.secret, request), field)
        for name in (
            "X-ScaiKey-Timestamp",
            "X-ScaiKey-Signature",
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ):
            request = signed_request(self.secret)
            request.headers = [(n, "1" if n == name else v) for n, v in request.headers]
            self.assertIsNotNone(signatures.fault(self.secret, request), name)

    def test_a_secret_without_a_key_must_have_no_standard_signature(self):
        secret = "a secret of my own!"
        request = signed_request(self.secret)
        digest = signatures.scaikey(secret, 1614265330, request.body)
        request.headers[1] = ("X-ScaiKey-Signature", f"t=1614265330,v1={digest}")
        self.assertIn("webhook-signature", signatures.fault(secret, request))
        request.headers = request.headers[:2]
        self.assertIsNone(signatures.fault(secret, request))


class ReceiverTest(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)

    def test_it_keeps_bytes_headers_and_time(self):
        body = bytes(range(256)) * 300
        began = time.time()
        self.assertEqual((200, b""), post(self.receiver, body, headers={"X-Odd": "v a l"}))
        [request] = self.receiver.wait_for(1, "/hook")
        self.assertEqual(body, request.body)
        self.assertEqual("v a l", request.header("x-odd"))
        self.assertTrue(began <= request.wall <= time.time())

    def test_a_script_answers_one_request_each_and_then_its_last(self):
        self.receiver.script(
            "/s", Reply(500, body=b"no"), lambda r: Reply(410 + r.number), then=Reply(204)
        )
        self.assertEqual((500, b"no"), post(self.receiver, path="/s"))
        self.assertEqual(412, post(self.receiver, path="/s")[0])
        self.assertEqual(204, post(self.receiver, path="/s")[0])
        self.assertEqual(204, post(self.receiver, path="/s")[0])
        self.assertEqual(200, post(self.receiver, path="/other")[0])

    def test_it_misbehaves_as_told(self):
        self.receiver.script(
            "/m", Reply(reset=True), Reply(close=True), Reply(raw=b"hello\r\n\r\n")
        )
        with self.assertRaises(ConnectionResetError):
            post(self.receiver, path="/m")
        with self.assertRaises(http.client.RemoteDisconnected):
            post(self.receiver, path="/m")
        with self.assertRaises(http.client.BadStatusLine):
            post(self.receiver, path="/m")

    def test_delay_drip_and_gate_take_their_time(self):
        gate = threading.Event()
        self.receiver.script(
            "/t", Reply(delay=0.2), Reply(body=b"1234", drip=0.05), Reply(gate=gate)
        )
        began = time.monotonic()
        post(self.receiver, path="/t")
        self.assertGreaterEqual(time.monotonic() - began, 0.2)
        began = time.monotonic()
        self.assertEqual(b"1234", post(self.receiver, path="/t")[1])
        self.assertGreaterEqual(time.monotonic() - began, 0.2)
        with self.assertRaises(TimeoutError):
            post(self.receiver, path="/t", timeout=0.2)
        gate.set()

    def test_an_endless_body_ends_with_its_reader(self):
        self.receiver.script("/e", Reply(endless=True))
        connection = http.client.HTTPConnection(self.receiver.host, self.receiver.port, timeout=5)
        self.addCleanup(connection.close)
        connection.request("POST", "/e", b"{}")
        self.assertEqual(3 << 20, len(connection.getresponse().read(3 << 20)))

    def test_many_headers_are_sent(self):
        self.receiver.script("/h", Reply(extra_headers=1000))
        answer = raw_exchange(
            (self.receiver.host, self.receiver.port), b"POST /h HTTP/1.1\r\n\r\nnonsense\r\n\r\n"
        )
        self.assertEqual(200, raw_status(answer))
        self.assertIn(b"X-Extra-999: 999\r\n", answer)

    def test_thousands_of_requests_arrive(self):
        def client():
            connection = http.client.HTTPConnection(self.receiver.host, self.receiver.port)
            for _ in range(500):
                connection.request("POST", "/many", b"{}")
                connection.getresponse().read()
            connection.close()

        clients = [threading.Thread(target=client) for _ in range(6)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        self.assertEqual(3000, len(self.receiver.wait_for(3000, "/many")))

    def test_waiting_for_what_does_not_come_fails(self):
        with self.assertRaises(AssertionError):
            self.receiver.wait_for(1, timeout=0.05)
        with self.assertRaisesRegex(AssertionError, "pigs fly"):
            eventually(lambda: None, "pigs fly", timeout=0.05)


if __name__ == "__main__":
    unittest.main()
