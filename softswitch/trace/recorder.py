"""The SIP messages of live and recent calls, within a fixed amount of memory.

Recording a message costs one append. Messages of all kinds wait in one ring; when it is full its
oldest are filed: those of a known call go to that call, all others are dropped. So a flood of
strangers' requests displaces no message of a call.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple

from msgspec import Struct, field

from sip.flow import Flow
from sip.stack import Seen, Tap

RING_BYTES = 2 << 20
"""The memory of the ring: some thousand messages, tenths of a second at full load, which is longer
than a call takes from its INVITE until it is known."""
WEIGHED_AT_ONCE = 16
"""Messages that are put into the ring together at least, at the end of a turn of reading."""
FILED_AT_ONCE = 128
"""Messages of the ring that are filed at once, so that filing never takes a millisecond."""
FIRST_OF_CALL = 200
"""Messages of a call that are kept from its beginning ..."""
LAST_OF_CALL = 200
"""... and from its end; a call that lasts a day refreshes its sessions in between."""
LONGEST = FIRST_OF_CALL + LAST_OF_CALL + 100
"""The length at which a call is shortened; not one by one, which would cost more."""
ENDED_CALLS = 2_000
"""The limit of ended calls, if the memory suffices."""
MAX_SAID, MAX_SAID_CHARACTERS = 40, 400
"""Announcements of a call that are kept, and characters of each: a menu repeats itself."""
ENTRY_BYTES = 300
"""The memory of an entry beside its message."""

_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)


_Entry = Seen
"""A :class:`Message` before it is read: a plain tuple costs a quarter."""
_DATA = itemgetter(3)
"""The octets of an entry."""


class Message(NamedTuple):
    """One message as it was received or sent."""

    at: float
    """Monotonic seconds."""
    sent: bool
    """True if we sent it."""
    flow: Flow
    data: bytes


class Said(NamedTuple):
    """An announcement to a side of the call; without a language it was replaced by a tone."""

    at: float
    """Monotonic seconds."""
    side: str
    language: str
    tokens: str


class CallTrace(Struct, eq=False):
    """The trace of one call."""

    call_id: str
    sip_call_ids: tuple[bytes, ...] = ()
    """The Call-IDs of its legs, the caller's first."""
    calling: str = ""
    called: str = ""
    entries: list[_Entry] = field(default_factory=list)
    octets: int = 0
    """The memory of its messages."""
    dropped: int = 0
    """The number of its messages that weren't kept."""
    said: tuple[Said, ...] = ()
    """The first announcements."""

    def shorten(self) -> int:
        """Drop its middle; returns the freed octets."""
        middle = self.entries[FIRST_OF_CALL:-LAST_OF_CALL]
        del self.entries[FIRST_OF_CALL:-LAST_OF_CALL]
        return self._gone(middle)

    def clear(self) -> int:
        """Drop all its messages; returns the freed octets."""
        gone, self.entries = self.entries, []
        return self._gone(gone)

    def _gone(self, entries: list[_Entry]) -> int:
        octets = sum(len(entry[3]) + ENTRY_BYTES for entry in entries)
        self.dropped += len(entries)
        self.octets -= octets
        return octets

    def messages(self) -> Iterator[Message]:
        return (Message(*entry) for entry in self.entries)


