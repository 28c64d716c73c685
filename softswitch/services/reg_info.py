"""The registration package (RFC 3680): the registered phones of a line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sip.grammar import text
from sip.registrar import Binding
from sip.subscription import Package
from softswitch.services.markup import characters, document, element

PACKAGE = Package(
    b"reg",
    b"application/reginfo+xml",
    default_expires=3761,  # section 4.4
    rest_seconds=5.0,  # section 4.10
)


def reg_info(aor: str, bindings: Sequence[Binding], version: int, now: float) -> bytes:
    """The full state of an address of record; contacts that are gone are no longer in it.

    Args:
        now: epoch seconds.
    """
    state = "active" if bindings else "init"
    registration = element(
        "registration",
        {"aor": aor, "id": _id(aor.encode("utf-8", "replace")), "state": state},
        *(_contact(binding, now) for binding in bindings),
    )
    attributes = {
        "xmlns": "urn:ietf:params:xml:ns:reginfo",
        "version": str(version),
        "state": "full",
    }
    return document(element("reginfo", attributes, registration))


def _contact(binding: Binding, now: float) -> str:
    attributes = {
        "id": _id(binding.contact),
        "state": "active",
        "event": "registered",
        "duration-registered": str(max(0, round(now - binding.registered_at))),
        "expires": str(max(0, round(binding.expires_at - now))),
        "q": f"{binding.q:.3g}",
    }
    return element("contact", attributes, element("uri", {}, characters(text(binding.contact))))


def _id(data: bytes) -> str:
    """A unique id, the same in each document (RFC 3680 section 5.2)."""
    return hashlib.blake2s(data, digest_size=8).hexdigest()
