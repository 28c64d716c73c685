"""Call progress tones by country (ITU-T E.180 and its supplement 2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rtp.samples import CLOCK_RATE, Samples, samples_in, saturated

AMPLITUDE = 0.2
"""The amplitude of each frequency; E.180 section 7 wants tones at -10 dBm0, give or take 5 dB."""
_RAMP_MS = 2.5
"""At the start and the end of each part, so that it doesn't click."""


@dataclass(frozen=True, slots=True)
class Part:
    """Frequencies together for a time; none for a pause."""

    milliseconds: int
    hertz: tuple[int, ...] = ()


Cadence = tuple[Part, ...]
"""The parts that are repeated."""


def _on_off(hertz: tuple[int, ...], *milliseconds: int) -> Cadence:
    """Tone and pause in turn."""
    return tuple(
        Part(length, () if index % 2 else hertz) for index, length in enumerate(milliseconds)
    )


_SPECIAL_INFORMATION: Cadence = (
    Part(330, (950,)),
    Part(330, (1400,)),
    Part(330, (1800,)),
    Part(1000),
)
"""The same in all countries (E.180 section 5)."""

_425 = (425,)

DEFAULT: dict[str, Cadence] = {
    "ringback": _on_off(_425, 1000, 4000),
    "busy": _on_off(_425, 500, 500),
    "congestion": _on_off(_425, 250, 250),
    "special_information": _SPECIAL_INFORMATION,
    "entry": (Part(80, (660,)), Part(40), Part(120, (880,))),
    "leaving": (Part(80, (880,)), Part(40), Part(120, (660,))),
    "beep": (Part(400, (1000,)),),
}
"""Recommended by E.180 sections 2 to 5, and what a conference plays. Other countries differ in what
stands below."""

_FORMER_SOVIET_UNION: dict[str, Cadence] = {
    "busy": _on_off(_425, 350, 350),
    "congestion": _on_off(_425, 175, 175),
}

COUNTRIES: dict[str, dict[str, Cadence]] = {
    "AM": _FORMER_SOVIET_UNION,
    "AZ": _FORMER_SOVIET_UNION,
    "BY": _FORMER_SOVIET_UNION,
    "DE": {"busy": _on_off(_425, 480, 480), "congestion": _on_off(_425, 240, 240)},
    "GB": {
        "ringback": _on_off((400, 450), 400, 200, 400, 2000),
        "busy": _on_off((400,), 375, 375),
        "congestion": _on_off((400,), 400, 350, 225, 525),
    },
    "GE": _FORMER_SOVIET_UNION,
    "IR": {},
    "KZ": _FORMER_SOVIET_UNION,
    "RU": _FORMER_SOVIET_UNION,
    "US": {
        "ringback": _on_off((440, 480), 2000, 4000),
        "busy": _on_off((480, 620), 500, 500),
        "congestion": _on_off((480, 620), 250, 250),
    },
}
"""Tones by ISO 3166 alpha-2. Iran's are the recommended ones."""


def cadence(name: str, country: str) -> Cadence:
    """A country's tone.

    Raises:
        KeyError: no such tone.
    """
    return COUNTRIES.get(country, {}).get(name) or DEFAULT[name]


@lru_cache(maxsize=256)
def tone(name: str, country: str = "") -> Samples:
    """One period of a tone; repeated without a seam it goes on.

    Raises:
        KeyError: no such tone.
    """
    samples = np.concatenate([_part(part) for part in cadence(name, country)])
    samples.flags.writeable = False  # it is shared
    return samples


def _part(part: Part) -> Samples:
    length = samples_in(part.milliseconds)
    time = np.arange(length) / CLOCK_RATE
    values = sum((np.sin(2 * np.pi * hertz * time) for hertz in part.hertz), np.zeros(length))
    ramp = min(samples_in(_RAMP_MS), length // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)
    values[:ramp] *= rise
    values[length - ramp :] *= rise[::-1]
    return saturated(32767 * AMPLITUDE * values)
