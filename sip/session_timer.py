"""Session timers (RFC 4028): each dialog is refreshed now and then, or it is over.

The switch is one end of every dialog, so each leg has a timer of its own. We ask to be the one who
refreshes: then it happens, whatever the peer promised and forgot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from sip import grammar
from sip.errors import ParseError, SipError
from sip.fields import Fields
from sip.headers import parse_params
from sip.message import Request, Response
from sip.timers import Timers

OPTION = b"timer"
LEAST = 90
"""Seconds; no Session-Expires may be below (RFC 4028 section 4)."""
MOST = 86_400
"""Longer intervals are cut to this; a peer that insists on more is refused."""
SLOT_SECONDS = 5
"""Deadlines are kept this exactly: a minute and a half is the shortest interval."""
RETRY_SECONDS = 10
"""A refresh that was refused for a passing reason is tried again after this."""


class SessionInterval(Struct, frozen=True):
    """Session interval that we ask for, and the least that we accept, in seconds (RFC 4028)."""

    preferred: int = 1800
    least: int = LEAST

    def request_fields(self, *, we_refresh: bool = True) -> Fields:
        """Session-Expires and Min-SE of our INVITE or UPDATE (section 7.1)."""
        return _asking(max(self.preferred, self.least), self.least, we_refresh=we_refresh)


class Terms(Struct, frozen=True):
    """The session interval in seconds and the refresher's side, as both ends agreed on."""

    interval: int
    we_refresh: bool
    refresh_after: float
    """Seconds after which we refresh the session, at most those of `expires_after`; the same if the
    peer refreshes it."""
    expires_after: float
    """Seconds after which a session that wasn't refreshed is ended (section 10)."""

    @classmethod
    def of(cls, interval: int, we_refresh: bool) -> Terms:
        """Terms with what follows from them."""
        expires_after = interval - min(32.0, interval / 3)
        refresh_after = interval / 2 if we_refresh else expires_after
        return cls(interval, we_refresh, refresh_after, expires_after)


Agreement = tuple[Terms, Fields]
"""The terms of a session, and what our 2xx says of them."""


def agree(request: Request, ours: SessionInterval) -> Agreement:
    """Our side of an INVITE or UPDATE that came (section 9), and what our 2xx says of it.

    Raises:
        SipError: 422, the interval is too short.
    """
    values = request.values
    expires = values.get(b"session-expires")
    # Who supports timers and asks for none leaves both to us, as who doesn't.
    supported = expires is not None and OPTION in request.option_tags(b"supported")
    return _agreed(expires, values.get(b"min-se"), supported, ours)


@lru_cache(maxsize=256)  # each phone asks for the same in all its calls
def _agreed(
    expires: bytes | None, min_se: bytes | None, supported: bool, ours: SessionInterval
) -> Agreement:
    asked = None if expires is None else _session_expires(expires)
    least = max(_min_se(min_se), LEAST)
    interval, refresher = asked or (ours.preferred, None)
    if asked is not None and interval < ours.least:
        if supported:
            raise SipError(422, headers=((b"Min-SE", b"%d" % ours.least),))
        interval = ours.least
    interval = min(max(min(interval, ours.preferred), least), MOST)
    we_refresh = not (supported and refresher == "uac")
    value = b"%d;refresher=%s" % (interval, b"uas" if we_refresh else b"uac")
    fields: Fields = ((b"Session-Expires", value),)
    if not we_refresh:
        fields = ((b"Require", OPTION), *fields)
    return Terms.of(interval, we_refresh), fields


def learn(response: Response) -> Terms | None:
    """The terms of a 2xx to our INVITE or UPDATE; None for a peer without timers, and for terms
    that we would not keep."""
    value = response.values.get(b"session-expires")
    if value is None:
        return None
    try:
        found = _session_expires(value)
    except ParseError:
        return None
    interval, refresher = found
    return Terms.of(min(max(interval, LEAST), MOST), refresher != "uas")


