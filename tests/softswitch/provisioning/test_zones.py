"""Time zones that phones are told of: those of the five countries, and any other of today."""

from __future__ import annotations

from importlib import resources

import pytest

from softswitch.provisioning.zone_files import zone_named
from softswitch.provisioning.zones import Change, Summer, Zone, zone_of

FIVE = {"GE", "RU", "GB", "IR", "KZ"}
"""The countries of the five languages."""


def zones_of_countries() -> dict[str, str]:
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return {name.strip(): country for country, _, name, *_ in rows}


def test_all_zones_of_the_five_countries_have_an_offset_that_every_vendor_takes() -> None:
    found = {name: zone_named(name) for name, country in zones_of_countries().items()
             if country in FIVE}  # fmt: skip
    assert len(found) > 30
    assert all(zone.offset_minutes % 15 == 0 for zone in found.values())
    assert found["Asia/Tbilisi"].hours == "+4"
    assert found["Asia/Tehran"].hours == "+3:30"
    assert found["Europe/Moscow"].offset_minutes == 180
    assert found["Asia/Almaty"].summer is None


def test_nearly_every_zone_of_the_world_can_be_told() -> None:
    untold = set()
    for name in zones_of_countries():
        try:
            zone_named(name)
        except ValueError:
            untold.add(name)
    assert untold <= {"America/Nuuk", "America/Scoresbysund", "Africa/Casablanca"}


def test_rules_of_summer_time_are_read() -> None:
    assert zone_of("GMT0BST,M3.5.0/1,M10.5.0") == Zone(
        "GMT0BST,M3.5.0/1,M10.5.0", 0, Summer(Change(3, 5, 0, 60), Change(10, 5, 0, 120), 60)
    )
    lord_howe = zone_of("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0")
    assert lord_howe.offset_minutes == 630
    assert lord_howe.summer is not None and lord_howe.summer.saved_minutes == 30
    assert zone_of("EST5EDT,M3.2.0,M11.1.0").hours == "-5"


@pytest.mark.parametrize("text", ["", "Asia/Tbilisi", "<+04", "EST5EDT,J60,J300", "X0"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone_of(text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="Mars"):
        zone_named("Mars/Olympus")
