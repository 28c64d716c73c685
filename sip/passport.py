"""Signed caller identities: PASSporTs (RFC 8225) of the type shaken (RFC 8588) in the Identity
field of a request (RFC 8224), which carriers call STIR/SHAKEN.

Their signature is ES256 (ECDSA by P-256 with SHA-256) in the full form of JWS. What comes from
others is read with limits, and refused with the status that RFC 8224 section 6.2.2 names.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

Attestation = Literal["A", "B", "C"]
"""A: the caller is our customer and may use the number. B: our customer, the number isn't known to
be theirs. C: the call came from elsewhere."""

MAX_FIELD_OCTETS = 8_192
FRESH_SECONDS = 60
"""The age at which a signature is stale (RFC 8224 section 6.2.1)."""
MAX_CHAIN = 5
"""Certificates from the signer's to an authority's."""
COORDINATE_OCTETS = 32
"""Of r and of s, in a signature by P-256."""
_FIELD = re.compile(
    rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)"
    rb"((?:[ \t]*;[ \t]*[A-Za-z0-9]+[ \t]*=[ \t]*"
    rb"(?:<[^<>\r\n]*>|\"[^\"\r\n]*\"|[A-Za-z0-9_.-]+))*)[ \t]*"
)
_PARAMETER = re.compile(
    rb";[ \t]*([A-Za-z0-9]+)[ \t]*=[ \t]*(?:<([^<>\r\n]*)>|\"([^\"\r\n]*)\"|([A-Za-z0-9_.-]+))"
)


class IdentityError(Exception):
    """An Identity field that proves nothing.

    Args:
        status: of the answer, if calls without a proof are refused.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The protected header of a PASSporT."""

    alg: str
    ppt: str
    typ: str
    x5u: str


class Origin(msgspec.Struct, frozen=True):
    """The calling number, without "+"."""

    tn: str


class Destinations(msgspec.Struct, frozen=True):
    """The called numbers, without "+"."""

    tn: list[str]


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a PASSporT of the type shaken.

    Args:
        iat: epoch seconds at which it was signed.
        origid: where in the signer's network the call came from; a UUID.
    """

    attest: Attestation
    dest: Destinations
    iat: int
    orig: Origin
    origid: str


class Passport(msgspec.Struct, frozen=True):
    """A PASSporT as it came."""

    header: Header
    claims: Claims
    signed: bytes
    """The octets that are signed."""
    signature: bytes


def identity_field(
    key: ec.EllipticCurvePrivateKey,
    certificate_url: str,
    attestation: Attestation,
    calling: str,
    called: str,
    origin_id: str,
    now: int,
) -> bytes:
    """The value of an Identity field.

    Args:
        calling, called: E.164, with or without "+".
        origin_id: a UUID.
        now: epoch seconds.
    """
    header = Header(alg="ES256", ppt="shaken", typ="passport", x5u=certificate_url)
    claims = Claims(
        attest=attestation,
        dest=Destinations([canonical(called)]),
        iat=now,
        orig=Origin(canonical(calling)),
        origid=origin_id,
    )
    # Both structs have their fields in the order that RFC 8225 section 9 asks for.
    signed = b".".join(_encoded(msgspec.json.encode(part)) for part in (header, claims))
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(COORDINATE_OCTETS, "big") + s.to_bytes(COORDINATE_OCTETS, "big")
    token = signed + b"." + _encoded(signature)
    return token + b";info=<" + certificate_url.encode("ascii") + b">;alg=ES256;ppt=shaken"


def read_identity(value: bytes) -> Passport:
    """The PASSporT of an Identity field. Raises IdentityError."""
    match = _FIELD.fullmatch(value) if len(value) <= MAX_FIELD_OCTETS else None
    if match is None:
        raise IdentityError(438, "the Identity field can't be read")
    parameters = {
        name.lower(): next(filter(None, values), b"")
        for name, *values in _PARAMETER.findall(match[4])
    }
    if parameters.get(b"ppt", b"shaken") != b"shaken":
        raise IdentityError(438, "its type isn't shaken")
    try:
        header = msgspec.json.decode(_decoded(match[1]), type=Header)
        claims = msgspec.json.decode(_decoded(match[2]), type=Claims)
        signature = _decoded(match[3])
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error) as error:
        raise IdentityError(438, f"its PASSporT can't be read: {error}") from None
    if (header.alg, header.ppt, header.typ) != ("ES256", "shaken", "passport"):
        raise IdentityError(438, "its PASSporT isn't signed by ES256, or of another type")
    if parameters.get(b"info", b"") != header.x5u.encode("utf-8"):
        raise IdentityError(436, "its info isn't the signed certificate's address")
    if len(signature) != 2 * COORDINATE_OCTETS:
        raise IdentityError(438, "its signature has the wrong length")
    return Passport(header, claims, match[1] + b"." + match[2], signature)


def check_claims(passport: Passport, calling: str, called: str, now: int) -> None:
    """Hold what is claimed against the request. Raises IdentityError.

    Args:
        calling, called: E.164, with or without "+".
        now: epoch seconds.
    """
    claims = passport.claims
    if abs(now - claims.iat) > FRESH_SECONDS:
        raise IdentityError(403, "it is stale")
    if claims.orig.tn != canonical(calling):
        raise IdentityError(438, "it was signed for another caller")
    if canonical(called) not in claims.dest.tn:
        raise IdentityError(438, "it was signed for another called number")


def check_signature(
    passport: Passport, pem: bytes, authorities: Sequence[x509.Certificate], now: int
) -> None:
    """Hold the signature against the signer's certificate, and that against the authorities that
    we trust. Raises IdentityError.

    Args:
        pem: the certificate, and those between it and an authority's.
        now: epoch seconds.
    """
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise IdentityError(437, "its certificate can't be read") from None
    _check_chain(chain, authorities, datetime.fromtimestamp(now, UTC))
    key = chain[0].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise IdentityError(437, "its certificate's key isn't of P-256")
    r = int.from_bytes(passport.signature[:COORDINATE_OCTETS], "big")
    s = int.from_bytes(passport.signature[COORDINATE_OCTETS:], "big")
    try:
        key.verify(encode_dss_signature(r, s), passport.signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise IdentityError(438, "its signature is wrong") from None


def _check_chain(
    chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], at: datetime
) -> None:
    """Follow the chain to an authority. A STIR certificate has no host name that could be checked
    (RFC 8226)."""
    if len(chain) > MAX_CHAIN:
        raise IdentityError(437, "its chain of certificates is too long")
    for place, certificate in enumerate(chain):
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise IdentityError(437, "its certificate isn't valid now")
        if place and not _is_authority(certificate):
            raise IdentityError(437, "its certificate was issued by one that may not")
        if any(_issued(authority, certificate) for authority in authorities):
            return
        if place + 1 < len(chain) and not _issued(chain[place + 1], certificate):
            break
    raise IdentityError(437, "its certificate isn't by an authority that we trust")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return found.value.ca


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def canonical(number: str) -> str:
    """A number as PASSporTs have it: without "+" and separators (RFC 8224 section 8.3)."""
    return number.removeprefix("+")


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
