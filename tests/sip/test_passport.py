"""Signed caller identities, held against another implementation of JOSE."""

import base64
import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey

from sip.passport import (
    IdentityError,
    canonical,
    check_claims,
    check_signature,
    identity_field,
    read_identity,
)

NOW = 1_800_000_000
URL = "https://certificates.example.org/shaken.pem"
ORIGIN = "123e4567-e89b-12d3-a456-426655440000"


REGISTRY = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
"""JOSE itself doesn't know the header parameter ppt."""


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(name, key, issuer=None, issuer_key=None, *, ca=False, days=(-1, 30)):
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(
        issuer_name=subject if issuer is None else issuer.subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=at + datetime.timedelta(days[0]),
        not_valid_after=at + datetime.timedelta(days[1]),
    ).add_extension(x509.BasicConstraints(ca, None), critical=True)
    return made.sign(issuer_key or key, hashes.SHA256())


def pem(*certificates) -> bytes:
    return b"".join(x.public_bytes(serialization.Encoding.PEM) for x in certificates)


ROOT_KEY, MIDDLE_KEY, KEY = new_key(), new_key(), new_key()
ROOT = certificate("root", ROOT_KEY, ca=True)
MIDDLE = certificate("middle", MIDDLE_KEY, ROOT, ROOT_KEY, ca=True)
LEAF = certificate("SHAKEN 1234", KEY, MIDDLE, MIDDLE_KEY)
FIELD = identity_field(KEY, URL, "A", "+995322000001", "+442071838750", ORIGIN, NOW)


def their_key(key=KEY) -> ECKey:
    return ECKey.import_key(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def test_what_we_sign_is_verified_by_another_library():
    token, *parameters = FIELD.split(b";")
    assert parameters == [b"info=<" + URL.encode() + b">", b"alg=ES256", b"ppt=shaken"]
    found = jws.deserialize_compact(token, their_key(), registry=REGISTRY)
    assert found.headers() == {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": URL}
    assert json.loads(found.payload) == {
        "attest": "A",
        "dest": {"tn": ["442071838750"]},
        "iat": NOW,
        "orig": {"tn": "995322000001"},
        "origid": ORIGIN,
    }
    head, payload, signature = token.split(b".")
    wrong = payload[:-2] + (b"AA" if payload[-2:] != b"AA" else b"BB")
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(b".".join((head, wrong, signature)), their_key(), registry=REGISTRY)
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(token, their_key(new_key()), registry=REGISTRY)


def signed_by_them(claims=None, header=None, key=KEY, parameters=None) -> bytes:
    private = ECKey.import_key(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    protected = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": URL} | (header or {})
    payload = {
        "attest": "B", "dest": {"tn": ["442071838750"]}, "iat": NOW,
        "orig": {"tn": "995322000001"}, "origid": ORIGIN,
    } | (claims or {})  # fmt: skip
    token = jws.serialize_compact(protected, json.dumps(payload), private, registry=REGISTRY)
    return token.encode() + (parameters or f";info=<{URL}>;alg=ES256;ppt=shaken".encode())


def verify(field: bytes, chain=(LEAF, MIDDLE), now=NOW, calling="+995322000001") -> str:
    passport = read_identity(field)
    check_claims(passport, calling, "+442071838750", now)
    check_signature(passport, pem(*chain), [ROOT], now)
    return passport.claims.attest


def test_what_another_library_signs_is_verified_by_us():
    assert verify(signed_by_them()) == "B"
    assert verify(signed_by_them(parameters=f' ; info = "{URL}";x=y'.encode())) == "B"
    assert verify(FIELD) == "A"


@pytest.mark.parametrize(
    ("field", "status", "reason"),
    [
        (signed_by_them({"iat": NOW - 61}), 403, "it is stale"),
        (signed_by_them({"iat": NOW + 61}), 403, "it is stale"),
        (signed_by_them({"orig": {"tn": "995322000009"}}), 438, "for another caller"),
        (signed_by_them({"dest": {"tn": ["49301234"]}}), 438, "for another called number"),
        (signed_by_them({"attest": "D"}), 438, "can't be read"),
        (signed_by_them({"iat": "now"}), 438, "can't be read"),
        (signed_by_them(header={"ppt": "div"}), 438, "of another type"),
        (signed_by_them(header={"x5u": "https://other.example"}), 436, "isn't the signed"),
        (signed_by_them(parameters=b";alg=ES256"), 436, "isn't the signed"),
        (signed_by_them(parameters=b";ppt=rph"), 438, "isn't shaken"),
        (signed_by_them(key=MIDDLE_KEY), 438, "its signature is wrong"),
        (FIELD.replace(b".", b"", 1), 438, "can't be read"),
        (b"", 438, "can't be read"),
        (b"a.b.c", 438, "can't be read"),
        (b"A" * 9000, 438, "can't be read"),
    ],
)
def test_what_proves_nothing_is_refused_with_its_status(field, status, reason):
    with pytest.raises(IdentityError, match=reason) as refused:
        verify(field)
    assert refused.value.status == status


@pytest.mark.parametrize("place", range(3))
def test_a_changed_octet_of_any_part_is_noticed(place):
    token, info = FIELD.split(b";", 1)
    parts = token.split(b".")
    parts[place] = parts[place][:10] + bytes([parts[place][10] ^ 1]) + parts[place][11:]
    with pytest.raises(IdentityError):
        verify(b".".join(parts) + b";" + info)


STRANGER_KEY = new_key()
NO_AUTHORITY = certificate("not a CA", STRANGER_KEY, ROOT, ROOT_KEY)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ((LEAF,), "isn't by an authority that we trust"),
        ((LEAF, ROOT), "isn't by an authority that we trust"),
        ((certificate("self", KEY),), "isn't by an authority that we trust"),
        ((certificate("leaf", KEY, MIDDLE, MIDDLE_KEY, days=(-30, -1)), MIDDLE), "isn't valid now"),
        ((certificate("leaf", KEY, NO_AUTHORITY, STRANGER_KEY), NO_AUTHORITY), "one that may not"),
        ((LEAF, *[MIDDLE] * 5), "too long"),
    ],
)
def test_a_chain_that_leads_to_no_authority_is_refused(chain, reason):
    with pytest.raises(IdentityError, match=reason) as refused:
        verify(FIELD, chain)
    assert refused.value.status == 437


def test_a_certificate_by_an_authority_itself_needs_no_chain():
    assert verify(FIELD, (certificate("leaf", KEY, ROOT, ROOT_KEY),)) == "A"


def test_a_key_of_another_curve_and_a_file_that_is_no_certificate_are_refused():
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(IdentityError, match="isn't of P-256"):
        verify(FIELD, (certificate("leaf", other, ROOT, ROOT_KEY),))
    with pytest.raises(IdentityError, match="can't be read"):
        check_signature(read_identity(FIELD), b"nonsense", [ROOT], NOW)


@given(st.binary(max_size=300))
def test_nothing_but_an_identity_error_comes_of_strangers_octets(octets):
    for field in (octets, octets + FIELD[10:], FIELD[:-20] + octets,
                  base64.urlsafe_b64encode(octets) + b".e30.AAAA"):  # fmt: skip
        try:
            read_identity(field)
        except IdentityError:
            continue


def test_numbers_are_signed_without_plus():
    assert canonical("+995322000001") == "995322000001"
    assert canonical("112") == "112"
