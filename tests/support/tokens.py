"""JSON Web Tokens as a foreign issuer makes them, true and forged. Keys come from openssl(1)."""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import time


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value):
    return b64url(json.dumps(value, separators=(",", ":")).encode())


def claims(**more):
    """For a super_admin and the next ten minutes; None leaves a claim out."""
    made = {"sub": "tester", "role": "super_admin", "exp": int(time.time()) + 600, **more}
    return {name: value for name, value in made.items() if value is not None}


def _openssl(*arguments, data=b""):
    return subprocess.run(
        ["openssl", *map(str, arguments)], input=data, capture_output=True, check=True
    ).stdout


class RsaKey:
    def __init__(self, folder, kid="key-1", bits=2048):
        self.kid, self.file = kid, pathlib.Path(folder) / f"{kid}.pem"
        _openssl(
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            f"rsa_keygen_bits:{bits}",
            "-out",
            self.file,
        )
        self.public_pem = _openssl("pkey", "-in", self.file, "-pubout")
        modulus = _openssl("rsa", "-in", self.file, "-noout", "-modulus").split(b"=")[1].strip()
        self.jwk = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": kid,
            "n": b64url(bytes.fromhex(modulus.decode())),
            "e": b64url(b"\x01\x00\x01"),
        }

    def sign(self, payload, **header):
        text = f'{part({"alg": "RS256", "typ": "JWT", "kid": self.kid, **header})}.{part(payload)}'
        return (
            f"{text}.{b64url(_openssl('dgst', '-sha256', '-sign', self.file, data=text.encode()))}"
        )


def hs256(key, payload, **header):
    text = f'{part({"alg": "HS256", "typ": "JWT", **header})}.{part(payload)}'
    return f"{text}.{b64url(hmac.new(key, text.encode(), hashlib.sha256).digest())}"


def unsigned(payload, alg="none", **header):
    return f'{part({"alg": alg, "typ": "JWT", **header})}.{part(payload)}.'
