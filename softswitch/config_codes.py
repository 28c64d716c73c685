"""The part of [codes] that is about supplementary services: star codes and what goes with them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from softswitch.config_values import Section
from softswitch.star_codes import StarCodes

ServiceCode = Annotated[str, Field(pattern=r"^([0-9]{2,3})?$")]
"""The digits between the stars; "": the service isn't set by phone."""
CallPrefix = Annotated[str, Field(pattern=r"^([*#][0-9*#]{1,6})?$")]


class StarCodeKeys(Section):
    """Codes of services, as TS 22.030 has them where it has them. What stands here is dialled as
    `*CODE#`; it takes nothing away from codes like "*43"."""

    forward_always: ServiceCode = "21"
    forward_busy: ServiceCode = "67"
    forward_no_answer: ServiceCode = "61"
    forward_unreachable: ServiceCode = "62"
    forward_all: ServiceCode = "002"
    forward_conditional: ServiceCode = "004"
    do_not_disturb: ServiceCode = "26"
    call_waiting: ServiceCode = "43"
    withhold_number: ServiceCode = "31"
    bar_all: ServiceCode = "33"
    bar_international: ServiceCode = "331"
    bar_mobile: ServiceCode = "333"
    bar_premium: ServiceCode = "336"
    hot_line: ServiceCode = "53"
    reject_anonymous: ServiceCode = "77"
    call_filter: ServiceCode = "60"
    call_completion: ServiceCode = "37"
    withhold_once: CallPrefix = "*67"
    """Before a number: withholds one's own for this call, as `#31#` does."""
    show_once: CallPrefix = "*82"
    """Before a number: shows one's own for this call, as `*31#` does."""

    def star_codes(self) -> StarCodes:
        """Ready to read what was dialled."""
        keys = {name: getattr(self, name) for name in StarCodeKeys.model_fields}
        withhold, show = keys.pop("withhold_once"), keys.pop("show_once")
        return StarCodes(keys, withhold, show)


def double_code(keys: dict[str, str]) -> str | None:
    """Two codes that are the same, named; None: each is its own."""
    seen: dict[str, str] = {}
    for name, code in keys.items():
        if code and code in seen:
            return f"{seen[code]} and {name} have the same code {code!r}"
        seen[code] = name
    return None
