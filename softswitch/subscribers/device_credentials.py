"""Digest credentials of devices: a line has several, each with a username and password of its own.

A stolen phone is shut by the removal of its credentials; the line's other phones go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sip.digest import Algorithm


class PushAddress(NamedTuple):
    """The address by which an app's push service wakes it for a call."""

    app: str
    token: str
    selector: str


@dataclass(frozen=True, slots=True)
class DeviceCredentials:
    """The credentials by which one device proves a line."""

    username: str
    """The digest username; the address of record remains the line's."""
    secrets: tuple[Mapping[Algorithm, str], ...]
    """HA1 of each algorithm, for each password that is good: two while the device changes from one
    to the next."""
    push_addresses: tuple[PushAddress, ...] = ()
    """Those of an app that has reported some."""


def shut_usernames(
    before: Iterable[DeviceCredentials], after: Collection[DeviceCredentials]
) -> frozenset[str]:
    """The usernames of devices none of whose passwords is good any more."""
    kept = {device.username: device.secrets for device in after}
    return frozenset(
        device.username
        for device in before
        if not any(secrets in kept.get(device.username, ()) for secrets in device.secrets)
    )
