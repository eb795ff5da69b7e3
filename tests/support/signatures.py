"""Both signature schemes, written from the contract alone: the daemon's C++ is not asked."""

import base64
import hashlib
import hmac


def _hmac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def scaikey(secret, timestamp, body):
    """Hex HMAC over '<timestamp>.<body>', keyed with the whole secret string."""
    return _hmac(secret.encode(), f"{timestamp}.".encode() + body).hex()


def standard(secret, message_id, timestamp, body):
    """Standard Webhooks 1.0: 'v1,<base64>', keyed with what follows 'whsec_', decoded."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    message = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(_hmac(key, message)).decode()


def fault(secret, request, prefix="X-ScaiKey"):
    """What is wrong with a received request's signatures; None when all of them verify."""
    signed = request.header(f"{prefix}-Signature")
    if signed is None:
        return f"no {prefix}-Signature"
    first, *digests = signed.split(",")
    timestamp = request.header(f"{prefix}-Timestamp")
    if first != f"t={timestamp}":
        return f"{prefix}-Signature begins with {first!r}, {prefix}-Timestamp is {timestamp!r}"
    if f"v1={scaikey(secret, timestamp, request.body)}" not in digests:
        return f"no digest of {prefix}-Signature is of this secret, timestamp and body"
    listed = request.header("webhook-signature")
    if not secret.startswith("whsec_"):
        return None if listed is None else "webhook-signature although the secret has no key"
    if listed is None:
        return "no webhook-signature"
    message_id, stamp = request.header("webhook-id"), request.header("webhook-timestamp")
    if stamp != timestamp:
        return f"webhook-timestamp {stamp!r} is not {timestamp!r}"
    if standard(secret, message_id, stamp, request.body) not in listed.split(" "):
        return "no digest of webhook-signature is of this secret, id, timestamp and body"
    return None