class Recorder:
    """Records messages, and finds those of a call.

    Args:
        max_bytes: of all calls together, besides `RING_BYTES`.
        monotonic: the clock.
    """

    def __init__(self, max_bytes: int, monotonic: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._ring: deque[_Entry] = deque()
        self._ring_octets = 0
        self._new: list[_Entry] = []
        """Messages that come into the ring next."""
        self.see: Tap = self._new.append
        """Records a message that was received or sent. No function of Python, for it is called
        some twenty times a call."""
        self._octets = 0
        self._live: dict[str, CallTrace] = {}
        self._ended: dict[str, CallTrace] = {}
        self._by_sip_call_id: dict[bytes, CallTrace] = {}
        self._before: dict[bytes, tuple[CallTrace, ...]] = {}
        """The other calls that a transferred leg had before."""

    def weigh(self) -> None:
        """Keep to the limits; called after each turn of reading."""
        if len(self._new) >= WEIGHED_AT_ONCE:
            self._weigh()

    # What calls tell

    def join(self, call_id: str, sip_call_id: str) -> None:
        """A leg with this Call-ID belongs to the call."""
        key = sip_call_id.encode("utf-8", "surrogateescape")
        trace = self._live.get(call_id)
        if trace is None:
            trace = self._live[call_id] = CallTrace(call_id)
        known = self._by_sip_call_id.get(key)
        if known is not None:  # a transferred leg had another call
            before = self._before.get(key, ())
            if trace is known or trace in before:
                return
            self._before[key] = (*before, known)
        trace.sip_call_ids += (key,)
        self._by_sip_call_id[key] = trace

    def said(self, call_id: str, side: str, language: str, tokens: str) -> None:
        """Record an announcement to a side of the call."""
        trace = self._live.get(call_id)
        if trace is not None and len(trace.said) < MAX_SAID:
            said = Said(self._monotonic(), side, language, tokens[:MAX_SAID_CHARACTERS])
            trace.said = (*trace.said, said)

    def end(self, call_id: str, calling: str, called: str) -> None:
        """Note the end of a call, which is kept until the memory is needed."""
        trace = self._live.pop(call_id, None)
        if trace is None:
            return
        trace.calling, trace.called = calling, called
        self._ended[call_id] = trace
        if len(self._ended) > ENDED_CALLS:
            self._forget_oldest()

    # What operators ask

    def find(self, beginning: str) -> list[str]:
        """The ids of calls that begin with this."""
        return [key for calls in (self._live, self._ended) for key in calls
                if key.startswith(beginning)]  # fmt: skip

    def trace(self, call_id: str) -> tuple[CallTrace, list[Message]] | None:
        """A call and its messages, in order."""
        trace = self._live.get(call_id) or self._ended.get(call_id)
        if trace is None:
            return None
        self._weigh()
        wanted = frozenset(trace.sip_call_ids)
        waiting = [Message(*entry) for entry in self._ring if call_id_of(entry[3]) in wanted]
        return trace, [*trace.messages(), *waiting]

    def call_of(self, data: bytes) -> str | None:
        """The call that a message belongs to; None while it is unknown."""
        trace = self._by_sip_call_id.get(call_id_of(data))
        return None if trace is None else trace.call_id

    @property
    def octets(self) -> int:
        """The approximate memory of calls and ring."""
        self._weigh()
        return self._octets + self._ring_octets

    # Filing

    def _weigh(self) -> None:
        """Put the newest messages into the ring, and file its oldest if it holds too much. Not one
        by one, which would cost as much again as to record them."""
        new = self._new
        self._ring_octets += sum(map(len, map(_DATA, new))) + ENTRY_BYTES * len(new)
        self._ring.extend(new)
        new.clear()
        while self._ring_octets > RING_BYTES:
            self._file_oldest()

    def _file_oldest(self) -> None:
        ring, known, before = self._ring, self._by_sip_call_id, self._before
        for _ in range(min(len(ring), FILED_AT_ONCE)):
            entry = ring.popleft()
            size = len(entry[3]) + ENTRY_BYTES
            self._ring_octets -= size
            key = call_id_of(entry[3])
            last = known.get(key)
            if last is None:
                continue
            for trace in (last, *before.get(key, ())):
                trace.entries.append(entry)
                trace.octets += size
                self._octets += size
                if len(trace.entries) >= LONGEST:
                    self._octets -= trace.shorten()
        while self._octets > self._max_bytes:
            if self._ended:
                self._forget_oldest()
            else:
                self._empty_oldest()

    def _forget_oldest(self) -> None:
        """Drop the call that ended first."""
        trace = self._ended.pop(next(iter(self._ended)))
        self._octets -= trace.octets
        for key in trace.sip_call_ids:
            calls = (*self._before.pop(key, ()), self._by_sip_call_id.pop(key))
            left = [call for call in calls if call is not trace]
            if left:
                *before, self._by_sip_call_id[key] = left
                if before:
                    self._before[key] = tuple(before)

    def _empty_oldest(self) -> None:
        """Drop the messages of the live call that began first, because no ended call is left."""
        trace = next(trace for trace in self._live.values() if trace.octets)
        self._octets -= trace.clear()


def not_recorded(_call_id: str, _sip_call_id: str) -> None:
    """Do nothing about a leg of a call, where no messages are recorded."""


def call_id_of(data: bytes) -> bytes:
    """The Call-ID of an unparsed message; b"" if it has none."""
    start = data.find(b"\r\nCall-ID: ")  # the usual spelling
    if start >= 0:
        return data[start + 11 : data.find(b"\r\n", start + 11)].strip(b" \t")
    found = _CALL_ID.search(data)
    return b"" if found is None else found[1].strip(b" \t")
