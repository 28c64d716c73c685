"""Tokens: the secrets in provisioning URLs, and the passwords that follow from them.

A device's URL holds a token of 128 bits, of which only a hash is kept. The passwords of its
accounts are derived from the token, and of those only the digest secrets (HA1) are kept. So neither
the database nor a backup of it holds a secret by which a configuration can be read; and a device
that asks twice is given the same octets.
"""

from __future__ import annotations

import hashlib
import hmac

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Characters that no reader takes for one another: 4.95 bits each."""
TOKEN_LENGTH = 26
"""Of a permanent token: 128.8 bits."""
ENROLMENT_LENGTH = 16
"""Of a one-time token, which may have to be typed into a phone: 79 bits, good for a day at most."""
USERNAME_LENGTH = 12
PASSWORD_LENGTH = 22
"""108 bits; some phones cut longer passwords."""


def token_of(random: bytes, length: int = TOKEN_LENGTH) -> str:
    """A token made of random octets: as many characters as `length`, of 2 octets each."""
    if len(random) < 2 * length:
        raise ValueError(f"a token of {length} characters needs {2 * length} random octets")
    pairs = (int.from_bytes(random[2 * at : 2 * at + 2], "big") for at in range(length))
    return "".join(ALPHABET[pair % len(ALPHABET)] for pair in pairs)


def hash_of(token: str) -> str:
    """The hash under which a token is kept; it needs no salt, since tokens are random."""
    return hashlib.sha256(b"softswitch provisioning token " + token.encode()).hexdigest()


def password_of(token: str, username: str) -> str:
    """The password that a configuration fetched with this token has for a username."""
    message = b"password of " + username.encode("utf-8")
    drawn = hmac.digest(token.encode("ascii"), message, "sha512")
    return token_of(drawn, PASSWORD_LENGTH)
