"""The phone book of a device, the lines of its account, in the formats of the vendors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from softswitch.provisioning.device import Holder, Kind
from softswitch.provisioning.escaping import element, xml

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Entry(NamedTuple):
    """A name and a number."""

    name: str
    number: str


def entries_of(holders: Sequence[Holder]) -> list[Entry]:
    """The lines of an account as entries, in the order of their names."""
    entries = (Entry(holder.display_name or holder.number, holder.number) for holder in holders)
    return sorted(entries, key=lambda entry: (entry.name.casefold(), entry.number))


def phone_book(kind: Kind, title: str, entries: Sequence[Entry]) -> bytes:
    """The octets of a phone book."""
    match kind:
        case "yealink":
            return _directory("YealinkIPPhoneDirectory", "", entries)
        case "fanvil":
            return _directory("FanvilIPPhoneDirectory", "", entries)
        case "cisco_spa":
            head = f"{element('Title', title)}{element('Prompt', title)}\n"
            return _directory("CiscoIPPhoneDirectory", head, entries)
        case "grandstream":
            return _address_book(entries)
        case "poly":
            return _contacts(entries)
        case _:
            return _snom_directory(title, entries)


def _directory(root: str, head: str, entries: Sequence[Entry]) -> bytes:
    """The form that Yealink, Fanvil and Cisco have in common."""
    listed = "".join(
        f"<DirectoryEntry>{element('Name', entry.name)}"
        f"{element('Telephone', entry.number)}</DirectoryEntry>\n"
        for entry in entries
    )
    return f"{_HEAD}<{root}>\n{head}{listed}</{root}>\n".encode()


def _address_book(entries: Sequence[Entry]) -> bytes:
    listed = "".join(
        f"<Contact>{element('FirstName', entry.name)}{element('LastName', '')}"
        f"<Phone>{element('phonenumber', entry.number)}{element('accountindex', '0')}</Phone>"
        "</Contact>\n"
        for entry in entries
    )
    return f"{_HEAD}<AddressBook>\n{listed}</AddressBook>\n".encode()


def _contacts(entries: Sequence[Entry]) -> bytes:
    listed = "".join(
        f"<item>{element('fn', entry.name)}{element('ct', entry.number)}</item>\n"
        for entry in entries
    )
    return f"{_HEAD}<directory><item_list>\n{listed}</item_list></directory>\n".encode()


def _snom_directory(title: str, entries: Sequence[Entry]) -> bytes:
    listed = "".join(
        f"<DirectoryEntry>{element('Name', entry.name)}"
        f"{element('Telephone', entry.number)}</DirectoryEntry>\n"
        for entry in entries
    )
    return (
        f"{_HEAD}<SnomIPPhoneDirectory><Title>{xml(title)}</Title>\n{listed}"
        "</SnomIPPhoneDirectory>\n"
    ).encode()
