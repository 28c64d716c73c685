"""The country of a number, also where several countries share a country code.

+1 is shared by some twenty countries, +7 by Russia and Kazakhstan, +44 by the United Kingdom and
its islands, +39 by Italy and the Vatican; the numbering plan of each tells which of them has the
number.
"""

from __future__ import annotations

from functools import lru_cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from softswitch.admission.numbering import RegionPatterns, region_metadata

MAX_REMEMBERED = 4096
"""The size of the cache of numbers and their countries; the same numbers are called again and
again."""


@lru_cache(maxsize=MAX_REMEMBERED)
def country_of(number: str) -> str | None:
    """ISO 3166 alpha-2 of an E.164 number with "+"; "001" for a number that belongs to no country;
    None if it fits no country's plan."""
    for length in (1, 2, 3):
        code = number[1 : 1 + length]
        regions = _regions(code)
        if not regions:
            continue
        if len(regions) == 1:
            return regions[0][0]
        national = number[1 + length :]
        return next((name for name, patterns in regions if patterns.claims(national)), None)
    return None


def may_be_of(number: str, country: str) -> bool:
    """True unless the country code of an E.164 number with "+" is another country's."""
    codes = [number[1 : 1 + length] for length in (1, 2, 3)]
    names = [name for code in codes for name, _ in _regions(code)]
    return not names or country in names


@lru_cache(maxsize=256)
def _regions(code: str) -> tuple[tuple[str, RegionPatterns], ...]:
    """The countries of a country code, the main one first."""
    names = COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()) if code.isdigit() else ()
    found = ((name, region_metadata(name, int(code))) for name in names)
    return tuple((name, RegionPatterns(data)) for name, data in found if data is not None)
