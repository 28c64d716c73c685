"""Names that people choose stay values, whatever is in them."""

from __future__ import annotations

import configparser
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import settings as chosen
from hypothesis import strategies as st

from softswitch.provisioning import acrobits, apps, vendors
from softswitch.provisioning.device import PHONES, Holder, Phone
from softswitch.provisioning.phone_book import entries_of, phone_book
from tests.softswitch.provisioning.devices import settings

PIECES = (
    "\r\n", "\n#!version:1.0.0.1\n", "]]>", "%NULL%", "%null%", "%%NULL%NULL%", "<!--", "-->",
    "&amp;", "</settings>", '"', "'", "<", "&", "=", "account.1.password = stolen", "\u2028",
    "\x85", "\x00", "#", ";", "[", "\ud800", "\ufffe", "ნინო", "نینو", " ",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=8).map("".join)


@chosen(max_examples=40)
@given(NAMES)
def test_yealinks_settings_are_as_many_and_only_names_differ(name: str) -> None:
    def read(shown: str) -> dict[str, str]:
        text = vendors.configuration("yealink", settings(name=shown))[1].decode()
        assert not [line for line in text.split("\n")[1:] if line.startswith("#")]
        parser = configparser.RawConfigParser(strict=True, delimiters=("=",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string("[all]\n" + text.partition("\n")[2])
        return dict(parser["all"])

    plain, found = read("Nino"), read(name)
    assert found.keys() == plain.keys()
    named = {"account.1.label", "account.1.display_name", "linekey.1.label"}
    assert {key for key in plain if plain[key] != found[key]} <= named
    assert not any("%null%" in found[key].lower() for key in named)


@pytest.mark.parametrize("kind", [kind for kind in PHONES if kind != "yealink"])
@chosen(max_examples=40)
@given(name=NAMES)
def test_elements_and_attributes_of_xml_are_as_many(kind: Phone, name: str) -> None:
    def shape(shown: str) -> list[tuple[str, list[str]]]:
        root = ET.fromstring(vendors.configuration(kind, settings(kind, name=shown))[1])
        return [(each.tag, sorted(each.keys())) for each in root.iter()]

    assert shape(name) == shape("Nino")


@chosen(max_examples=40)
@given(NAMES)
def test_apps_read_the_same_elements(name: str) -> None:
    for write in (apps.linphone, apps.zoiper, acrobits.account_xml):
        plain, found = (
            [each.tag for each in ET.fromstring(write(settings("acrobits", name=shown))).iter()]
            for shown in ("Nino", name)
        )
        assert found == plain


@chosen(max_examples=40)
@given(NAMES)
def test_phone_books_have_an_entry_for_each_line(name: str) -> None:
    holders = [Holder(n, f"+99532200000{n}", "x", name, None, None, None) for n in (1, 2)]
    for kind in PHONES:
        root = ET.fromstring(phone_book(kind, name, entries_of(holders)))
        tags = {"Telephone", "phonenumber", "ct"}
        numbers = [each.text for each in root.iter() if each.tag in tags]
        assert numbers == ["+995322000001", "+995322000002"]
