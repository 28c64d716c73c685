"""Which caller id the called side sees: what the switch allows, never what the caller claims."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sip.message import Request
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.numbering import NumberError, NumberPlan
from softswitch.admission.routing import Route

ANONYMOUS = b'"Anonymous" <sip:anonymous@anonymous.invalid>'
"""RFC 3323 section 4.1.1.3."""

_USER = re.compile(rb"[0-9A-Za-z.+_-]{1,64}")


@dataclass(frozen=True, slots=True)
class PresentedRoute:
    """A route with the identity that goes with the call."""

    route: Route
    calling: str
    """Who really calls: E.164, or what the trunk sent."""
    presented: str | None
    """What is shown; None when withheld."""
    display_name: str = ""


def present(
    caller: Caller, destination: Route, request: Request, plan: NumberPlan
) -> PresentedRoute:
    """Decide the caller id."""
    if isinstance(caller, LineCaller):
        line = caller.line
        shown = None if _withheld(request) else line.number
        return PresentedRoute(destination, line.number, shown, line.display_name)
    calling = _trunk_number(request, plan)
    shown = None if _withheld(request) or not calling else calling
    return PresentedRoute(destination, calling, shown)


def _withheld(request: Request) -> bool:
    """RFC 3323 section 4.2: "id" and "user" in Privacy, in any case, ask for it."""
    values = b";".join(request.get_all(b"privacy")).lower()
    asked = {value.strip() for value in re.split(rb"[;,]", values)}
    return bool(asked & {b"id", b"user", b"full"})


def _trunk_number(request: Request, plan: NumberPlan) -> str:
    """The caller's number as a trunk gave it, in E.164 if it can be read so; "" if there is none.

    A trunk is inside the trust domain, so P-Asserted-Identity comes before From (RFC 3325).
    """
    user = _asserted_user(request) or request.from_.uri.user or ""
    try:
        dialled = plan.read(user)
    except NumberError:
        encoded = user.encode("utf-8", "surrogateescape")
        return user if _USER.fullmatch(encoded) and user != "anonymous" else ""
    return dialled.number


def _asserted_user(request: Request) -> str | None:
    identities = request.get_list(b"p-asserted-identity")
    if not identities:
        return None
    from sip.headers import NameAddr

    return NameAddr.parse(identities[0]).uri.user


def from_field(presented: str | None, display_name: str, domain: bytes) -> bytes:
    """The From of the outgoing leg, without tag, built from what admission decided alone."""
    if presented is None:
        return ANONYMOUS
    uri = b"<sip:%s@%s>" % (presented.encode("ascii"), domain)
    if not display_name:
        return uri
    return b'"%s" %s' % (_quoted(display_name), uri)


def _quoted(text: str) -> bytes:
    """The inside of a quoted-string (RFC 3261 section 25.1); control characters are masked."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "replace")
