"""The Contacts of a REGISTER: what a phone asks to have registered (RFC 3261 section 10.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from sip import grammar
from sip.errors import ParseError
from sip.grammar import octets
from sip.headers import NameAddr, read_contacts, split_list
from sip.message import Request
from sip.uri import Uri

MAX_CONTACT_BYTES = 512


class Contact(Struct, frozen=True, gc=False):
    """One Contact as a phone writes it."""

    uri: bytes
    expires: int | None
    """None: missing or malformed."""
    q: float
    instance: str | None
    reg_id: int | None


def plain_contact(request: Request) -> bytes | None:
    """The URI of the only Contact, if that is a URI which the full grammar reads and writes as it
    stands, and nothing else; None: :func:`contacts_of` has them."""
    uri = request.plain_target
    # The full grammar writes hosts in lower case, and ports without leading zeros.
    if uri is None or len(uri) > MAX_CONTACT_BYTES or not uri.islower() or ":0" in uri:
        return None
    return uri.encode("ascii")


def contacts_of(request: Request) -> Sequence[Contact]:
    """All Contacts, where :func:`plain_contact` finds none; "*" gives none.

    Raises:
        ParseError: 400, one is malformed, too long, or no SIP URI.
    """
    value = request.values.get(b"contact")
    if value is None:
        return ()
    if len(value) > MAX_CONTACT_BYTES or (
        request.repeated is not None and b"contact" in request.repeated
    ):
        return list(map(_contact, request.contacts))
    return _contacts_in(value)


@lru_cache(maxsize=1024)  # a phone writes the same line at each registration
def _contacts_in(value: bytes) -> Sequence[Contact]:
    return tuple(map(_contact, read_contacts(split_list(value))))


def _contact(contact: NameAddr) -> Contact:
    uri, params = bytes(contact.uri), contact.params
    if len(uri) > MAX_CONTACT_BYTES or contact.uri.scheme not in ("sip", "sips"):
        raise ParseError("Contact can't be registered")
    asked, instance, reg_id = params.get("expires"), params.get("+sip.instance"), None
    if instance is not None:
        reg_id = grammar.number(octets(params.get("reg-id") or ""), 2**31 - 1) or None
    expires = None if asked is None else grammar.number(octets(asked))
    return Contact(uri, expires, _q(contact), instance, reg_id)


def _q(contact: NameAddr) -> float:
    """qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); 1 when it isn't one."""
    whole, _, fraction = (contact.params.get("q") or "1").partition(".")
    if whole not in ("0", "1") or len(fraction) > 3 or not (fraction + "0").isdecimal():
        return 1.0
    if not fraction.isascii():
        return 1.0
    return min(1.0, int(whole) + int((fraction + "000")[:3]) / 1000)


def same_contact(one: bytes, other: bytes) -> bool:
    """True if two Contact URIs name the same address by RFC 3261 section 19.1.4: the order of
    parameters, escapes and the case of the host don't matter, nor does a parameter that one of them
    has and that no rule names."""
    return one == other or _read(one).equivalent(_read(other))


@lru_cache(maxsize=1024)
def _read(contact: bytes) -> Uri:
    return Uri.parse(contact)
