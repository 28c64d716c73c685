"""Caller id: the number that the called side sees is the switch's decision, never the caller's
claim.

Trusted trunks are in our trust domain (RFC 3325): only their assertions count, and only they
receive the number of a caller who withholds it. Lines are never in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct, structs

from sip.fields import Fields
from sip.headers import NameAddr
from sip.message import Request
from softswitch.admission.authentication import Caller, LineCaller
from softswitch.admission.countries import country_of
from softswitch.admission.numbering import NumberError, NumberPlan
from softswitch.admission.routing import Route, ToTrunk
from softswitch.subscribers.directory import Line, Trunk
from softswitch.subscribers.rented import RentedNumbers

ANONYMOUS = b'"Anonymous" <sip:anonymous@anonymous.invalid>'
"""RFC 3323 section 4.1.1.3."""

_DIGITS = re.compile(r"\+?[0-9]+")
_USER = re.compile(rb"[0-9A-Za-z.+_-]{1,64}")


WITHHELD: Fields = ((b"Privacy", b"id"),)
"""The field that tells every peer that the number is withheld (RFC 3325 section 9.3)."""


class Identity(Struct, frozen=True):
    """The caller id of a party: the true number, and the number that is shown."""

    presented: str | None
    """The number that is shown; None when withheld or unknown."""
    display_name: str
    asserted: str
    """The true number, for peers in our trust domain; "" when unknown."""


NOBODY = Identity(None, "", "")
NONE_RENTED = RentedNumbers()


class PresentedRoute(Struct, frozen=True):
    """A route with the identity that goes with the call."""

    route: Route
    calling: str
    """The true calling number: E.164, or as the trunk sent it."""
    identity: Identity
    """The identity that the called side sees: of the caller, or of the party whose call was
    forwarded."""
    rule: str = ""
    """The rule that decided the shown number."""
    claimed: bool = False
    """True if `calling` is the unproven claim of an untrusted trunk, whose number is not shown."""

    @property
    def presented(self) -> str | None:
        """The number that is shown; None when withheld."""
        return self.identity.presented


def present(
    caller: Caller,
    destination: Route,
    request: Request,
    plan: NumberPlan,
    rented: RentedNumbers = NONE_RENTED,
    withheld: bool | None = None,
    is_own: Callable[[str], bool] = lambda number: False,
) -> PresentedRoute:
    """Decide the caller id.

    Args:
        rented: the rented numbers with their owners.
        withheld: the presentation that the caller dialled for this call; None: none was dialled.
        is_own: True if a number is one of this switch's lines.
    """
    if isinstance(caller, LineCaller):
        line = caller.line
        identity, rule = _of_line(line, destination, request, rented, withheld)
        return PresentedRoute(destination, line.number, identity, rule)
    calling = trunk_number(caller.trunk, request, plan)
    if not caller.trunk.trusted:
        why = _why_untrusted(caller.trunk, calling, request, is_own)
        if why is not None:
            return PresentedRoute(destination, calling, NOBODY, why, claimed=bool(calling))
    shown = None if _withheld(request) or not calling else calling
    rule = "the trunk withholds it" if shown is None else "as the trunk says"
    return PresentedRoute(destination, calling, Identity(shown, "", calling), rule)


def present_onward(presented: PresentedRoute, person: Identity) -> PresentedRoute:
    """The caller id of a leg that a line adds to a call: the person who will talk. Emergency
    services receive that person's number, or the line's if there is none."""
    route = presented.route
    if route.emergency:
        known = structs.replace(person, presented=person.asserted)
        person = known if person.asserted else presented.identity
    return structs.replace(presented, identity=person)


def identity_of(line: Line) -> Identity:
    """The identity of a called line, shown to a party that is joined with it later."""
    shown = None if line.services.withholds_number else line.number
    return Identity(shown, line.display_name, line.number)


def identity_of_number(number: str) -> Identity:
    """The identity of a number outside that was called."""
    return Identity(number or None, "", number)


def _of_line(
    line: Line,
    destination: Route,
    request: Request,
    rented: RentedNumbers,
    withheld: bool | None,
) -> tuple[Identity, str]:
    """The identity that a calling line shows, and the rule for it: the first that fits."""
    own = Identity(line.number, line.display_name, line.number)
    if destination.emergency:
        # A caller who dials an emergency number may not be able to say where they are.
        return own, "emergency calls always show the line's number"
    why = _why_withheld(line, request, withheld)
    if why is not None:
        return structs.replace(own, presented=None), why
    if not isinstance(destination, ToTrunk):
        return own, "lines of this switch see the line's number"
    add_on = line.services.chosen("caller_id")
    if add_on is not None and add_on.numbers:
        return _of_add_on(line, add_on.numbers[0], destination.number, rented)
    if rented.get(line.number) is not None:
        return NOBODY, "a rented number isn't shown without caller_id"
    return own, "the line's number"


def _of_add_on(line: Line, number: str, called: str, rented: RentedNumbers) -> tuple[Identity, str]:
    """The identity of a rented number: shown in its own country, withheld in every other (E9).
    Trusted trunks don't receive the line's number either: the owner calls as the rented number or
    anonymously."""
    owned = rented.get(number)
    if owned is None or owned.account_id != line.account_id:
        return NOBODY, f"caller_id: {number} isn't rented by the line's account any more"
    here, there = country_of(number), country_of(called)
    if here is None or here != there:
        return NOBODY, f"caller_id: {number} ({here}) isn't shown in {there or 'no known country'}"
    return Identity(number, line.display_name, number), f"caller_id: {number} is shown in {here}"


def _why_withheld(line: Line, request: Request, withheld: bool | None) -> str | None:
    """The reason for which a line's number is withheld; None if it is shown. A prefix dialled for
    this call precedes the phone's Privacy field, and that precedes the line's setting."""
    if withheld is not None:
        return "withheld for this call" if withheld else None
    if _withheld(request):
        return "the phone withholds it"
    if line.services.withholds_number:
        return "withhold_number is on for the line"
    return None


def _withheld(request: Request) -> bool:
    """True if Privacy has "id" or "user" in any case (RFC 3323 section 4.2), or From is
    anonymous."""
    uri = request.from_uri
    if uri.host == "anonymous.invalid" or (uri.user or "").lower() == "anonymous":
        return True
    if b"privacy" not in request.values:
        return False
    values = b";".join(request.get_all(b"privacy")).lower()
    asked = {value.strip() for value in re.split(rb"[;,]", values)}
    return bool(asked & {b"id", b"user", b"full"})


def _why_untrusted(
    trunk: Trunk, calling: str, request: Request, is_own: Callable[[str], bool]
) -> str | None:
    """The reason for which a number from an untrusted trunk is not shown; None if it is shown."""
    if not calling or _withheld(request):
        return "the trunk withholds it"
    if is_own(calling) and not _is_diverted(request):
        return "an untrusted trunk presents a number of this switch"
    if trunk.caller_id != "any" and _DIGITS.fullmatch(calling) is None:
        return "what the trunk sends is no number"
    return None


def _is_diverted(request: Request) -> bool:
    """True if the call was diverted: a call of ours may come back forwarded, with our line as its
    caller (RFC 5806, RFC 7044)."""
    return any(request.get(name) is not None for name in (b"diversion", b"history-info"))


def trunk_number(trunk: Trunk, request: Request, plan: NumberPlan) -> str:
    """The caller's number as a trunk gave it, in E.164 if it can be read so; "" if there is none.

    A trusted trunk's P-Asserted-Identity comes before From; another's is worth nothing.
    """
    asserted = _asserted_user(request, plan) if trunk.trusted else None
    user = asserted or request.from_uri.user or ""
    if not trunk.trusted and _withheld(request) and not _is_number(user, plan):
        # The number that it asserts for a withheld caller is a claim, kept for the trace of
        # malicious calls alone.
        user = _asserted_user(request, plan) or user
    try:
        dialled = plan.read(user)
    except NumberError:
        encoded = user.encode("utf-8", "surrogateescape")
        return user if _USER.fullmatch(encoded) and user != "anonymous" else ""
    return dialled.number


def _asserted_user(request: Request, plan: NumberPlan) -> str | None:
    """The user part of P-Asserted-Identity. There may be two values, a `sip:` and a `tel:` URI (RFC
    3325 section 9.1), and the first may be a name: the one that is a number counts."""
    users = []
    for value in request.get_list(b"p-asserted-identity"):
        user = NameAddr.parse(value).uri.user
        if user is not None and _is_number(user, plan):
            return user
        users.append(user)
    return users[0] if users else None


def _is_number(user: str, plan: NumberPlan) -> bool:
    try:
        return plan.read(user).kind == "e164"
    except NumberError:
        return False


@lru_cache(maxsize=1024)  # a line shows the same in all its calls
def from_field(identity: Identity, domain: bytes) -> bytes:
    """From of the outgoing leg, without tag, made from the decided identity alone."""
    if identity.presented is None:
        return ANONYMOUS
    uri = _uri(identity.presented, domain)
    if not identity.display_name:
        return uri
    return b'"%s" %s' % (_quoted(identity.display_name), uri)


def privacy_fields(identity: Identity) -> Fields:
    """Privacy fields, which tell every peer that the number is withheld."""
    return WITHHELD if identity.presented is None else ()


def asserting_fields(identity: Identity, domain: bytes) -> Fields:
    """P-Asserted-Identity, for trusted trunks alone: the true number even if it is withheld (RFC
    3325 section 5)."""
    if not identity.asserted:
        return ()
    return ((b"P-Asserted-Identity", _uri(identity.asserted, domain)),)


def _uri(number: str, domain: bytes) -> bytes:
    return b"<sip:%s@%s>" % (number.encode("ascii"), domain)


def _quoted(text: str) -> bytes:
    """The inside of a quoted-string (RFC 3261 section 25.1); control characters are masked."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "replace")
