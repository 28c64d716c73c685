"""Supplementary services: the settings of each line, and their effect on its calls.

A service is a row: on or off, and its number or numbers. The services and the settings of each are
in :data:`KINDS`; star codes, operators and the call path read the same table. Pure: admission and
calls ask, and act on the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Protocol

from softswitch.errors.coded import CodedError
from softswitch.subscribers.refusal import NO_ANSWER, Refusal

ForwardKind = Literal["always", "busy", "no_answer", "unreachable"]
Unanswered = Literal["busy", "no_answer", "declined", "unreachable"]
"""The reason for which a call was not answered."""
Needs = Literal["nothing", "a number", "numbers"]

MAX_FILTERED = 100
"""Numbers in one call filter: it is read at each call, and kept in memory for each line."""
MIN_SECONDS, MAX_SECONDS = 5, 120
"""Limits of the ring time before forwarding; 3GPP TS 22.082 has 5 to 30 in steps of 5."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A supplementary service as such.

    Args:
        needs: what it must be given before it can be switched on.
        default: True if it is on for a line that never set it.
        locked: switching it off takes the line's PIN.
    """

    needs: Needs = "nothing"
    default: bool = False
    locked: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "forward_always": Kind("a number"),
        "forward_busy": Kind("a number"),
        "forward_no_answer": Kind("a number"),
        "forward_unreachable": Kind("a number"),
        "do_not_disturb": Kind(),
        "call_waiting": Kind(default=True),
        "withhold_number": Kind(),
        "caller_id": Kind("a number"),
        "bar_international": Kind(locked=True),
        "bar_mobile": Kind(locked=True),
        "bar_premium": Kind(locked=True),
        "bar_all": Kind(locked=True),
        "hot_line": Kind("a number"),
        "reject_anonymous": Kind(),
        "call_filter": Kind("numbers"),
        "call_completion": Kind(default=True),
    }
)
FORWARDS: tuple[ForwardKind, ...] = ("always", "busy", "no_answer", "unreachable")

DIVERSION_STATUS: Mapping[ForwardKind, int] = MappingProxyType(
    {"always": 301, "busy": 486, "no_answer": 408, "unreachable": 503}
)
"""The SIP status for each kind of forwarding in Diversion and History-Info."""


BARS = ("bar_all", "bar_international", "bar_mobile", "bar_premium")


class ServiceError(CodedError):
    """A setting that a service doesn't take."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One service of one line.

    Args:
        numbers: E.164 with "+", or another code that the line may dial; empty where none is needed.
        seconds: of forwarding without answer: how long the phones ring. None: the usual time.
    """

    active: bool
    numbers: tuple[str, ...] = ()
    seconds: int | None = None


class Supplementary:
    """All services of one line; an immutable mapping, with methods for admission and calls."""

    __slots__ = ("_settings", "bars", "withholds_number")

    def __init__(self, settings: Mapping[str, Setting] = MappingProxyType({})) -> None:
        self._settings = {name: settings[name] for name in KINDS if name in settings}
        self.bars = tuple(name for name in BARS if self.is_on(name))
        """The barrings that are on: hardly any line has one, so few calls need their type."""
        self.withholds_number = self.is_on("withhold_number")
        """The line's calls are anonymous; each of them asks."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Supplementary) and self._settings == other._settings

    def __hash__(self) -> int:
        return hash(tuple(self._settings.items()))

    def __iter__(self) -> Iterator[tuple[str, Setting]]:
        """The services that the line ever set, in the order of the table."""
        return iter(self._settings.items())

    def __getitem__(self, name: str) -> Setting:
        """The setting of a service, also of one that was never set."""
        return self._settings.get(name) or Setting(KINDS[name].default)

    def put(self, name: str, setting: Setting | None) -> Supplementary:
        """A copy with one service changed; None removes the setting."""
        rest = {key: value for key, value in self._settings.items() if key != name}
        return Supplementary(rest if setting is None else rest | {name: setting})

    def switched(self, name: str, active: bool) -> Supplementary:
        """A copy with a service on or off; its numbers stay.

        Raises:
            ServiceError: it was never given what it needs.
        """
        known = self[name]
        if active and KINDS[name].needs != "nothing" and not known.numbers:
            raise ServiceError("service_needs_number", service=name, needs=KINDS[name].needs)
        return self.put(name, replace(known, active=active))

    def given(
        self, name: str, numbers: tuple[str, ...], seconds: int | None = None
    ) -> Supplementary:
        """A copy with a service on, and these numbers in place of its own.

        Raises:
            ServiceError: it takes no number, another count of them, or other seconds.
        """
        needs = KINDS[name].needs
        if needs == "nothing":
            raise ServiceError("service_takes_no_number", service=name)
        if needs == "a number" and len(numbers) != 1:
            raise ServiceError("service_takes_one_number", service=name)
        if len(numbers) > MAX_FILTERED:
            raise ServiceError("service_takes_numbers", service=name, most=MAX_FILTERED)
        if seconds is not None and name != "forward_no_answer":
            raise ServiceError("service_takes_no_seconds", service=name)
        if seconds is not None and not MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise ServiceError("seconds_out_of_range", least=MIN_SECONDS, most=MAX_SECONDS)
        return self.put(name, Setting(True, tuple(dict.fromkeys(numbers)), seconds))

    def is_on(self, name: str) -> bool:
        found = self._settings.get(name)
        return KINDS[name].default if found is None else found.active

    def chosen(self, name: str) -> Setting | None:
        """The setting of a service that the line has switched on itself, and not only by
        default."""
        found = self._settings.get(name)
        return found if found is not None and found.active else None

    # Calls to the line

    def forward(self, kind: ForwardKind) -> Setting | None:
        """The forwarding of calls of this kind; None: there is none."""
        found = self._settings.get(f"forward_{kind}")
        return found if found is not None and found.active and found.numbers else None

    @property
    def ring_seconds(self) -> int | None:
        """The ring time before calls are forwarded; None: the line's usual time."""
        found = self.forward("no_answer")
        return None if found is None else found.seconds

    def why_busy(self, calls: int) -> str | None:
        """The reason for which a line that takes part in this many calls takes no other; None: it
        takes one."""
        if self.is_on("do_not_disturb"):
            return "the called line isn't to be disturbed"
        if calls and not self.is_on("call_waiting"):
            return "the called line talks and has no call waiting"
        return None

    def forwards_at_once(self, busy: bool, reachable: bool) -> ForwardKind | None:
        """The kind of forwarding that takes a call before any phone rings."""
        if self.forward("always"):
            return "always"
        if busy:
            return "busy" if self.forward("busy") else None
        return "unreachable" if not reachable and self.forward("unreachable") else None

    def forwards_after(self, refusal: Refusal) -> ForwardKind | None:
        """The kind of forwarding that takes a call after its phones failed."""
        kind = failed_as(refusal)
        return kind if kind is not None and self.forward(kind) else None

    def screen(self, calling: str, shown: str | None) -> None:
        """Refuse a caller whom the line blocks.

        Args:
            calling: the true number; the call filter knows it even when it is withheld.
            shown: None when withheld or unknown.

        Raises:
            Refusal: 603 filtered, 433 anonymous (RFC 5079).
        """
        if self.is_on("call_filter") and calling in self["call_filter"].numbers:
            raise Refusal(603, "caller_filtered", says=("refused-unwanted",))
        if shown is None and self.is_on("reject_anonymous"):
            raise Refusal(433, "anonymous_rejected", says=("refused-anonymous",))

    # Calls of the line

    def bar(self, kind: str, premium: bool) -> None:
        """Refuse a number that the line has barred; emergency calls aren't checked.

        Args:
            kind: the CDR's type of the call.

        Raises:
            Refusal: 403; the rule names the barring.
        """
        for name in self.bars:
            if name == "bar_all" or (premium if name == "bar_premium" else name == f"bar_{kind}"):
                raise Refusal(403, "caller_barred", service=name, says=("refused-barred",))


NO_SERVICES = Supplementary()
"""The services of a line that never set any."""


class Failure(Protocol):
    """A refusal, or the ending made from it."""

    @property
    def status(self) -> int: ...
    @property
    def cause(self) -> int: ...
    @property
    def ended_by(self) -> str: ...


def failed_as(refusal: Failure) -> ForwardKind | None:
    """The kind of forwarding for a failure of phones; None: a person declined, or the switch itself
    failed."""
    if refusal.ended_by == "operator":
        return None
    if refusal.status in (486, 600):
        return "busy"
    if refusal.cause == NO_ANSWER:
        return "no_answer"
    if refusal.status in (408, 430, 480, 503):
        return "unreachable"
    return None


def unanswered_as(failure: Failure) -> Unanswered | None:
    """The reason, announced to the caller, for which a call was not answered; None: the switch
    itself failed, or the caller gave up."""
    if failure.ended_by not in ("callee", "timer"):
        return None
    if failure.status == 603:
        return "declined"
    kind = failed_as(failure)
    return None if kind == "always" else kind
