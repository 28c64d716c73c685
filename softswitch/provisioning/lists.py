"""Zero touch: lists from which a new phone learns the URL of its configuration.

A phone out of the box asks DHCP (option 66, 43 or 160), or its vendor's redirect service, which has
a URL for each MAC. Each service imports a table; its columns differ by vendor.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from softswitch.provisioning.device import Phone


class Redirect(NamedTuple):
    """A phone and the one-time URL that it shall fetch."""

    kind: Phone
    mac: str
    url: str
    name: str


_COLUMNS: dict[Phone, tuple[str, ...]] = {
    "yealink": ("MAC", "Server URL", "Remark"),
    "grandstream": ("MAC Address", "Config Server Path", "Name"),
    "snom": ("mac", "setting_server", "label"),
    "fanvil": ("MAC", "Server Address", "Description"),
    "poly": ("MAC Address", "Provisioning Server", "Label"),
    "cisco_spa": ("MAC Address", "Profile Rule", "Description"),
}
_FILES: dict[Phone, str] = {"snom": "{mac}.xml", "cisco_spa": "$MA.xml"}
"""What a phone has to be told beside the folder, because it looks for no file by itself."""


def url_for(kind: Phone, folder: str) -> str:
    """The URL as it is typed into a phone, or into its vendor's service."""
    return folder + _FILES.get(kind, "")


def redirects_csv(kind: Phone, redirects: Sequence[Redirect]) -> str:
    """The table for a vendor's redirect service."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(_COLUMNS[kind])
    for each in redirects:
        table.writerow((each.mac.upper(), url_for(kind, each.url), _cell(each.name)))
    return written.getvalue()


def dhcp_csv(redirects: Sequence[Redirect]) -> str:
    """Reservations for a DHCP server: the MAC, and the URL as options 66 and 160."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(("mac", "option_66", "option_160", "name"))
    for each in redirects:
        mac = ":".join(each.mac[at : at + 2] for at in range(0, 12, 2))
        url = url_for(each.kind, each.url)
        table.writerow((mac, url, url, _cell(each.name)))
    return written.getvalue()


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
