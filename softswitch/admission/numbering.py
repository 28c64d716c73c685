"""Numbering: dialled digits become an E.164 number, an emergency number or a service code.

The plan is built once from the country's numbering metadata; reading a number afterwards is a few
table look-ups. Dialled digits are read in this order, and the first reading that fits wins:

1. an emergency number or a service code, as it stands;
2. the digits of one of the switch's own lines;
3. international: "+", the country's international prefix, or "00";
4. with the country's national (trunk) prefix;
5. the country's full digits without "+";
6. a national number without the trunk prefix;
7. a subscriber number of the switch's own area;
8. another country's full digits without "+".

An explicitly international number is checked only against the length of E.164 itself: numbering
plans grow faster than tables, and the carrier of the destination knows best. Where the reading is a
guess (4 to 8), the number must have a length that its country uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal

from msgspec import Struct
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

Kind = Literal["e164", "emergency", "code"]
NumberType = Literal["local", "national", "mobile", "international", "special"]

MAX_DIALLED_LENGTH = 64
"""The longest user part that is read; no telephone number is longer."""

MAX_E164_DIGITS = 15
"""ITU-T E.164 section 6.2.1."""

CACHED_NUMBERS = 4096
"""The numbers whose reading is remembered; half a megabyte at most."""
MIN_SUBSCRIBER_DIGITS = 3
"""Fewer digits after the country code are a number still being dialled."""

_PLAIN = re.compile(r"\+?[0-9]+")
_VISUAL_SEPARATORS = str.maketrans("", "", "-. ()")
"""RFC 3966 section 5.1.1, and the space that people type."""

_NON_GEOGRAPHIC = "001"
_OWN_TYPES = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "uan")
_SPECIAL_TYPES = ("toll_free", "premium_rate", "shared_cost", "uan")


class NumberError(Exception):
    """A dialled string that is no number. `status` is 484 when digits are missing, otherwise
    404."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Dialled(Struct, frozen=True):
    """The meaning of dialled digits."""

    kind: Kind
    number: str
    """E.164 with "+" for kind "e164", otherwise the emergency number or code as it stands."""
    withheld: bool | None = None
    """True if the caller withholds its number for this call, False if it shows it; None: no prefix
    was dialled."""


def _never(_number: str) -> bool:
    return False


def region_metadata(region: str, country_code: int) -> PhoneMetadata | None:
    if region == _NON_GEOGRAPHIC:
        return PhoneMetadata.metadata_for_nongeo_region(country_code)
    return PhoneMetadata.metadata_for_region(region)


def _possible_lengths() -> dict[str, frozenset[int]]:
    """Country code to the lengths that its national significant numbers can have."""
    lengths: dict[str, frozenset[int]] = {}
    for country_code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        found = (region_metadata(region, country_code) for region in regions)
        lengths[str(country_code)] = frozenset(
            length
            for metadata in found
            if metadata is not None and metadata.general_desc is not None
            for length in metadata.general_desc.possible_length
            if length > 0
        )
    return lengths


_COUNTRY_CODES = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


@lru_cache(maxsize=1024)  # each call asks, and there are a thousand beginnings
def _country_code_in(digits: str) -> str | None:
    """The country code with which the first three digits of a number begin. No country code is a
    prefix of another, so the first that fits is the only one."""
    for length in (1, 2, 3):
        code = digits[:length]
        if code in _COUNTRY_CODES:
            return code
    return None


def _pattern(metadata: PhoneMetadata, kind: str) -> re.Pattern[str] | None:
    description = getattr(metadata, kind)
    text = description.national_number_pattern if description is not None else None
    return re.compile(text, re.ASCII) if text else None


class RegionPatterns:
    """One country's patterns for its national significant numbers."""

    def __init__(self, metadata: PhoneMetadata) -> None:
        self._leading = (
            re.compile(metadata.leading_digits, re.ASCII) if metadata.leading_digits else None
        )
        self._types = {
            kind: pattern
            for kind in _OWN_TYPES
            if (pattern := _pattern(metadata, kind)) is not None
        }

    def claims(self, national: str) -> bool:
        """True if the number belongs to this country, among those that share its country code."""
        if self._leading is not None:
            return self._leading.match(national) is not None
        return any(pattern.fullmatch(national) for pattern in self._types.values())

    def is_type(self, national: str, kind: str) -> bool:
        pattern = self._types.get(kind)
        return pattern is not None and pattern.fullmatch(national) is not None


