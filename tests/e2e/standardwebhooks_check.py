"""The reference library of Standard Webhooks (PyPI: standardwebhooks) verifies what a real daemon
sends, also while a secret is being rotated. Exits 0 when it does."""

import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from daemon import Daemon
from receiver import Receiver


def verifies(secret, request):
    headers = {name.lower(): value for name, value in request.headers}
    try:
        Webhook(secret).verify(request.body.decode(), headers)
        return True
    except WebhookVerificationError:
        return False


def check(condition, sentence):
    print(f"{'ok' if condition else 'FAILED'}: {sentence}")
    return bool(condition)


def delivered(daemon, receiver, count):
    daemon.api.publish(data={"n": 0.10, "ü": "é"})
    return receiver.wait_for(count)[-1]


def run(daemon, receiver):
    daemon.start()
    made = daemon.api.create(receiver.url(), ["user.created"])
    first = made["secret"]
    stranger = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    request = delivered(daemon, receiver, 1)
    passed = [
        check(verifies(first, request), "a delivery verifies with its secret"),
        check(not verifies(stranger, request), "and with no other"),
    ]
    request.body += b" "
    passed.append(check(not verifies(first, request), "nor when its body was changed"))
    second = daemon.api.rotate(made["id"], grace_period_seconds=3600)["secret"]
    request = delivered(daemon, receiver, 2)
    passed += [
        check(verifies(second, request), "during rotation the new secret verifies"),
        check(verifies(first, request), "and the old one"),
        check(not verifies(stranger, request), "and no other"),
    ]
    third = daemon.api.rotate(made["id"], grace_period_seconds=0)["secret"]
    request = delivered(daemon, receiver, 3)
    passed += [
        check(verifies(third, request), "without a grace period the new secret verifies"),
        check(not verifies(second, request), "and the old one does not"),
    ]
    return all(passed)


def main():
    receiver, daemon = Receiver(), Daemon()
    try:
        return 0 if run(daemon, receiver) else 1
    finally:
        daemon.close()
        receiver.stop()


if __name__ == "__main__":
    sys.exit(main())
