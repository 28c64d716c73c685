"""Documents encrypted at rest: AES-256-GCM, each by a key of its own that a master key wraps.

The wrapped key stands beside the content in the database, the master key in a file: a copy of the
database alone shows no document. Both are bound to the account and to the content's hash, so that
no document can be put in another's place.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_OCTETS = 32
NONCE_OCTETS = 12
ID_OCTETS = 4


class SealBroken(Exception):
    """The content isn't what was sealed for this account."""


class KeyMissing(Exception):
    """None of the master keys is the one that wrapped this document's key."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document's content at rest.

    Args:
        key: the master key's id (four octets), a nonce, and the wrapped key; empty: the content
            isn't encrypted.
        content: a nonce and the ciphertext.
    """

    key: bytes
    content: bytes

    @property
    def is_clear(self) -> bool:
        return not self.key


def new_key() -> bytes:
    return secrets.token_bytes(KEY_OCTETS)


def key_id(master: bytes) -> bytes:
    """The public name of a master key."""
    return hashlib.sha256(b"softswitch documents" + master).digest()[:ID_OCTETS]


def sealed(content: bytes, masters: Sequence[bytes], bound: bytes) -> Sealed:
    """Content encrypted under the first of the master keys.

    Args:
        bound: names the account and the content; the same is needed to open it.
    """
    key = new_key()
    return Sealed(_wrapped(key, masters[0], bound), _encrypted(content, key, bound))


def opened(found: Sealed, masters: Sequence[bytes], bound: bytes) -> bytes:
    """The content. Raises KeyMissing and SealBroken."""
    if found.is_clear:
        return found.content
    return _decrypted(found.content, _unwrapped(found.key, masters, bound), bound)


def wrapped_anew(found: Sealed, masters: Sequence[bytes], bound: bytes) -> Sealed:
    """The same with its key under the first of the master keys; clear content is encrypted. Raises
    KeyMissing and SealBroken."""
    if found.is_clear:
        return sealed(found.content, masters, bound)
    key = _unwrapped(found.key, masters, bound)
    return Sealed(_wrapped(key, masters[0], bound), found.content)


def _wrapped(key: bytes, master: bytes, bound: bytes) -> bytes:
    return key_id(master) + _encrypted(key, master, bound)


def _unwrapped(wrapped: bytes, masters: Sequence[bytes], bound: bytes) -> bytes:
    for master in masters:
        if wrapped.startswith(key_id(master)):
            return _decrypted(wrapped[ID_OCTETS:], master, bound)
    raise KeyMissing


def _encrypted(clear: bytes, key: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_OCTETS)
    return nonce + AESGCM(key).encrypt(nonce, clear, bound)


def _decrypted(octets: bytes, key: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(octets[:NONCE_OCTETS], octets[NONCE_OCTETS:], bound)
    except (InvalidTag, ValueError):
        raise SealBroken from None
