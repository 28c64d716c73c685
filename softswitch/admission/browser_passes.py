"""Passes: credentials of some minutes with which a page of the cabinet registers as a line's phone.

Nothing is stored: the username says whose the pass is and when it ends, and the password is made of
the username by a secret of the switch, which can so make it again. The line's own password is never
given to a page.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from sip.digest import Algorithm, ha1

PASS_SECONDS = 1800
_USERNAME = re.compile(r"(.{1,64})~([0-9a-f]{8})~([0-9a-f]{16})")
_PASSWORD_OCTETS = 24


class Pass(NamedTuple):
    """The digest username and password of a pass, and the epoch second at which it ends."""

    username: str
    password: str
    ends_at: int


class BrowserPasses:
    """Makes passes, and knows them again.

    Args:
        secret: of the switch.
        realm: of its digest challenges.
    """

    def __init__(self, secret: bytes, realm: str) -> None:
        self._key = hashlib.sha256(b"browser passes" + secret).digest()
        self._realm = realm

    def issue(self, login: str, wall_seconds: float, drawn: bytes) -> Pass:
        """A new pass of a line.

        Args:
            drawn: eight random octets, so that no two passes are alike.
        """
        ends_at = int(wall_seconds) + PASS_SECONDS
        username = f"{login}~{ends_at:08x}~{drawn.hex()}"
        return Pass(username, self._password(username), ends_at)

    def proof(
        self, username: str, wall_seconds: float
    ) -> tuple[str, Mapping[Algorithm, str]] | None:
        """The login that a pass is for, and the HA1 of each algorithm; None for a username that is
        no pass, or whose time is over."""
        found = _USERNAME.fullmatch(username)
        if found is None or int(found[2], 16) <= wall_seconds:
            return None
        password = self._password(username)
        return found[1], {
            algorithm: ha1(algorithm, username, self._realm, password) for algorithm in Algorithm
        }

    def _password(self, username: str) -> str:
        made = hmac.digest(self._key, username.encode("utf-8", "surrogateescape"), "sha256")
        return base64.urlsafe_b64encode(made[:_PASSWORD_OCTETS]).decode("ascii")
