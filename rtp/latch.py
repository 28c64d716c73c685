"""Fixing where a peer's media comes from, and so where it is sent to (RFC 7362, with its warnings).

What the peer announced in SDP is believed: media goes there, and a packet from there latches at
once. A peer behind NAT announces an unreachable address, or a wrong port; it is learned from its
packets, under conditions that keep a stranger who sprays packets at the port range from being sent
a call's sound:

* only after both sides were negotiated, and within a short window after that. A peer that is surely
  behind NAT (a private address in SDP, SIP from another one) may be learned later, too, until it
  was;
* only from the address that the peer's SIP comes from, or from the announced host with another
  port. From anywhere else only if no SIP address is known and the announced one is private;
* only after several packets in a row from one source that are of one stream;
* where the announced address may well be right, only after giving it time to show itself.

Once latched nothing else is heard, but for a better source while the window is open. A
renegotiation that changes the address closes the door on the previous endpoint, whose late packets
would otherwise be taken for the new one.

A NAT may give a phone another port after hold, at a session refresh or at a registration, and SDP
doesn't say so. So each of these opens the window again, and while it is open a new port of the same
host takes over if it goes on for half a second in which the latched source is silent. A latched
source that speaks keeps its place, and so does one that falls silent at any other time: the new
port is then only noted, for the log and the operator.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from ipaddress import ip_address

Address = tuple[str, int]
"""Numeric host and port, as a socket gives a datagram's source."""

CONSISTENT_PACKETS = 3
MAX_SEQUENCE_STEP = 50
"""Packets in a row may miss so many between them: the first ones may well be lost."""
ANNOUNCED_PREFERENCE_SECONDS = 0.5
"""A source beside the announced one must send for this long before it is accepted. Phones send a
packet every 20 ms from the answer on, so a source with the right address in SDP has arrived by
then."""
ELSEWHERE_PREFERENCE_SECONDS = 1.0
"""The same for a source about which nothing is known."""
LISTEN_SILENCE_SECONDS = 0.2
"""A latched source that was silent for so long in an open window may have moved: then packets of
others have to reach the latch, which a connected socket keeps out."""
NOTED_SILENCE_SECONDS = 2.0
"""The silence, outside of any window, after which another source is noted."""
MAX_CANDIDATES = 8
"""Sources watched at once."""
CANDIDATE_REST_SECONDS = 0.2
"""A candidate that was silent for so long makes room for another."""


class Trust(IntEnum):
    """Evidence for a source."""

    ELSEWHERE = 0
    RELATED = 1
    ANNOUNCED = 2


@lru_cache(maxsize=4096)
def numeric_host(text: str | None) -> str | None:
    """An IP address as sockets write it; None if the text is a name or no address."""
    if text is None:
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def is_unspecified(host: str) -> bool:
    """True for 0.0.0.0 and ::, which once meant hold (RFC 3264 section 8.4)."""
    return ip_address(host).is_unspecified


@lru_cache(maxsize=4096)
def is_global(host: str) -> bool:
    """True if the address can be reached over the Internet."""
    return ip_address(host).is_global


class _Candidate:
    """A source that may become the latched one."""

    __slots__ = ("first_at", "last_at", "packets", "sequence", "ssrc")

    def __init__(self, sequence: int, ssrc: int, now: float) -> None:
        self.begin(sequence, ssrc, now)

    def begin(self, sequence: int, ssrc: int, now: float) -> None:
        self.packets = 1
        self.sequence, self.ssrc = sequence, ssrc
        self.first_at = self.last_at = now

    def follow(self, sequence: int, ssrc: int, now: float) -> None:
        """Count another packet: of the same stream, or everything starts again."""
        step = (sequence - self.sequence) & 0xFFFF
        if ssrc == self.ssrc and not step:
            self.last_at = now  # the same again: fax terminals send what is important thrice
            return
        if ssrc != self.ssrc or not 1 <= step <= MAX_SEQUENCE_STEP:
            self.begin(sequence, ssrc, now)
            return
        self.packets += 1
        self.sequence = sequence
        self.last_at = now


