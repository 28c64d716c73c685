"""Requests of phones and apps: which device asks, by its own word, and for which file."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from softswitch.provisioning.device import Kind, Phone, mac_of

What = Literal["configuration", "master", "phone_book", "firmware", "upload", "nothing"]
"""The file that is asked for. `master`: Poly's list of files; `upload`: a log that a phone sends;
`nothing`: a file that this switch doesn't have, for which phones ask on their way."""

_MAC = r"[0-9A-Fa-f]{2}(?::?[0-9A-Fa-f]{2}){5}"
_AGENTS: tuple[tuple[Phone, re.Pattern[str]], ...] = (
    (
        "yealink",
        re.compile(
            r"(?:yealink[ -])?(?:SIP(?: VP)?-)?(?P<model>(?<=[ -])\w+|CP\d+|W\d+\w|VP\d+\w?)"
            rf"\s+(?P<version>[\d.]+)(?:\s+(?:(?P<mac>{_MAC})|[\d.]+))?",
            re.IGNORECASE,
        ),
    ),
    (
        "grandstream",
        re.compile(
            r"Grandstream (?:Model HW )?(?P<model>\w+)(?:\s+V\S+)? "
            r"(?:SW (?P<version>\S+)|\(\S+:(?P<old>[\d.]+)/\S+\)) "
            rf"DevId (?P<mac>{_MAC})"
        ),
    ),
    (
        "snom",
        re.compile(
            r".*\bsnom(?P<model>\w+)-SIP (?P<version>[\d.]+)"
            rf"(?:.* (?P<mac>{_MAC})(?=[ );]))?.*"
        ),
    ),
    ("fanvil", re.compile(rf"Fanvil (?P<model>[\w-]+) (?P<version>[\d.]+) (?P<mac>{_MAC})")),
    (
        "poly",
        re.compile(r"FileTransport Poly(?:com)?\w*-(?P<model>\w+)-UA/(?P<version>[\d.]+).*"),
    ),
    (
        "cisco_spa",
        re.compile(
            r"(?:Cisco|Linksys)/(?P<model>SPA-?\w+|PAP\w+|ATA\w+)-(?P<version>\S+) "
            rf"(?:\((?P<mac>{_MAC})\))?(?:\(\w+\))?"
        ),
    ),
)

_PHONE_BOOKS = frozenset({"phonebook.xml", "gs_phonebook.xml"})
_MASTER = re.compile(r"(?P<mac>[0-9a-f]{12})\.cfg")
_NAMES: dict[Phone, re.Pattern[str]] = {
    "yealink": re.compile(r"(?P<mac>[0-9a-f]{12})\.cfg"),
    "grandstream": re.compile(r"cfg(?P<mac>[0-9a-f]{12})\.xml"),
    "snom": re.compile(r"(?P<mac>[0-9a-f]{12})\.(?:xml|htm)|snom\w+-(?P<other>[0-9a-f]{12})\.htm"),
    "fanvil": re.compile(r"(?P<mac>[0-9a-f]{12})\.(?:cfg|xml)"),
    "poly": re.compile(r"phone(?P<mac>[0-9a-f]{12})\.cfg"),
    "cisco_spa": re.compile(r"(?:spa)?(?P<mac>[0-9a-f]{12})\.(?:xml|cfg)"),
}
"""Names of configurations, in lower case."""
_NAMELESS: dict[Phone, re.Pattern[str]] = {
    "snom": re.compile(r"(?:snom\w+\.(?:htm|xml))?"),
    "cisco_spa": re.compile(r"spa\w{3,8}\.cfg"),
}
"""Names of configurations without a MAC, which such a phone shows elsewhere."""
_POLY_DIRECTORY = re.compile(r"(?P<mac>[0-9a-f]{12})-directory\.xml")
_POLY_LOG = re.compile(r"(?P<mac>[0-9a-f]{12})-(?:app|boot)\.log")
_APP_FILES = frozenset({"", "linphone.xml", "zoiper.xml", "acrobits.xml"})
_FIRMWARE = re.compile(r"firmware/[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


class Agent(Struct, frozen=True):
    """The User-Agent of a desk phone, read."""

    kind: Phone
    model: str
    version: str
    mac: str | None


class Asked(Struct, frozen=True):
    """The file that is asked for, and every MAC that the request shows."""

    what: What
    macs: frozenset[str]
    name: str = ""
    """Of a firmware file."""


def read_agent(user_agent: str) -> Agent | None:
    """The phone behind a User-Agent; None: it is no desk phone that we know."""
    for kind, pattern in _AGENTS:
        if (found := pattern.fullmatch(user_agent.strip()[:256])) is not None:
            parts = found.groupdict()
            model = parts["model"].replace("_", "") if kind == "poly" else parts["model"]
            version = parts["version"] or parts.get("old") or ""
            mac = parts.get("mac")
            return Agent(kind, model, version, None if mac is None else mac_of(mac))
    return None


def ask(kind: Kind, method: str, file: str, user_agent: str, query_mac: str | None = None) -> Asked:
    """The file that a device asks for.

    Args:
        kind: of the device that the URL's token names.
        file: the path behind the token.
        query_mac: the value of `mac` in the URL's query, as old Snom phones have it.
    """
    agent = read_agent(user_agent)
    macs = {agent.mac} if agent is not None and agent.mac is not None else set()
    if query_mac is not None and (given := mac_of(query_mac)) is not None:
        macs.add(given)
    if kind == "acrobits" or kind == "linphone" or kind == "zoiper" or kind == "other":
        known = method == "GET" and file in _APP_FILES
        return Asked("configuration" if known else "nothing", frozenset(macs))
    what, named = _file_of(kind, method, file)
    if named is not None:
        macs.add(named)
    return Asked(
        what, frozenset(macs), file.removeprefix("firmware/") if what == "firmware" else ""
    )


def _file_of(kind: Phone, method: str, file: str) -> tuple[What, str | None]:
    """The file by its name, and the MAC in the name."""
    name = file.lower()
    if method == "PUT":
        log = _POLY_LOG.fullmatch(name) if kind == "poly" else None
        return ("nothing", None) if log is None else ("upload", log["mac"])
    if name in _PHONE_BOOKS:
        return "phone_book", None
    if _FIRMWARE.fullmatch(file) is not None:
        return "firmware", None
    if (found := _NAMES[kind].fullmatch(name)) is not None:
        return "configuration", next(mac for mac in found.groups() if mac is not None)
    if kind == "poly":
        if (found := _MASTER.fullmatch(name)) is not None:
            return "master", found["mac"]
        if (found := _POLY_DIRECTORY.fullmatch(name)) is not None:
            return "phone_book", found["mac"]
    nameless = _NAMELESS.get(kind)
    if nameless is not None and nameless.fullmatch(name) is not None:
        return "configuration", None
    return "nothing", None
