"""Credentials of a TURN server that end by themselves (draft-uberti-behave-turn-rest).

The switch and the server share a secret. The username says when it ends and whose it is, and the
password is made of the username by the secret: the server keeps nothing, and is asked nothing.
"""

from __future__ import annotations

import base64
import hmac
from typing import NamedTuple


class TurnCredentials(NamedTuple):
    """A username and its password."""

    username: str
    password: str


def turn_credentials(secret: str, name: str, ends_at: int) -> TurnCredentials:
    """The credentials of a user until an epoch second."""
    username = f"{ends_at}:{name}"
    made = hmac.digest(secret.encode(), username.encode(), "sha1")
    return TurnCredentials(username, base64.b64encode(made).decode("ascii"))
