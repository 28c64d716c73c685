"""Identities of a SIP peer in its certificate (RFC 5922), and their comparison with the name
that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from sip.errors import ParseError
from sip.uri import Uri

MAX_CERTIFICATE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Certificate:
    """Names, end of validity and issuer of a certificate."""

    names: frozenset[str]
    expires_at: datetime
    issuer: str

    @classmethod
    def read(cls, pem: bytes) -> Certificate:
        """The first certificate of a PEM file.

        Raises:
            ValueError: there is none, or it can't be read.
        """
        found = x509.load_pem_x509_certificate(pem)
        return cls(_names(found), found.not_valid_after_utc, found.issuer.rfc4514_string())


def identities(der: bytes) -> frozenset[str]:
    """The SIP domains that a certificate stands for, lower case (RFC 5922 section 7.1).

    `sip:` URIs of subjectAltName count before its DNS names, and only a certificate without either
    is asked for its common name. What can't be read has no identity.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        return frozenset()
    try:
        return _names(x509.load_der_x509_certificate(der))
    except ValueError:
        return frozenset()


def shows(names: frozenset[str], name: str) -> bool:
    """True if a certificate with these identities belongs to `name`, which may be a numeric
    address. Names are compared whole: a wildcard stands for nothing (section 7.2)."""
    return _plain(name) in names - {""}


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return _common_names(certificate)
    uris = found.get_values_for_type(x509.UniformResourceIdentifier)
    domains = [domain for uri in uris if (domain := _domain(uri)) is not None]
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    names = domains or [*found.get_values_for_type(x509.DNSName), *addresses]
    return frozenset(filter(None, map(_plain, names)))


def _common_names(certificate: x509.Certificate) -> frozenset[str]:
    attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    values = [value for attribute in attributes if isinstance(value := attribute.value, str)]
    return frozenset(filter(None, map(_plain, values)))


def _domain(uri: str) -> str | None:
    """The domain of a `sip:` URI that names one; a URI with a user names a person."""
    try:
        read = Uri.parse(uri.encode("utf-8", "replace"))
    except ParseError:
        return None
    return read.host if read.scheme == "sip" and read.user is None else None


def _plain(name: str) -> str:
    """Lower case, without a last dot; "" for what no host is called, such as a name with NUL."""
    plain = name.lower().rstrip(".")
    return plain if plain.isascii() and plain.isprintable() and " " not in plain else ""