def longer_interval(response: Response) -> Fields | None:
    """Fields for the next attempt after a 422; None if its Min-SE can't be read or is too long
    (section 7.3)."""
    number = grammar.number(response.get(b"min-se") or b"", MOST)
    return None if number is None else _asking(max(number, LEAST), number, we_refresh=True)


@lru_cache(maxsize=64)
def _asking(interval: int, least: int, *, we_refresh: bool) -> Fields:
    value = b"%d;refresher=%s" % (interval, b"uac" if we_refresh else b"uas")
    return (b"Session-Expires", value), (b"Min-SE", b"%d" % least)


def _session_expires(value: bytes) -> tuple[int, str | None]:
    """Session-Expires = delta-seconds *( SEMI se-params ), and who refreshes."""
    number, semicolon, rest = value.partition(b";")
    interval = grammar.number(number.strip(grammar.LWS))
    if interval is None:
        raise ParseError("Malformed Session-Expires")
    refresher = parse_params(semicolon + rest).get("refresher") if semicolon else None
    return interval, None if refresher is None else refresher.lower()


def _min_se(value: bytes | None) -> int:
    value = (value or b"").partition(b";")[0].strip(grammar.LWS)
    return grammar.number(value, MOST) or 0 if value else 0


class SessionTimer(Struct, eq=False):
    """The timer of one session; `refresh` sends a refresh, `expired` ends the session."""

    _wheel: TimerWheel
    _refresh: Callable[[float], None]
    _expired: Callable[[float], None]
    _refresh_at: float = 0.0
    _expires_at: float = 0.0
    _slot: int | None = None
    terms: Terms = Terms.of(MOST, True)

    def start(self, terms: Terms, now: float) -> None:
        """Count anew: the session was just set up or refreshed."""
        self.terms = terms
        self._expires_at = now + terms.expires_after
        self._refresh_at = now + terms.refresh_after
        self._arm(self._refresh_at, now)

    def stop(self) -> None:
        """Stop: the session is over."""
        self._wheel.remove(self, self._slot)
        self._slot = None

    def due(self, now: float) -> None:
        """Called by the wheel; one that was stopped in this very turn has no slot any more."""
        if self._slot is None:
            return
        self._slot = None
        if now >= self._expires_at:
            self._expired(now)
            return
        if now >= self._refresh_at:
            self._refresh_at = now + RETRY_SECONDS  # put off by the answer
            self._refresh(now)
        self._arm(min(self._refresh_at, self._expires_at), now)

    def _arm(self, deadline: float, now: float) -> None:
        if self._slot is not None:
            self._wheel.remove(self, self._slot)
        self._slot = self._wheel.add(self, deadline, now)


class TimerWheel:
    """Deadlines that are long and are mostly taken back: a call seldom lasts half an hour.

    Sessions stand in slots of a few seconds, so that an ended one is let go of at once.
    """

    __slots__ = ("_running", "_slots", "_timers")

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._slots: defaultdict[int, dict[SessionTimer, None]] = defaultdict(dict)
        self._running = False

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def add(self, timer: SessionTimer, deadline: float, now: float) -> int:
        """Have a timer called in the first turn after its deadline; its slot."""
        slot = int(deadline // SLOT_SECONDS) + 1
        self._slots[slot][timer] = None
        if not self._running:
            self._running = True
            self._timers.arm(SLOT_SECONDS, now, _turn, self)
        return slot

    def remove(self, timer: SessionTimer, slot: int | None) -> None:
        """Take a timer out of its slot."""
        if slot is None or slot not in self._slots:
            return
        timers = self._slots[slot]
        timers.pop(timer, None)
        if not timers:
            del self._slots[slot]

    def turn(self, now: float) -> None:
        """Call the timers of all slots that are due."""
        current = int(now // SLOT_SECONDS)
        for slot in [slot for slot in self._slots if slot <= current]:
            for timer in self._slots.pop(slot, ()):
                timer.due(now)
        self._running = bool(self._slots)
        if self._running:
            self._timers.arm(SLOT_SECONDS, now, _turn, self)


def _turn(wheel: TimerWheel, now: float) -> None:
    wheel.turn(now)
