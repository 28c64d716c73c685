"""The POSIX string of a time zone, read from its file (RFC 8536) in the package tzdata."""

from __future__ import annotations

from functools import cache
from importlib import resources

from softswitch.provisioning.zones import Zone, zone_of


@cache
def zone_named(name: str) -> Zone:
    """The zone with an IANA name such as "Asia/Tbilisi". Raises ValueError for an unknown one."""
    file = resources.files("tzdata") / "zoneinfo" / name
    try:
        content = file.read_bytes()
    except OSError:
        raise ValueError(f"there is no time zone {name!r}") from None
    # The footer of a file of version 2 and later stands between its last two newlines.
    return zone_of(content.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii"))
