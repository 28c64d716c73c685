"""Asterisk's names for prompts, so that its tree of sounds serves as recordings.

Only names with the same meaning are listed. A file with our own name for a token counts as well.
"""

from __future__ import annotations

from collections.abc import Iterator

_NAMES = {
    "and": "vm-and",
    "conf-alone": "conf-onlyperson",
    "conf-enter-pin": "conf-getpin",
    "conf-locked": "conf-lockednow",
    "conf-muted": "conf-muted",
    "conf-unlocked": "conf-unlockednow",
    "conf-unmuted": "conf-unmuted",
    "conf-wrong-pin": "conf-invalidpin",
    "from": "vm-from",
    "goodbye": "vm-goodbye",
    "hash": "digits/pound",
    "hour": "hour",
    "hour-many": "hours",
    "minus": "digits/minus",
    "minute": "minute",
    "minute-many": "minutes",
    "pin-enter": "vm-password",
    "pin-repeat": "vm-reenterpassword",
    "plus": "letters/plus",
    "second": "second",
    "second-many": "seconds",
    "star": "digits/star",
    "thank-you": "auth-thankyou",
    "today": "digits/today",
    "vm-deleted": "vm-deleted",
    "vm-greeting": "vm-intro",
    "vm-message": "vm-message",
    "vm-saved": "vm-saved",
    "vm-you-have": "vm-youhave",
    "yesterday": "digits/yesterday",
}


_NEUTER_ONE = "1n"
"""Russian sets have a file of this name, and some say the feminine in it."""


def names(token: str) -> Iterator[str]:
    """The paths of a token below a language's folder, without suffix; the best first."""
    found = _NAMES.get(token)
    if found is not None:
        yield found
    if token == _NEUTER_ONE:
        yield token
        return
    if token[0].isdigit():
        # Ordinals are h-1 to h-31 there, and months are counted from nought.
        yield f"digits/h-{token[:-2]}" if token.endswith("th") else f"digits/{token}"
    elif token.partition("-")[0] in ("hundred", "thousand", "million", "billion"):
        yield f"digits/{token}"
    elif token.startswith("month-"):
        yield f"digits/mon-{int(token.removeprefix('month-')) - 1}"
    yield token
