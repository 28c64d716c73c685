"""An authenticator of WebAuthn in software (packed without attestation, ES256)."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One credential; `flags` say if the user was there and verified."""

    rp_id: str
    origin: str
    flags: int = PRESENT | VERIFIED
    count: int = 0
    credential_id: bytes = b"credential-one-of-this-phone"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, challenge: str) -> str:
        """The answer to navigator.credentials.create()."""
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({
            1: 2, 3: -7, -1: 1,
            -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big"),
        })  # fmt: skip
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id
        data = self._data(self.flags | ATTESTED) + attested + cose
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            clientDataJSON=self._client("webauthn.create", challenge),
            attestationObject=encoded(statement),
        )

    def get(self, challenge: str) -> str:
        """The answer to navigator.credentials.get()."""
        self.count += 1
        data, client = self._data(self.flags), self._client("webauthn.get", challenge)
        clear = base64.urlsafe_b64decode(client + "==")
        signed = data + hashlib.sha256(clear).digest()
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._answer(
            clientDataJSON=client, authenticatorData=encoded(data), signature=encoded(signature)
        )

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, kind: str, challenge: str) -> str:
        return encoded(
            json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()
        )

    def _answer(self, **response: str) -> str:
        key = encoded(self.credential_id)
        return json.dumps({"id": key, "rawId": key, "type": "public-key", "response": response})
