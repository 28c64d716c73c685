"""A browser on one side of a session: ICE, DTLS and SRTP on one port, told apart by the first octet
of a datagram (RFC 7983).

ICE says where the peer is, which signalling and media can't; DTLS gives the keys of SRTP to the
peer whose certificate signalling has named. Media counts only from the nominated pair.
"""

from __future__ import annotations

from rtp.control import Keys, WebTerms
from rtp.dtls import Dtls, DtlsContext, Role
from rtp.ice_lite import IceLite
from rtp.latch import Address
from rtp.reports import ReceptionReports

_STUN_BELOW, _DTLS, _RTP = 4, range(20, 64), range(128, 192)


class WebPeer:
    """The ICE agent and the DTLS association of one side.

    Args:
        context: the process's certificate.
        has_keys: SRTP goes on by the keys of another session, so that no handshake is begun.
    """

    __slots__ = (
        "_context",
        "_dtls",
        "_dtls_at",
        "_has_keys",
        "_outgoing",
        "_terms",
        "ice",
        "reports",
    )

    def __init__(self, terms: WebTerms, context: DtlsContext, *, has_keys: bool) -> None:
        self._terms = terms
        self._context = context
        self._has_keys = has_keys
        self.ice = IceLite(terms.ufrag, terms.password, terms.their_ufrag)
        self.reports = ReceptionReports(terms.ufrag)
        self._dtls = self._association()
        self._dtls_at: Address | None = None
        """Where the peer's last DTLS datagram came from."""
        self._outgoing: list[tuple[bytes, Address]] = []

    def _association(self) -> Dtls:
        role: Role = "active" if self._terms.active else "passive"
        return Dtls(self._context, role, self._terms.fingerprints)

    def renew(self, terms: WebTerms, *, has_keys: bool) -> bool:
        """Take the terms of the peer's next description, or of another peer in its place.

        Returns:
            True if the peer has another certificate, so that another association begins and the
            keys until now are void.
        """
        before, self._terms = self._terms, terms
        self.ice.renew(terms.ufrag, terms.password, terms.their_ufrag)
        if terms.fingerprints == before.fingerprints:
            return False
        self._dtls, self._dtls_at, self._has_keys = self._association(), None, has_keys
        self.reports = ReceptionReports(terms.ufrag)
        return True

    @property
    def ufrag(self) -> str:
        """Our ICE name for this browser."""
        return self._terms.ufrag

    @property
    def keys(self) -> Keys | None:
        """The keys that DTLS has made here; None before."""
        return self._dtls.keys

    @property
    def is_refused(self) -> bool:
        """True if DTLS failed: above all if the certificate isn't the peer's."""
        return self._dtls.state == "failed"

    def is_media(self, data: bytes, source: Address) -> bool:
        """True for SRTP or SRTCP from the nominated pair."""
        return bool(data) and data[0] in _RTP and source == self.ice.selected

    def receive(self, data: bytes, source: Address, now: float) -> bool:
        """Take a datagram that isn't media; False if it isn't the peer's."""
        first = data[0] if data else 255
        if first < _STUN_BELOW:
            answer = self.ice.receive(data, source, now)
            if answer is None:
                return False
            self._outgoing.append((answer, source))
            if self.ice.selected is not None and not self._has_keys:
                self._dtls.begin(now)
        elif first in _DTLS and self.ice.has_checked(source):
            self._dtls_at = source
            self._dtls.receive(data, now)
        else:
            return False
        self._take_datagrams()
        return True

    def _take_datagrams(self) -> None:
        target = self._dtls_at or self.ice.selected
        for datagram in self._dtls.to_send():
            if target is not None:
                self._outgoing.append((datagram, target))

    def to_send(self) -> list[tuple[bytes, Address]]:
        """Datagrams with their targets; each is returned once."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_deadline(self) -> float | None:
        """Monotonic seconds at which :meth:`expire` is due; None before the peer's first check."""
        deadlines = (self._dtls.next_deadline(), self.ice.consent_until, self.reports.due_at)
        return min((due for due in deadlines if due is not None), default=None)

    def expire(self, now: float) -> None:
        """Repeat what DTLS has no answer to."""
        self._dtls.expire(now)
        self._take_datagrams()

    def is_gone(self, now: float) -> bool:
        """True if the peer has stopped to check us: it has closed, or lost its network."""
        until = self.ice.consent_until
        return until is not None and now >= until
