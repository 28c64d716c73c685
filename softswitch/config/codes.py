"""The section [codes] of the configuration: service codes and star codes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from softswitch.config.values import Dialable, Section
from softswitch.subscribers.star_codes import StarCodes

ServiceCode = Annotated[str, Field(pattern=r"^([0-9]{2,3})?$")]
"""The digits between the stars; "": the service isn't set by phone."""
CallPrefix = Annotated[str, Field(pattern=r"^([*#][0-9*#]{1,6})?$")]


class StarCodeKeys(Section):
    """Codes of services, those of TS 22.030 where it has them. Each is dialled as `*CODE#`; codes
    such as "*43" remain free."""

    forward_always: ServiceCode = "21"
    """Forwards every call: `*21*NUMBER#`, off with `#21#`."""
    forward_busy: ServiceCode = "67"
    """Forwards calls that find the line busy."""
    forward_no_answer: ServiceCode = "61"
    """Forwards unanswered calls; `*61*NUMBER*SECONDS#` sets the ring time."""
    forward_unreachable: ServiceCode = "62"
    """Forwards calls while no phone is registered."""
    forward_all: ServiceCode = "002"
    """All four forwardings at once; `##002#` removes them."""
    forward_conditional: ServiceCode = "004"
    """The forwardings of busy, unanswered and unreachable at once."""
    do_not_disturb: ServiceCode = "26"
    """Do not disturb: callers hear busy."""
    call_waiting: ServiceCode = "43"
    """Call waiting: a second call rings while the line talks."""
    withhold_number: ServiceCode = "31"
    """Withholds the number on every call."""
    bar_all: ServiceCode = "33"
    """Bars all outgoing calls but emergency calls; lifting it takes the PIN."""
    bar_international: ServiceCode = "331"
    """Bars calls abroad; lifting it takes the PIN."""
    bar_mobile: ServiceCode = "333"
    """Bars calls to mobile numbers; lifting it takes the PIN."""
    bar_premium: ServiceCode = "336"
    """Bars calls to premium-rate numbers; lifting it takes the PIN."""
    hot_line: ServiceCode = "53"
    """Hot line: a phone that dials nothing calls this number."""
    reject_anonymous: ServiceCode = "77"
    """Rejects calls that withhold their number."""
    call_filter: ServiceCode = "60"
    """Refuses callers on the line's list: `*60*NUMBER#` adds one, `#60*NUMBER#` removes it."""
    call_completion: ServiceCode = "37"
    """Call completion: on if the line is offered a connection when a busy line is free again."""
    withhold_once: CallPrefix = "*67"
    """Prefix before a number: withholds the caller's number for this call, as `#31#` does."""
    show_once: CallPrefix = "*82"
    """Prefix before a number: shows the caller's number for this call, as `*31#` does."""

    def star_codes(self) -> StarCodes:
        """The parser of dialled star codes."""
        keys = {name: getattr(self, name) for name in StarCodeKeys.model_fields}
        withhold, show = keys.pop("withhold_once"), keys.pop("show_once")
        return StarCodes(keys, withhold, show)


class CodesSection(StarCodeKeys):
    """[codes]: service codes as they are dialled."""

    balance: Dialable = "1111"
    """Says the balance."""
    package: Dialable = "1112"
    """Says what is left of the packages."""
    conference_term: Dialable = "1198"
    """Says until when the conference service is paid."""
    conference_buy: Dialable = "1199"
    """Buys a term of the conference service."""
    directory: Dialable = "118"
    """Directory enquiries by number."""
    pin: Dialable = "2828"
    """Self-service with a PIN."""
    own_number: Dialable = "*99"
    """Says the number that the line calls from."""
    voicemail: Dialable = "*97"
    """The mailbox menu."""
    echo: Dialable = "*43"
    """Echo test: the caller hears the own voice."""
    conference: Dialable = "*88"
    """Dial-in conference rooms."""
    focus: Dialable = "*87"
    """The conference of a line's own calls, which its phone merges there."""
    last_caller: Dialable = "*69"
    """Calls back the last caller."""
    malicious: Dialable = "*57"
    """Marks the last incoming call, for the operator to trace."""

    def by_code(self) -> dict[str, str]:
        """Dialled code -> the name of the service; without star codes."""
        return {code: name for name, code in self._split()[0].items()}

    def _split(self) -> tuple[dict[str, str], dict[str, str]]:
        """Keys of codes that are dialled as they stand, and of star codes."""
        keys = self.model_dump()
        stars = {name: keys.pop(name) for name in StarCodeKeys.model_fields}
        return keys, stars

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for keys in self._split():
            if (why := _double_code(keys)) is not None:
                raise ValueError(why)
        return self


def _double_code(keys: dict[str, str]) -> str | None:
    """Two settings with the same code, named; None: all differ."""
    seen: dict[str, str] = {}
    for name, code in keys.items():
        if code and code in seen:
            return f"{seen[code]} and {name} have the same code {code!r}"
        seen[code] = name
    return None
