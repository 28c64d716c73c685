"""Signed caller ids (STIR/SHAKEN) of a whole switch: what it signs, and whom it believes."""

import datetime
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from exchange import EPOCH_MS, Exchange
from joserfc import jws
from joserfc.jwk import ECKey

from sip.passport import identity_field

OUR_URL, THEIR_URL = "https://us.example.org/stir.pem", "https://them.example.net/stir.pem"
CALLER, LINE = "+442071838750", "+995322000001"
PEM = serialization.Encoding.PEM
NOW = EPOCH_MS // 1000


def authority():
    """Key and certificate of an authority, which issues its own: the shortest chain there is."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "STI-CA")])
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(),
        at - datetime.timedelta(1), at + datetime.timedelta(30),
    ).add_extension(x509.BasicConstraints(True, None), critical=True)  # fmt: skip
    return key, made.sign(key, hashes.SHA256())


KEY, CERTIFICATE = authority()


@pytest.fixture
def exchange():
    folder = tempfile.TemporaryDirectory()
    key_file, authorities = Path(folder.name) / "key.pem", Path(folder.name) / "authorities.pem"
    key_file.write_bytes(
        KEY.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    authorities.write_bytes(CERTIFICATE.public_bytes(PEM))
    made = Exchange(
        seed=5,
        config=f'[stir]\nkey = "{key_file}"\ncertificate_url = "{OUR_URL}"\n'
        f'authorities = "{authorities}"\n',
    )
    made.tariff(("995", 60_000, 1, 1), ("44", 60_000, 1, 1))
    made.certificates[THEIR_URL] = CERTIFICATE.public_bytes(PEM)
    yield made
    assert made.log.errors == []
    made.close()
    folder.cleanup()


@pytest.fixture
def phone(exchange):
    made = exchange.phone(exchange.line(LINE, exchange.account(10_000_000)), "198.51.100.1")
    made.register()
    exchange.run(1.0)
    return made


def trunk(exchange, stir: str):
    made = exchange.trunk("carrier", "203.0.113.1", prefix="44")
    (known,) = exchange.directory.trunks()
    exchange.directory.set_trunks([replace(known, stir=stir)])
    made.heard_invites = []

    def tap(seen):
        _, sent, _, data = seen
        if not sent and data.startswith(b"INVITE "):
            made.heard_invites.append(data)

    made.agent.stack.tap = tap
    return made


def field(message: bytes, name: bytes) -> bytes | None:
    found = [
        line.partition(b": ")[2] for line in message.split(b"\r\n") if line.startswith(name + b": ")
    ]
    return found[0] if found else None


def test_a_call_of_our_line_is_signed_with_full_attestation(exchange, phone):
    far = trunk(exchange, "on")
    phone.call(CALLER)
    exchange.run(3.0)
    (invite,) = far.heard_invites
    token, _, parameters = field(invite, b"Identity").partition(b";")
    assert parameters == b"info=<" + OUR_URL.encode() + b">;alg=ES256;ppt=shaken"
    public = ECKey.import_key(
        KEY.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    claims = json.loads(jws.deserialize_compact(token, public, registry=registry).payload)
    assert (claims["attest"], claims["orig"], claims["dest"]) == (
        "A", {"tn": "995322000001"}, {"tn": ["442071838750"]},
    )  # fmt: skip
    assert abs(claims["iat"] - exchange.wall_ms() / 1000) < 5
    assert field(invite, b"Date").endswith(b" GMT")


def test_other_trunks_get_no_signature_and_a_withheld_number_is_never_signed(exchange, phone):
    far = trunk(exchange, "off")
    first = phone.call(CALLER)
    exchange.run(3.0)
    phone.hang_up(first)
    exchange.run(1.0)
    (known,) = exchange.directory.trunks()
    exchange.directory.set_trunks([replace(known, stir="on")])
    phone.call(CALLER, extra=((b"Privacy", b"id"),))
    exchange.run(3.0)
    shown, withheld = far.heard_invites
    assert field(shown, b"Identity") is field(withheld, b"Identity") is None
    assert b"995322000001" not in withheld


def calls_in(exchange, far, identity: bytes | None, number=LINE) -> int | None:
    """The status of an incoming call with this Identity field; 200 if it was answered."""
    extra = () if identity is None else ((b"Identity", identity),)
    far.status = None
    session = far.call(
        number, extra=extra, from_=f"<sip:{CALLER}@203.0.113.1>".encode(),
        target=f"sip:{number}@192.0.2.1".encode(),
    )  # fmt: skip
    exchange.run(4.0)
    if session in far.talking:
        far.hang_up(session)
        exchange.run(1.0)
        return 200
    return far.status


def signed(exchange, called=LINE, calling=CALLER, key=KEY, url=THEIR_URL, age=0) -> bytes:
    at = exchange.wall_ms() // 1000 - age
    return identity_field(key, url, "B", calling, called, "0" * 8, at)


def test_a_proven_call_comes_in_and_its_certificate_is_fetched_once(exchange, phone):
    far = trunk(exchange, "require")
    assert calls_in(exchange, far, signed(exchange)) == 200
    assert calls_in(exchange, far, signed(exchange)) == 200
    assert exchange.fetched == [THEIR_URL]
    exchange.run(3_700.0)
    phone.register()
    exchange.run(1.0)
    assert calls_in(exchange, far, signed(exchange)) == 200
    assert exchange.fetched == [THEIR_URL] * 2


def test_calls_that_prove_nothing_are_refused_where_a_proof_is_required(exchange, phone):
    far = trunk(exchange, "require")
    stranger, strange = authority()
    exchange.certificates["https://strange.example"] = strange.public_bytes(PEM)
    for identity, status in (
        (None, 428),
        (b"nonsense", 438),
        (signed(exchange, called="+995322000002"), 438),
        (signed(exchange, calling="+4930123456"), 438),
        (signed(exchange, age=120), 403),
        (signed(exchange, key=stranger), 438),
        (signed(exchange, key=stranger, url="https://strange.example"), 437),
    ):
        assert calls_in(exchange, far, identity) == status
    refused = [cdr for cdr in exchange.store.cdrs() if cdr.direction == "incoming"]
    assert sorted(cdr.sip_status for cdr in refused) == [403, 428, 437, 438, 438, 438, 438]
    assert not phone.talking


def test_a_trunk_that_only_asks_for_proofs_lets_unproven_calls_in(exchange, phone):
    far = trunk(exchange, "on")
    assert calls_in(exchange, far, None) == 200
    assert calls_in(exchange, far, signed(exchange, age=120)) == 200
    assert exchange.switch.reception.proof.results == {"unproven": 2}
    told = [facts["why"] for event, facts in exchange.log.warnings if "isn't proven" in event]
    assert told == ["the call has no Identity field", "it is stale"]