class NumberPlan:
    """Reads dialled numbers by the rules of one country."""

    def __init__(
        self,
        country: str,
        *,
        area_code: str | None = None,
        emergency: Iterable[str] = ("112",),
        codes: Iterable[str] = (),
    ) -> None:
        """`country` is ISO 3166 alpha-2; `area_code` the area whose subscribers dial each other
        without it. Raises ValueError for a country that has no numbering plan."""
        metadata = PhoneMetadata.metadata_for_region(country.upper())
        if metadata is None or metadata.country_code is None or metadata.general_desc is None:
            raise ValueError(f"no numbering plan is known for country {country!r}")
        regions = COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]
        self.country = country.upper()
        self.country_code = str(metadata.country_code)
        self._area_code = area_code
        self._emergency = frozenset(emergency)
        self._codes = frozenset(codes)
        self._lengths = _possible_lengths()
        self._own_lengths = frozenset(metadata.general_desc.possible_length)
        self._own_pattern = re.compile(
            metadata.general_desc.national_number_pattern or "[0-9]+", re.ASCII
        )
        self._international_prefix = re.compile(
            f"(?:{metadata.international_prefix or '00'}|00)", re.ASCII
        )
        self._national_prefix = (
            re.compile(metadata.national_prefix_for_parsing, re.ASCII)
            if metadata.national_prefix_for_parsing
            else None
        )
        self._transform = metadata.national_prefix_transform_rule
        self._own_region = RegionPatterns(metadata)
        self._is_main = regions[0] == self.country
        self._neighbours = tuple(
            RegionPatterns(other)
            for region in regions
            if region != self.country
            and (other := region_metadata(region, metadata.country_code)) is not None
        )
        # The same numbers are dialled again and again, and their patterns are long.
        self.type_of = lru_cache(maxsize=CACHED_NUMBERS)(self._type_of)
        """The CDR type of a number as seen from this plan's country. Emergency numbers and codes
        are special, as are free-phone and premium numbers."""
        self._read_plus = lru_cache(maxsize=CACHED_NUMBERS)(self._read)

    @property
    def emergency_number(self) -> str:
        """The number for urn:service:sos: 112 where it is an emergency number, else the first in
        digits."""
        return "112" if "112" in self._emergency else min(self._emergency, default="112")

    def read(self, dialled: str, is_line: Callable[[str], bool] = _never) -> Dialled:
        """Read a dialled number, or the unescaped user part of a SIP or tel URI.

        `is_line` returns True for the E.164 number of one of the switch's own lines. Raises
        NumberError: 484 when digits are missing, 404 when it is no number."""
        if dialled[:1] == "+":  # read alike whatever lines there are
            return self._read_plus(dialled)
        return self._read(dialled, is_line)

    def _read(self, dialled: str, is_line: Callable[[str], bool] = _never) -> Dialled:
        if dialled in self._emergency:
            return Dialled("emergency", dialled)
        if dialled in self._codes:
            return Dialled("code", dialled)
        if len(dialled) > MAX_DIALLED_LENGTH:
            raise NumberError(404, "what was dialled is too long for a number")
        digits = dialled
        if _PLAIN.fullmatch(digits) is None:
            digits = dialled.partition(";")[0].translate(_VISUAL_SEPARATORS)
            if _PLAIN.fullmatch(digits) is None:
                raise NumberError(404, "what was dialled is not a number")
            if digits in self._emergency:
                return Dialled("emergency", digits)
        if digits[0] == "+":
            return self._international(digits[1:])
        if is_line("+" + digits):
            return Dialled("e164", "+" + digits)
        return Dialled("e164", self._without_plus(digits))

    def _type_of(self, number: str) -> NumberType:
        if number[:1] != "+":
            return "special"
        if not number.startswith(self.country_code, 1):
            return "international"
        national = number[1 + len(self.country_code) :]
        if not self._is_own(national):
            return "international"
        region = self._own_region
        if any(region.is_type(national, kind) for kind in _SPECIAL_TYPES):
            return "special"
        fixed = region.is_type(national, "fixed_line")
        if not fixed and region.is_type(national, "mobile"):
            return "mobile"
        if self._area_code is not None and national.startswith(self._area_code):
            return "local"
        return "national"

    def is_premium(self, number: str) -> bool:
        """True if a number of this plan's country (E.164 with "+") is of premium rate."""
        if not number.startswith("+" + self.country_code):
            return False
        national = number[1 + len(self.country_code) :]
        return self._is_own(national) and self._own_region.is_type(national, "premium_rate")

    def _is_own(self, national: str) -> bool:
        if not self._neighbours:
            return True
        if any(neighbour.claims(national) for neighbour in self._neighbours):
            return False
        return self._is_main or self._own_region.claims(national)

    def _international(self, digits: str) -> Dialled:
        if len(digits) > MAX_E164_DIGITS:
            raise NumberError(404, "a number has at most 15 digits (E.164)")
        country_code = _country_code_in(digits[:3])
        if country_code is None:
            if len(digits) < MIN_SUBSCRIBER_DIGITS:
                raise NumberError(484, "digits are missing")
            raise NumberError(404, "no country has this country code")
        if len(digits) - len(country_code) < MIN_SUBSCRIBER_DIGITS:
            raise NumberError(484, "digits are missing")
        return Dialled("e164", "+" + digits)

    def _without_plus(self, digits: str) -> str:
        prefix = self._international_prefix.match(digits)
        if prefix is not None:
            return self._international(digits[prefix.end() :]).number
        national = self._after_national_prefix(digits)
        if national is None:
            national = self._own_digits(digits)
        if national is None and self._own_pattern.fullmatch(digits):
            national = digits
        if national is None and self._area_code is not None:
            national = self._possible(self._area_code + digits)
        if national is not None:
            return f"+{self.country_code}{national}"
        foreign = _country_code_in(digits[:3])
        if foreign is not None and len(digits) - len(foreign) in self._lengths[foreign]:
            return "+" + digits
        if self._possible(digits) is not None:
            return f"+{self.country_code}{digits}"
        if len(digits) < min(self._own_lengths):
            raise NumberError(484, "digits are missing")
        raise NumberError(404, "no country's number looks like this")

    def _after_national_prefix(self, digits: str) -> str | None:
        """The digits after the national (trunk) prefix; None without such a prefix."""
        if self._national_prefix is None or self._own_pattern.fullmatch(digits):
            return None
        prefix = self._national_prefix.match(digits)
        if prefix is None:
            return None
        if self._transform and prefix.lastindex:
            return self._possible(prefix.expand(self._transform) + digits[prefix.end() :])
        return self._possible(digits[prefix.end() :])

    def _own_digits(self, digits: str) -> str | None:
        if not digits.startswith(self.country_code):
            return None
        return self._possible(digits[len(self.country_code) :])

    def _possible(self, national: str) -> str | None:
        return national if len(national) in self._own_lengths else None
