"""SRTP of a leg: its policy, and its keys by SDES or, of a browser, by DTLS.

Each leg has keys of its own, whatever the other leg has: the switch stands between them, and can
record, mix or transcode. Keys are random, one for each suite, made at their first use and kept for
the life of the leg, so that a renegotiation keeps them. The DTMF policy of the leg
(:mod:`softswitch.call.media.keys`) is kept here too, because it is set in the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from rtp.control import Keys, Seen, WebTerms
from sip.errors import SipError
from sip.offer_answer import MediaTarget, media_target
from sip.sdes import (
    PLAIN,
    SECURE_RTP,
    SUITES,
    Crypto,
    Protection,
    attribute,
    is_secure,
)
from sip.sdp import PLAIN_RTP, SessionDescription
from sip.session import Session
from sip.t38 import is_fax_alone
from sip.web_description import WEB_RTP
from softswitch.call.media.web_leg import WebLeg
from softswitch.subscribers.directory import Line
from softswitch.subscribers.policies import KeyPolicy, SrtpPolicy, WebPolicy

if TYPE_CHECKING:
    from sip.flow import Flow
    from softswitch.subscribers.directory import Trunk

WEB_TRANSPORTS = frozenset({"ws", "wss"})
"""Those by which browsers speak SIP (RFC 7118)."""
CONFIDENTIAL_TRANSPORTS = frozenset({"tls", "wss"})


class LegPolicy(Struct, frozen=True, gc=False):
    """The policies of a leg, the same for all legs of a kind.

    Args:
        srtp: of the line or trunk.
        confidential: signalling goes over TLS, so that a key in SDP is secret.
        draw: returns that many random octets.
        told_keys: the DTMF policy.
        fingerprint: of the certificate by which a browser knows the switch; None: the leg can't be
            a browser.
        offers_web: the phone is taken for a browser until it says otherwise.
    """

    srtp: SrtpPolicy
    confidential: bool
    draw: Callable[[int], bytes]
    told_keys: KeyPolicy = "auto"
    fingerprint: str | None = None
    offers_web: bool = False

    def leg(self) -> LegSecurity:
        """The keys of a new leg."""
        return LegSecurity(self, self.srtp != "required", self.offers_web)


class LegSecurity(Struct, eq=False):
    """The SRTP keys of one leg: ours, and those that its peer has sent."""

    policy: LegPolicy
    takes_plain: bool
    """The peer's sound may be in the clear."""
    _is_web: bool
    """The phone is a browser, or is taken for one until it says otherwise."""
    _has_offered_web: bool = False
    _made_web: WebLeg | None = None
    web: WebTerms | None = None
    """The terms that the relay needs, once the browser has sent a description."""
    _own: dict[str, bytes] | None = None
    """Our keys by suite; None while there are none."""
    _protocol: str | None = None
    """The RTP profile of the stream, once the peer has sent a description."""
    _seen: tuple[str, bytes, Seen] = ("", b"", ())
    """The suite, the peer's key, and the SRTP counters that another relay session has seen for that
    key."""
    keys: Keys | None = None
    """The negotiated keys; None if the sound is in the clear, or the relay makes them by DTLS."""

    @classmethod
    def of(cls, session: Session) -> LegSecurity:
        """The keys of a session that has some, see :attr:`Session.sound`."""
        assert isinstance(session.sound, cls)
        return session.sound

    @property
    def _web(self) -> WebLeg | None:
        """ICE and DTLS of the leg, made when its phone turns out to be a browser, which hardly any
        is: their names and password are drawn at random. None: it can't be one."""
        if self._made_web is None and self.policy.fingerprint is not None:
            self._made_web = WebLeg(self.policy.fingerprint, self.policy.draw)
        return self._made_web

    def check(
        self, description: SessionDescription, target: MediaTarget | None = None
    ) -> Crypto | None:
        """The crypto attribute that is used of a peer's description; None for sound in the clear,
        and for a browser's.

        Args:
            target: the description's, where it is known.

        Raises:
            SipError: 488, the description has no encryption though the policy requires it, or only
                suites that we don't support; it isn't a browser's though we offered that, or is
                one though there is no WebRTC for this leg.
        """
        if target is None:
            target = media_target(description)
        if target is not None and target.plain and self.takes_plain:
            return None  # as nearly always
        if target is None:
            if is_fax_alone(description) and self.may_fax:
                return None
            raise SipError(488, "Not Acceptable Here")
        if target.web is not None:
            if self.policy.fingerprint is None or not target.web.multiplexes:
                raise SipError(488, "Not Acceptable Here")
            return None
        if self._has_offered_web and self._protocol is None:
            raise SipError(488, "Not Acceptable Here")
        usable = () if self.policy.srtp == "off" else target.cryptos
        if not usable and (is_secure(target.protocol) or self.policy.srtp == "required"):
            raise SipError(488, "Not Acceptable Here")
        return usable[0] if usable else None

    @property
    def may_fax(self) -> bool:
        """True if T.38, which is never encrypted, may take the place of the sound: the policy
        doesn't require SRTP, and the phone is no browser."""
        return self.policy.srtp != "required" and not self._is_web

    def learn(self, description: SessionDescription, target: MediaTarget) -> None:
        """Take over the peer's last offer or answer. Raises as :meth:`check`."""
        if target.plain and self.takes_plain:  # as nearly always
            self._protocol, self._is_web = target.protocol, False
            self.keys = self.web = None
            return
        crypto = self.check(description, target)
        self._protocol = target.protocol
        self.keys = self.web = None
        theirs = target.web
        self._is_web = theirs is not None
        if theirs is not None and (web := self._web) is not None:
            self.web = web.learn(description, theirs)
            self.keys = web.keys
        if crypto is not None:
            suite, key, seen = self._seen
            carried = seen if (suite, key) == (crypto.suite, crypto.key) else ()
            self.keys = Keys(crypto.suite, self._own_key(crypto.suite), crypto.key, carried)

    def answer(self, offer: SessionDescription) -> Protection:
        """The SRTP part of our answer to an offer. Raises as :meth:`check`."""
        target = media_target(offer)
        if target is not None and target.plain and self.takes_plain:
            return PLAIN  # as nearly always
        crypto = self.check(offer, target)
        protocol = PLAIN_RTP if target is None else target.protocol
        if crypto is None:
            return PLAIN if protocol == PLAIN_RTP else Protection(protocol)
        line = attribute(crypto.tag, crypto.suite, self._own_key(crypto.suite))
        return Protection(protocol, (line,))

    def offer(self) -> Protection:
        """The SRTP part of an offer of ours: as negotiated before, otherwise by the policy."""
        if self._is_web:
            self._has_offered_web, self.takes_plain = True, False
            return Protection(WEB_RTP)
        if self._protocol is not None:
            suites = () if self.keys is None else (self.keys.suite,)
            return Protection(self._protocol, self._lines(suites))
        if self.policy.srtp == "required":
            return Protection(SECURE_RTP, self._lines(tuple(SUITES)))
        if self.policy.srtp == "optional" and self.policy.confidential:
            return Protection(PLAIN_RTP, self._lines(tuple(SUITES)))
        return PLAIN

    def is_web_with(self, offer: SessionDescription | None) -> bool:
        """True if our description for this leg is a browser's: because the offer that it answers
        is one, or by what is known of the leg."""
        target = None if offer is None else media_target(offer)
        return self._is_web if target is None else target.web is not None

    def dressed(
        self, description: SessionDescription, offer: SessionDescription | None, ice_tcp_port: int
    ) -> SessionDescription:
        """Our description with what a browser needs beside, if the leg's phone is one."""
        if self.policy.fingerprint is None or not self.is_web_with(offer):
            return description
        web = self._web
        assert web is not None
        target = None if offer is None else media_target(offer)
        theirs = None if target is None else target.web
        return web.dress(description, offer, theirs, ice_tcp_port)

    def renew(self, seen: Seen, sent: Seen, by_dtls: Keys | None) -> None:
        """Renew our keys, because the leg moves to another relay session, in which our packet
        counters start anew. The peer keeps its key, so the counters that were seen for it (`seen`)
        are carried over.

        Args:
            sent: our own counters, which go along where our key can't be changed.
            by_dtls: the keys that the relay has agreed on with a browser.
        """
        if self._is_web and (web := self._web) is not None:
            web.go_over(by_dtls or web.keys, seen, sent)
            return
        if self.keys is not None:
            self._seen = self.keys.suite, self.keys.theirs, seen
        self._own = None

    def _lines(self, suites: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
        return tuple(
            attribute(str(tag), suite, self._own_key(suite)) for tag, suite in enumerate(suites, 1)
        )

    def _own_key(self, suite: str) -> bytes:
        if self._own is None:
            self._own = {}
        key = self._own.get(suite)
        if key is None:
            key = self._own[suite] = self.policy.draw(SUITES[suite])
        return key


class SecurityPolicy:
    """SRTP and DTMF policies of the switch, for lines and trunks that have none of their own.

    Args:
        draw: random octets, for keys.
        fingerprint: of the certificate by which browsers know the switch; None: there are none.
    """

    __slots__ = ("_draw", "_dtmf", "_fingerprint", "_policy", "_srtp", "_web")

    def __init__(
        self,
        srtp: SrtpPolicy,
        dtmf: KeyPolicy,
        draw: Callable[[int], bytes],
        web: WebPolicy = "auto",
        fingerprint: str | None = None,
    ) -> None:
        self._srtp = srtp
        self._dtmf = dtmf
        self._draw = draw
        self._web = web
        self._fingerprint = fingerprint
        self._policy = lru_cache(maxsize=256)(self._policy_of)  # legs are of few kinds

    def of_leg(self, party: Line | Trunk | None, flow: Flow) -> LegSecurity:
        """The keys of a new leg to or from this line or trunk."""
        if party is None:
            return self._policy(flow.transport).leg()
        web = party.webrtc if self._fingerprint is not None and isinstance(party, Line) else None
        return self._policy(flow.transport, party.srtp, party.dtmf, web).leg()

    def _policy_of(
        self,
        transport: str,
        srtp: SrtpPolicy | None = None,
        dtmf: KeyPolicy | None = None,
        webrtc: WebPolicy | None = None,
    ) -> LegPolicy:
        """The policies of a leg over this transport; those that its line or trunk hasn't are the
        switch's."""
        srtp, dtmf = srtp or self._srtp, dtmf or self._dtmf
        confidential = transport in CONFIDENTIAL_TRANSPORTS
        web = "off" if self._fingerprint is None else webrtc or self._web
        named = None if web == "off" else self._fingerprint
        offers_web = named is not None and (web == "on" or transport in WEB_TRANSPORTS)
        return LegPolicy(srtp, confidential, self._draw, dtmf, named, offers_web)

    def unencrypted(self) -> LegSecurity:
        """The security of a side without a phone."""
        return LegPolicy("off", False, self._draw).leg()

    def secure(self, session: Session, party: Line | Trunk | None) -> LegSecurity:
        """The keys of a leg, made at its first use by the policy of its line or trunk."""
        if session.sound is None:
            session.sound = self.of_leg(party, session.dialog.flow)
        return LegSecurity.of(session)
