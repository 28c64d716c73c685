"""DTLS-SRTP (RFC 5764) over datagrams that are handed in and out: the keys of a browser's sound.

Optional, by pyOpenSSL (an extra). The peer's certificate is self-signed: what counts is that its
fingerprint is the one in the peer's description, which came by signalling (RFC 8122).
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import struct
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from rtp.control import Certificate, Keys

if TYPE_CHECKING:
    from OpenSSL import SSL

Role = Literal["active", "passive"]
"""RFC 4145: who sends the ClientHello."""
State = Literal["waiting", "shaking_hands", "keyed", "failed"]

FIRST_RETRANSMISSION_SECONDS = 0.25
LAST_RETRANSMISSION_SECONDS = 8.0
"""A flight that isn't answered is sent again after these times, each twice the one before; after
the last the association has failed (RFC 6347 section 4.2.4; browsers begin with 50 ms)."""
MTU = 1200
MAX_DATAGRAM = 2048
CERTIFICATE_DAYS = 365

PROFILES: dict[bytes, tuple[str, int, int]] = {
    b"SRTP_AEAD_AES_128_GCM": ("AEAD_AES_128_GCM", 16, 12),
    b"SRTP_AES128_CM_SHA1_80": ("AES_CM_128_HMAC_SHA1_80", 16, 14),
}
"""The suite, and the octets of a master key and of its salt, by OpenSSL's name of the profile; in
the order in which we prefer them: GCM takes less time."""

_EXPORTER = b"EXTRACTOR-dtls_srtp"
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
    b":ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"
)
_DTLS_1_2 = 0xFEFD
_RECORD_HEADER_BYTES, _LENGTH_AT = 13, 11
_HANDSHAKE = (20, 22)
"""Content types of the records of a flight."""
_HASHES = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
"""The hash functions that a fingerprint may be made by (RFC 8122 section 5, without the broken
ones)."""


AVAILABLE = importlib.util.find_spec("OpenSSL") is not None
"""True if pyOpenSSL is installed (pip install 'softswitch[webrtc]')."""


def make_certificate(now: datetime) -> Certificate:
    """A self-signed certificate and its key, by which all browsers are met until the process
    ends."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "softswitch")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def fingerprint_of(certificate: bytes, algorithm: str = "sha-256") -> str:
    """The fingerprint of a certificate (DER) as a=fingerprint has it, hash function in front.

    Raises:
        KeyError: no hash function that may be used.
    """
    digest = hashlib.new(_HASHES[algorithm], certificate).digest()
    return f"{algorithm} {digest.hex(':').upper()}"


def is_named(certificate: bytes, fingerprints: tuple[str, ...]) -> bool:
    """True if one of the fingerprints in a description is this certificate's."""
    for said in fingerprints:
        algorithm, _, _ = said.partition(" ")
        if algorithm.lower() in _HASHES:
            ours = fingerprint_of(certificate, algorithm.lower())
            if hmac.compare_digest(ours.lower().encode(), said.lower().encode("utf-8", "replace")):
                return True
    return False


class DtlsContext:
    """The certificate and the settings that all associations of a process share.

    Args:
        certificate: shown to every peer.
    """

    __slots__ = ("_context",)

    def __init__(self, certificate: Certificate) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_der_private_key
        from OpenSSL import SSL

        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_max_proto_version(_DTLS_1_2)
        context.set_cipher_list(_CIPHERS)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Any certificate will do for the handshake: its fingerprint is compared afterwards.
        verify = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        context.set_verify(verify, lambda *_: True)
        key = load_der_private_key(certificate.key, None)
        context.use_certificate(x509.load_der_x509_certificate(certificate.certificate))
        context.use_privatekey(key)  # type: ignore[arg-type]
        context.set_tlsext_use_srtp(b":".join(PROFILES))
        self._context = context

    def connection(self, role: Role) -> SSL.Connection:
        """A new association without a socket."""
        from OpenSSL import SSL

        connection = SSL.Connection(self._context, None)
        connection.set_ciphertext_mtu(MTU)
        if role == "active":
            connection.set_connect_state()
        else:
            connection.set_accept_state()
        return connection


