"""ICE and DTLS of one leg whose phone is a browser."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtp.control import Keys, WebTerms
from sip.web_description import OwnWeb, Web, dressed, mids_of

if TYPE_CHECKING:
    from rtp.control import Seen
    from sip.sdp import SessionDescription

_UFRAG_OCTETS, _PASSWORD_OCTETS = 6, 18
"""More bits than RFC 8445 section 5.3 asks for (24 and 128), and whole groups of base64."""


class WebLeg:
    """Our ICE names and password for one browser, and what it has said of its own.

    Both ends have new ones when ICE is restarted: by the browser, or by us when the leg goes over
    to another relay session, and so to other ports.

    Args:
        fingerprint: of the switch's certificate.
        draw: returns that many random octets.
    """

    __slots__ = (
        "_draw",
        "_fingerprint",
        "_is_fresh",
        "_mids",
        "_password",
        "_theirs",
        "_ufrag",
        "keys",
    )

    def __init__(self, fingerprint: str, draw: Callable[[int], bytes]) -> None:
        self._fingerprint = fingerprint
        self._draw = draw
        self._theirs: Web | None = None
        """The web part of the last description that was answered or learned."""
        self._mids: tuple[str | None, ...] = ()
        self._is_fresh = True
        """Ours haven't met a description of the browser's."""
        self.keys: Keys | None = None
        """The SRTP keys of another relay session, by which this one goes on."""
        self._draw_names()

    def _draw_names(self) -> None:
        self._ufrag = _token(self._draw(_UFRAG_OCTETS))
        self._password = _token(self._draw(_PASSWORD_OCTETS))
        self._is_fresh = True

    def meet(self, theirs: Web) -> None:
        """Take the browser's ICE and DTLS lines: if it has restarted ICE, so do we; if it has
        another certificate, the keys until now are void. Repeated: nothing."""
        before, self._theirs = self._theirs, theirs
        if before is not None:
            is_restart = (before.ufrag, before.password) != (theirs.ufrag, theirs.password)
            if is_restart and not self._is_fresh:
                self._draw_names()
            if before.fingerprints != theirs.fingerprints:
                self.keys = None
        self._is_fresh = False

    def learn(self, description: SessionDescription, theirs: Web) -> WebTerms:
        """Take the browser's last description; returns what the relay has to know."""
        self.meet(theirs)
        self._mids = mids_of(description)
        return WebTerms(
            self._ufrag,
            self._password,
            theirs.ufrag,
            theirs.fingerprints,
            active=theirs.setup == "passive",
        )

    def go_over(self, keys: Keys | None, seen: Seen, sent: Seen) -> None:
        """Go on in another relay session: ICE begins anew there, and the keys go along, for a
        browser whose peer keeps its certificate keeps its association.

        Args:
            keys: those in use; None if DTLS wasn't complete.
        """
        if keys is not None:
            self.keys = Keys(keys.suite, keys.ours, keys.theirs, seen, sent)
        self._draw_names()

    def dress(
        self,
        description: SessionDescription,
        offer: SessionDescription | None,
        theirs: Web | None,
        ice_tcp_port: int,
    ) -> SessionDescription:
        """Our description for the browser.

        Args:
            offer: the browser's, if this answers it, with its ICE and DTLS lines.
        """
        setup = "actpass"
        if theirs is not None:
            self.meet(theirs)
            setup = "active" if theirs.setup == "passive" else "passive"
        own = OwnWeb(self._ufrag, self._password, self._fingerprint, setup, ice_tcp_port)
        mids = self._mids if offer is None else mids_of(offer)
        return dressed(description, own, mids=mids, offer=offer)


def _token(octets: bytes) -> str:
    """Octets as ice-chars (RFC 8839 section 5.4)."""
    return binascii.b2a_base64(octets, newline=False).decode("ascii")
