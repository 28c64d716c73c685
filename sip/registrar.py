"""Bindings of addresses of record to phones (RFC 3261 section 10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sip import grammar
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.grammar import octets, text
from sip.headers import NameAddr
from sip.message import Request

MAX_CONTACT_BYTES = 512
MAX_USER_AGENT = 128


@dataclass(frozen=True, slots=True)
class RegistrarLimits:
    """Seconds of a binding, and how many an address of record may have."""

    min_expires: int = 60
    default_expires: int = 3600
    max_expires: int = 7200
    max_contacts: int = 10


@dataclass(frozen=True, slots=True)
class Binding:
    """One phone of an address of record; times are epoch seconds, for bindings outlive us."""

    aor: str
    contact: bytes
    """The Contact URI as the phone gave it."""
    call_id: str
    cseq: int
    q: float
    expires_at: float
    flow: Flow
    """Where the REGISTER came from: phones behind NAT are reached there."""
    instance: str | None
    user_agent: str
    registered_at: float
    path: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """What a REGISTER did."""

    bindings: tuple[Binding, ...]
    """All that are valid now."""
    added: tuple[Binding, ...] = ()
    refreshed: tuple[Binding, ...] = ()
    removed: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    """One Contact of a REGISTER."""

    uri: bytes
    expires: int
    q: float
    instance: str | None


class Registrar:
    """All bindings, in memory. A REGISTER takes effect whole or not at all (section 10.3)."""

    def __init__(self, limits: RegistrarLimits) -> None:
        self._limits = limits
        self._bindings: dict[str, dict[bytes, Binding]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._bindings.values()))

    def register(self, aor: str, request: Request, flow: Flow, now: float) -> Registration:
        """Apply a REGISTER of an authenticated line.

        Raises:
            SipError: 400 malformed, 403 too many contacts, 423 interval too brief, 500 out of
                order.
        """
        known = self._valid(aor, now)
        if request.contact_star:
            return self._unregister_all(aor, known, request)
        wishes = self._wishes(request)
        if not wishes:
            return Registration(tuple(self._ordered(known)))
        self._check_order(known, wishes, request)
        after = dict(known)
        added: list[Binding] = []
        refreshed: list[Binding] = []
        removed: list[Binding] = []
        for wish in wishes:
            for key in self._replaced(after, wish):
                gone = after.pop(key)
                if key != wish.uri:
                    removed.append(gone)
            if wish.expires == 0:
                if wish.uri in known:
                    removed.append(known[wish.uri])
                continue
            binding = self._binding(aor, wish, request, flow, now)
            (refreshed if wish.uri in known else added).append(binding)
            after[wish.uri] = binding
        if len(after) > self._limits.max_contacts:
            raise SipError(403, "Too Many Contacts")
        self._keep(aor, after)
        return Registration(
            tuple(self._ordered(after)), tuple(added), tuple(refreshed), tuple(removed)
        )

    def _unregister_all(
        self, aor: str, known: dict[bytes, Binding], request: Request
    ) -> Registration:
        """Contact: * (section 10.2.2); only alone, and only with Expires: 0."""
        if request.expires != 0:
            raise ParseError("Contact * needs Expires 0")
        self._check_order(known, [_Wish(uri, 0, 1.0, None) for uri in known], request)
        self._bindings.pop(aor, None)
        return Registration((), removed=tuple(known.values()))

    def _wishes(self, request: Request) -> list[_Wish]:
        """The last wish for each URI."""
        wishes = [self._wish(contact, request) for contact in request.contacts]
        return list({wish.uri: wish for wish in wishes}.values())

    def _wish(self, contact: NameAddr, request: Request) -> _Wish:
        uri = bytes(contact.uri)
        if len(uri) > MAX_CONTACT_BYTES or contact.uri.scheme not in ("sip", "sips"):
            raise ParseError("Contact can't be registered")
        asked = contact.params.get("expires")
        expires = None if asked is None else grammar.number(octets(asked))
        if expires is None:  # missing or malformed: the field, then our own (section 10.2.1.1)
            expires = request.expires
        if expires is None:
            expires = self._limits.default_expires
        if 0 < expires < self._limits.min_expires:
            minimum = b"%d" % self._limits.min_expires
            raise SipError(423, headers=((b"Min-Expires", minimum),))
        instance = contact.params.get("+sip.instance")
        return _Wish(uri, min(expires, self._limits.max_expires), _q(contact), instance)

    def _check_order(
        self, known: dict[bytes, Binding], wishes: list[_Wish], request: Request
    ) -> None:
        """Of one Call-ID, only a higher CSeq may change a binding (section 10.3 step 7)."""
        for wish in wishes:
            for key in self._replaced(known, wish):
                binding = known[key]
                if binding.call_id == request.call_id and request.cseq.number <= binding.cseq:
                    raise SipError(500, "CSeq Out Of Order")

    def _replaced(self, bindings: dict[bytes, Binding], wish: _Wish) -> list[bytes]:
        """Bindings that a Contact stands for: the same URI, or the same phone at another address
        (RFC 5626 section 6), so that a phone which moved isn't rung twice."""
        return [
            key
            for key, binding in bindings.items()
            if key == wish.uri or (wish.instance is not None and binding.instance == wish.instance)
        ]

    def _binding(self, aor: str, wish: _Wish, request: Request, flow: Flow, now: float) -> Binding:
        return Binding(
            aor,
            wish.uri,
            request.call_id,
            request.cseq.number,
            wish.q,
            now + wish.expires,
            flow,
            wish.instance,
            text(request.get(b"user-agent") or b"")[:MAX_USER_AGENT],
            now,
            tuple(request.get_list(b"path")),
        )

    def _keep(self, aor: str, bindings: dict[bytes, Binding]) -> None:
        if bindings:
            self._bindings[aor] = bindings
        else:
            self._bindings.pop(aor, None)

    def lookup(self, aor: str, now: float) -> list[Binding]:
        """Valid bindings: highest q first, then the newest."""
        return self._ordered(self._valid(aor, now))

    def all(self, now: float) -> list[Binding]:
        """Every valid binding."""
        return [b for held in self._bindings.values() for b in held.values() if b.expires_at > now]

    def expire(self, now: float) -> list[Binding]:
        """Remove, and return, what ran out."""
        gone = []
        for aor in list(self._bindings):
            valid = self._valid(aor, now)
            held = self._bindings[aor]
            if len(valid) != len(held):
                gone += [binding for uri, binding in held.items() if uri not in valid]
                self._keep(aor, valid)
        return gone

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over bindings of the time before a restart."""
        for binding in bindings:
            self._bindings.setdefault(binding.aor, {})[binding.contact] = binding

    def drop_flow(self, flow: Flow) -> list[Binding]:
        """Remove what was registered over a connection that is gone."""
        gone = []
        for aor, held in list(self._bindings.items()):
            kept = {uri: binding for uri, binding in held.items() if binding.flow != flow}
            gone += [binding for binding in held.values() if binding.flow == flow]
            if len(kept) != len(held):
                self._keep(aor, kept)
        return gone

    def _valid(self, aor: str, now: float) -> dict[bytes, Binding]:
        held = self._bindings.get(aor)
        if not held:
            return {}
        return {uri: binding for uri, binding in held.items() if binding.expires_at > now}

    def _ordered(self, bindings: dict[bytes, Binding]) -> list[Binding]:
        return sorted(bindings.values(), key=lambda b: (-b.q, -b.registered_at))

    def ok_fields(self, registration: Registration, now: float) -> list[tuple[bytes, bytes]]:
        """What the 200 says: each binding with the seconds that it has left."""
        fields = []
        for binding in registration.bindings:
            left = max(0, round(binding.expires_at - now))
            value = b"<%s>;expires=%d" % (binding.contact, left)
            if binding.q != 1.0:
                value += b";q=%s" % f"{binding.q:.3g}".encode("ascii")
            fields.append((b"Contact", value))
        return fields


def _q(contact: NameAddr) -> float:
    """qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); 1 when it isn't one."""
    whole, _, fraction = (contact.params.get("q") or "1").partition(".")
    if whole not in ("0", "1") or len(fraction) > 3 or not (fraction + "0").isdecimal():
        return 1.0
    if not fraction.isascii():
        return 1.0
    return min(1.0, int(whole) + int((fraction + "000")[:3]) / 1000)