class Latch:
    """One side's source of RTP.

    Args:
        signalling_host: the address that the peer's SIP comes from, if known.
        window_seconds: how long after a negotiation a source may be learned.
    """

    __slots__ = (
        "_candidates",
        "_expects",
        "_ignored",
        "_listens_until",
        "_opened_at",
        "_reopened",
        "_trust",
        "_window_until",
        "announced",
        "elsewhere",
        "heard_at",
        "signalling_host",
        "source",
        "window_seconds",
    )

    def __init__(self, signalling_host: str | None, window_seconds: float) -> None:
        self.signalling_host = signalling_host
        self.announced: Address | None = None
        self.source: Address | None = None
        """The latched source."""
        self._trust = Trust.ELSEWHERE
        self.window_seconds = window_seconds
        self._opened_at: float | None = None
        self._window_until = 0.0
        self._ignored: tuple[Address, ...] = ()
        self._candidates: dict[Address, _Candidate] | None = None
        """None until there is one, as in most calls: the announced source is latched at once."""
        self._reopened = False
        self._expects = True
        self._listens_until = 0.0
        self.heard_at = 0.0
        """When the latched source was heard last."""
        self.elsewhere: Address | None = None
        """Another port of the peer's host that sent a stream while the latched source was silent,
        outside of any window; what came from there was dropped."""

    @property
    def destination(self) -> Address | None:
        """The address that media for this side goes to; None if there is none."""
        return self.source or self.announced

    @property
    def opened(self) -> bool:
        """True once the window was open."""
        return self._opened_at is not None

    def fix(self, source: Address, now: float) -> None:
        """Take a source that was proven in another way, as by ICE; nobody else is heard then."""
        self._latch(source, Trust.ANNOUNCED, now)

    def forget(self) -> None:
        """Know nothing of the peer any more: another one takes the side."""
        self.announced = self.source = None
        self._trust = Trust.ELSEWHERE
        self._ignored = ()
        self._candidates = None

    def announce(self, announced: Address | None) -> bool:
        """Take the address of the peer's SDP; True if it moves the peer, so that the latch is
        lost."""
        if announced == self.announced:
            return False
        self._ignored = tuple(
            address
            for address in (self.source, self.announced)
            if address is not None and address != announced
        )
        self.announced = announced
        self.source = None
        self._trust = Trust.ELSEWHERE
        return True

    def open(self, now: float, *, expects: bool = True) -> None:
        """Open the window: the offer and answer are complete, or the peer has shown in another way
        that its NAT may send its packets from elsewhere now.

        Args:
            expects: the peer sends by what was negotiated. One on hold is silent, so that its
                silence means nothing.
        """
        self._reopened = self._opened_at is not None
        self._expects = expects
        self.elsewhere = None
        self._opened_at = now
        self._window_until = now + self.window_seconds
        self._candidates = None

    def settled(self, now: float) -> bool:
        """True if the latched source keeps its place until the next negotiation, and nothing that
        comes from elsewhere is of interest now."""
        if self.source is None or not self._is_best(now):
            return False
        listens = now < self._listens_until or self._may_move(now)
        return not listens or self._silent_for(now) < LISTEN_SILENCE_SECONDS

    def review_until(self, now: float) -> float | None:
        """Monotonic seconds until which the silence of the latched source alone may change
        :meth:`settled`; None if that time is over."""
        until = self._listens_until
        if self._reopened and self._expects:
            until = max(until, self._window_until)
        return until if now < until else None

    def listen(self, now: float) -> None:
        """Note for the length of a window what else sends: the latched source fell silent."""
        self._listens_until = now + self.window_seconds

    def _silent_for(self, now: float) -> float:
        return now - self.heard_at

    def _may_move(self, now: float) -> bool:
        """True while the latched source, if it is silent, gives way to another one of its host."""
        return self._reopened and self._expects and now < self._window_until

    def _is_best(self, now: float) -> bool:
        """True if no source of more trust may take the latched one's place."""
        return self._trust is Trust.ANNOUNCED or now >= self._window_until

    def accept(self, source: Address, sequence: int, ssrc: int, now: float) -> bool:
        """True if an RTP packet is the peer's; it may latch its source."""
        if source == self.source:
            self.heard_at = now
            return True
        if self.source is not None and self._is_best(now) and not self._may_move(now):
            self._note(source, sequence, ssrc, now)
            return False
        if source == self.announced:
            self._latch(source, Trust.ANNOUNCED, now)
            return True
        if source in self._ignored and now < self._window_until:
            return False
        trust = self._trust_of(source[0])
        gives_way = self._may_move(now) and self._replaces(source, trust)
        if self.source is not None and trust <= self._trust and not gives_way:
            return False
        if not self._learns(trust, now) or not self._proven(source, sequence, ssrc, trust, now):
            return False
        self._latch(source, trust, now)
        return True

    def _replaces(self, source: Address, trust: Trust) -> bool:
        """True for a source that is as much the peer's as the latched one: its host is that of SIP
        or SDP, or at least the same."""
        latched = self.source
        return trust is Trust.RELATED or (latched is not None and source[0] == latched[0])

    def _note(self, source: Address, sequence: int, ssrc: int, now: float) -> None:
        """See whether the peer sends from another port now, though nothing allows it to."""
        if self.elsewhere is not None or self._silent_for(now) < NOTED_SILENCE_SECONDS:
            return
        trust = self._trust_of(source[0])
        if trust is Trust.RELATED and self._proven(source, sequence, ssrc, trust, now):
            self.elsewhere = source

    def _latch(self, source: Address, trust: Trust, now: float) -> None:
        self.source = source
        self.heard_at = now
        self.elsewhere = None
        self._trust = trust
        self._candidates = None

    def _trust_of(self, host: str) -> Trust:
        if host == self.signalling_host:
            return Trust.RELATED
        if self.announced is not None and host == self.announced[0]:
            return Trust.RELATED
        return Trust.ELSEWHERE

    @property
    def _behind_nat(self) -> bool:
        """Surely so: what is announced can't be reached, and SIP comes from elsewhere."""
        if self.signalling_host is None:
            return False
        if self.announced is None:
            return True
        host = self.announced[0]
        return host != self.signalling_host and not is_global(host)

    def _learns(self, trust: Trust, now: float) -> bool:
        if self._opened_at is None:
            return False
        if trust is Trust.RELATED:
            return now < self._window_until or self._behind_nat
        return (
            now < self._window_until
            and self.signalling_host is None
            and (self.announced is None or not is_global(self.announced[0]))
        )

    def _proven(self, source: Address, sequence: int, ssrc: int, trust: Trust, now: float) -> bool:
        candidates = self._candidates
        if candidates is None:
            candidates = self._candidates = {}
        candidate = candidates.get(source)
        if candidate is None:
            if _has_room(candidates, now):
                candidates[source] = _Candidate(sequence, ssrc, now)
            return False
        candidate.follow(sequence, ssrc, now)
        if trust is Trust.ELSEWHERE:
            patience = ELSEWHERE_PREFERENCE_SECONDS
        elif self.source is None and self._behind_nat:
            patience = 0.0
        else:
            patience = ANNOUNCED_PREFERENCE_SECONDS
        # For a stream that began while the latched source spoke, only the time since then counts.
        began_at = candidate.first_at
        if self.source is not None:
            began_at = max(began_at, self.heard_at)
        return candidate.packets >= CONSISTENT_PACKETS and now - began_at >= patience


def _has_room(candidates: dict[Address, _Candidate], now: float) -> bool:
    """True if another candidate may be kept; one that was silent for long goes for it."""
    if len(candidates) < MAX_CANDIDATES:
        return True
    for source, candidate in candidates.items():
        if now - candidate.last_at > CANDIDATE_REST_SECONDS:
            del candidates[source]
            return True
    return False
