"""Options that were once named otherwise than their siblings: the old names are still taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OLD_OPTIONS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("port", "advance"): {"--note": "--reason"},
    ("request", "refuse"): {"--answer": "--reason"},
    ("rerate",): {"--note": "--reason", "--by": "--by-tariff"},
    ("tariff", "quote"): {"--name": "--tariff"},
}
"""By the words of a command: the old name of each option, and its name now."""

GLOBAL_OPTIONS = ("-c", "-o", "--key")
"""Each stands before the command, with its value."""


def respelled(arguments: Sequence[str]) -> list[str]:
    """Arguments with the old names of options replaced; those after ``--`` stay as they are."""
    start = 0
    while start + 1 < len(arguments) and arguments[start] in GLOBAL_OPTIONS:
        start += 2
    words = tuple(arguments[start : start + 2])
    known = OLD_OPTIONS.get(words) or OLD_OPTIONS.get(words[:1])
    if known is None:
        return [*arguments]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [_respelled(word, known) for word in arguments[:end]] + [*arguments[end:]]


def _respelled(word: str, known: Mapping[str, str]) -> str:
    name, equals, value = word.partition("=")
    return known.get(name, name) + equals + value