class Dtls:
    """One association: datagrams in, datagrams out, and once it is complete the SRTP keys.

    A passive one says nothing before a ClientHello has come. An unanswered flight is repeated by
    the time that is handed in: in new records where OpenSSL's own clock agrees that it is due, else
    in the same octets. A passive end that is complete repeats its last flight to a peer that
    repeats its own, and so has not got it.

    Args:
        fingerprints: of the peer's description; a peer with another certificate gets no keys.
    """

    __slots__ = (
        "_connection",
        "_fingerprints",
        "_flight",
        "_interval_seconds",
        "_outgoing",
        "_role",
        "_send_again_at",
        "keys",
        "state",
    )

    def __init__(self, context: DtlsContext, role: Role, fingerprints: tuple[str, ...]) -> None:
        self._connection = context.connection(role)
        self._role = role
        self._fingerprints = fingerprints
        self._outgoing: list[bytes] = []
        self._flight: list[bytes] = []
        self._interval_seconds = FIRST_RETRANSMISSION_SECONDS
        self._send_again_at: float | None = None
        self.state: State = "waiting"
        self.keys: Keys | None = None
        """Set when the handshake is complete and the peer's certificate is the right one."""

    def begin(self, now: float) -> None:
        """Send the ClientHello, if that is our part; repeated: nothing."""
        if self._role == "active" and self.state == "waiting":
            self._shake_hands(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take a datagram of the peer's."""
        if self.state == "failed" or not 0 < len(data) <= MAX_DATAGRAM:
            return
        if self.state == "waiting" and self._role == "active":
            return
        self._connection.bio_write(data)
        if self.state == "keyed":
            self._read(data, now)
        else:
            self._shake_hands(now)

    def _shake_hands(self, now: float) -> None:
        from OpenSSL import SSL

        self.state = "shaking_hands"
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush(now)
            return
        except (SSL.Error, ValueError):
            self._fail(now)
            return
        self.keys = self._exported()
        if self.keys is None:
            self._fail(now)
            return
        self.state = "keyed"
        self._flush(now)
        self._send_again_at = None

    def _read(self, data: bytes, now: float) -> None:
        """Answer a repeated flight of the peer's; data and alerts mean nothing to us: signalling
        ends a call, or the peer's silence."""
        from OpenSSL import SSL

        try:
            while True:
                self._connection.recv(MAX_DATAGRAM)
        except (SSL.Error, ValueError):
            self._flush(now)
        if not self._outgoing and data[0] in _HANDSHAKE and self._role == "passive":
            self._outgoing += self._flight
        self._send_again_at = None

    def _fail(self, now: float) -> None:
        """Tell the peer by what alert OpenSSL may have, and say nothing more."""
        self._flush(now)
        self.state, self.keys = "failed", None
        self._flight, self._send_again_at = [], None

    def _exported(self) -> Keys | None:
        """The keys (RFC 5764 section 4.2); None if the certificate isn't the peer's, or no profile
        was agreed on."""
        connection = self._connection
        certificate = connection.get_peer_certificate(as_cryptography=True)
        profile = PROFILES.get(connection.get_selected_srtp_profile())
        if certificate is None or profile is None:
            return None
        from cryptography.hazmat.primitives.serialization import Encoding

        if not is_named(certificate.public_bytes(Encoding.DER), self._fingerprints):
            return None
        suite, key, salt = profile
        material = connection.export_keying_material(_EXPORTER, 2 * (key + salt))
        keys = material[:key], material[key : 2 * key]
        salts = material[2 * key : 2 * key + salt], material[2 * key + salt :]
        client, server = (one + other for one, other in zip(keys, salts, strict=True))
        active = self._role == "active"
        return Keys(suite, *((client, server) if active else (server, client)))

    # Datagrams out

    def _flush(self, now: float) -> None:
        """Take what OpenSSL wants to send: the next flight, to be repeated until it is answered."""
        from OpenSSL import SSL

        flight: list[bytes] = []
        try:
            while True:
                flight += _datagrams(self._connection.bio_read(1 << 16))
        except SSL.Error:
            pass  # nothing more
        if flight:
            self._outgoing += flight
            self._flight = flight
            self._interval_seconds = FIRST_RETRANSMISSION_SECONDS
            self._send_again_at = now + self._interval_seconds

    def next_deadline(self) -> float | None:
        """Monotonic seconds at which :meth:`expire` is due; None while nothing is unanswered."""
        return self._send_again_at

    def expire(self, now: float) -> None:
        """Send an unanswered flight again, or give up."""
        if self._send_again_at is None or now < self._send_again_at:
            return
        if self._interval_seconds >= LAST_RETRANSMISSION_SECONDS:
            self.state = "failed"
            self._flight, self._send_again_at = [], None
            return
        interval_seconds = 2 * self._interval_seconds
        if self._connection.DTLSv1_handle_timeout():
            self._flush(now)
        else:
            self._outgoing += self._flight
        self._interval_seconds = interval_seconds
        self._send_again_at = now + interval_seconds

    def to_send(self) -> list[bytes]:
        """Datagrams for the peer; each is returned once."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing


def _datagrams(records: bytes) -> list[bytes]:
    """Records put into as few datagrams as hold them: OpenSSL writes several flights in one go."""
    datagrams: list[bytes] = []
    at = 0
    while at + _RECORD_HEADER_BYTES <= len(records):
        (length,) = struct.unpack_from("!H", records, at + _LENGTH_AT)
        record = records[at : at + _RECORD_HEADER_BYTES + length]
        if datagrams and len(datagrams[-1]) + len(record) <= MTU:
            datagrams[-1] += record
        else:
            datagrams.append(record)
        at += len(record)
    return datagrams
