"""The digest secrets that follow from a device's token, by the names of their columns."""

from __future__ import annotations

from collections.abc import Iterable

from sip.digest import ha1
from softswitch.provisioning.tokens import password_of
from softswitch.subscribers.device_credentials_store import COLUMNS


def digest_secrets(token: str, usernames: Iterable[str], realm: str) -> dict[str, dict[str, str]]:
    """HA1 of each algorithm for each username of a device."""
    return {
        username: {
            column: ha1(algorithm, username, realm, password_of(token, username))
            for algorithm, column in COLUMNS.items()
        }
        for username in usernames
    }
