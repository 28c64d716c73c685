"""The registrar: bindings of addresses of record to phones (RFC 3261 section 10, RFC 5626
section 6)."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from msgspec import Struct, structs

from sip import grammar
from sip.errors import ParseError, SipError
from sip.fields import Field, Fields
from sip.flow import Flow
from sip.grammar import octets, text
from sip.headers import quote
from sip.message import Request
from sip.registered_contacts import Contact, contacts_of, plain_contact, same_contact
from sip.uri import Uri

MAX_USER_AGENT = 128
FLOW_TIMER_SECONDS = 90
"""Flow-Timer: the interval at which a phone with outbound keeps its flow alive (RFC 5626 section
5.4); NATs forget UDP after two minutes or less."""
FLOW_GRACE_SECONDS = 30.0
REPEATED_SECONDS = 32.0
"""A REGISTER may come once more for so long (timer F): an edge sends it to another node if the
first one is late with its answer."""


@dataclass(frozen=True, slots=True)
class RegistrarLimits:
    """Seconds of a binding, and how many an address of record may have."""

    min_expires: int = 60
    default_expires: int = 3600
    max_expires: int = 7200
    max_contacts: int = 10


class Binding(Struct, frozen=True, gc=False):
    """One phone of an address of record; times are epoch seconds, for bindings outlive us."""

    aor: str
    contact: bytes
    """The Contact URI as the phone gave it."""
    call_id: str
    cseq: int
    q: float
    expires_at: float
    flow: Flow
    """The flow by which the REGISTER came: phones behind NAT are reached there."""
    instance: str | None
    user_agent: str
    registered_at: float
    path: tuple[bytes, ...] = ()
    reg_id: int | None = None
    """Number of this flow among a phone's flows (RFC 5626 section 4.2); None if the phone
    doesn't number them."""
    username: str = ""
    """The digest username by which the phone proved itself; "" if it is unknown."""

    @property
    def key(self) -> bytes:
        """Key that a later Contact of the same flow has, too."""
        return _key(self.contact, self.instance, self.reg_id)

    @property
    def routes(self) -> Fields:
        """The Route fields of a request to the phone: the proxies that its REGISTER came through
        (RFC 3327)."""
        return tuple((b"Route", hop) for hop in self.path)

    def by_contact(self) -> Binding | None:
        """The same phone without its connection: reached by a connection of our own, if its
        Contact is a port of the very host that registered; None if it can't be."""
        uri = Uri.parse(self.contact)
        if self.flow.transport != "tcp" or uri.transport != "tcp":
            return None
        if uri.host != self.flow.remote[0]:
            return None
        flow = Flow("tcp", self.flow.local, (uri.host, uri.port or 5060), uri.host)
        return structs.replace(self, flow=flow, reg_id=None)


class Registration(Struct, frozen=True):
    """The effect of a REGISTER on the bindings of an address of record."""

    bindings: tuple[Binding, ...]
    """All that are valid now."""
    added: tuple[Binding, ...] = ()
    refreshed: tuple[Binding, ...] = ()
    removed: tuple[Binding, ...] = ()
    released: tuple[Flow, ...] = ()
    """Connections that no binding needs any more, since the phone came by another."""
    moved: tuple[tuple[Flow, Flow], ...] = ()
    """Flows of a phone that it has left, each with the one by which it is reached instead."""
    outbound: bool = False
    """True if the phone keeps its flow alive itself (RFC 5626); the 200 then says Require:
    outbound."""

    @property
    def changes(self) -> bool:
        """True if a binding is another than before; False for a mere query."""
        return bool(self.added or self.refreshed or self.removed)


class _Wish(Struct, frozen=True, gc=False):
    """One Contact of a REGISTER, and the seconds for which it is to be bound."""

    key: bytes
    uri: bytes
    expires: int
    q: float = 1.0
    instance: str | None = None
    reg_id: int | None = None


_NONE: Mapping[bytes, Binding] = {}


class Registrar:
    """All bindings, in memory. A REGISTER takes effect whole or not at all (section 10.3)."""

    def __init__(self, limits: RegistrarLimits) -> None:
        self._limits = limits
        self._granted = lru_cache(maxsize=64)(self._grant)  # phones ask for few lengths
        self._bindings: dict[str, Mapping[bytes, Binding]] = {}
        self._on_connection: dict[Flow, set[str]] = {}
        """Addresses of record that are reached by a connection."""
        self._lost: dict[str, list[Binding]] = {}
        """Bindings over connections that broke, until their end: a phone that comes back gets
        the dialogs that lived there."""

    def __len__(self) -> int:
        return sum(map(len, self._bindings.values()))

    def register(
        self,
        aor: str,
        request: Request,
        flow: Flow,
        now: float,
        *,
        proven_at: float = -math.inf,
        username: str = "",
    ) -> Registration:
        """Apply a REGISTER of an authenticated line.

        Args:
            proven_at: epoch seconds at which the nonce was issued by which the phone proved itself;
                a nonce that is younger than a binding shows that this is no old message.
            username: of its credentials.

        Raises:
            SipError: 400 malformed, 403 too many contacts at once, 423 interval too brief, 500 out
                of order, 439 outbound through a proxy that can't.
        """
        held, wishes = self._bindings.get(aor, _NONE), self._wishes(request)
        if len(wishes) == 1 and len(held) == 1 and aor not in self._lost:
            (wish,) = wishes
            kept = held.get(wish.key)
            if kept is not None and wish.expires and kept.flow == flow and kept.expires_at > now:
                return self._refreshed(kept, wish, request, now, proven_at, username)
        known = self._valid(aor, now)
        if not wishes:
            if request.contact_star:
                return self._unregister_all(aor, known, request, proven_at)
            return Registration(tuple(self._ordered(known)))
        after = dict(known)
        added: list[Binding] = []
        refreshed: list[Binding] = []
        removed: list[Binding] = []
        left = self._come_back(aor, wishes) if aor in self._lost else []
        outbound = False
        for wish in wishes:
            key = wish.key
            outbound |= wish.reg_id is not None
            for old in self._replaced(after, wish):
                gone = after.pop(old)
                if gone is known.get(old):
                    _check_order(gone, request, proven_at)
                if wish.expires:
                    left.append(gone.flow)
                if old != key:
                    removed.append(gone)
            if wish.expires == 0:
                if key in known:
                    removed.append(known[key])
                continue
            after[key] = binding = self._binding(aor, wish, request, flow, now, username)
            (refreshed if key in known else added).append(binding)
        if len(after) > self._limits.max_contacts:
            removed += self._make_room(after, {wish.key for wish in wishes}, request, flow)
        self._keep(aor, after)
        if aor in self._lost:
            self._forget_lost(aor, wishes)
        return Registration(
            tuple(self._ordered(after)),
            tuple(added),
            tuple(refreshed),
            tuple(removed),
            self._released(known.values()),
            self._moved(left, flow, after.values()) if left and left != [flow] else (),
            outbound,
        )

    def _refreshed(
        self,
        old: Binding,
        wish: _Wish,
        request: Request,
        now: float,
        proven_at: float,
        username: str,
    ) -> Registration:
        """The only phone of a line registers as it did before, as nearly always."""
        if request.cseq.number <= old.cseq:
            _check_order(old, request, proven_at, now - REPEATED_SECONDS)
        binding = self._binding(old.aor, wish, request, old.flow, now, username)
        self._bindings[old.aor] = {wish.key: binding}
        held = (binding,)
        return Registration(held, (), held, outbound=wish.reg_id is not None)

    def _unregister_all(
        self, aor: str, known: Mapping[bytes, Binding], request: Request, proven_at: float
    ) -> Registration:
        """Contact: * (section 10.2.2); only alone, and only with Expires: 0."""
        if request.expires != 0:
            raise ParseError("Contact * needs Expires 0")
        gone = tuple(known.values())
        for binding in gone:
            _check_order(binding, request, proven_at)
        self._keep(aor, {})
        return Registration((), removed=gone, released=self._released(gone))

    def _wishes(self, request: Request) -> Sequence[_Wish]:
        """The last wish for each URI."""
        plain = plain_contact(request)
        if plain is not None:
            return (_Wish(plain, plain, self._granted(None, request.values.get(b"expires"))),)
        contacts = contacts_of(request)
        if len(contacts) == 1:
            return [self._wish(contacts[0], request)]
        wishes: list[_Wish] = []
        for contact in contacts:
            wish = self._wish(contact, request)
            wishes = [other for other in wishes if not same_contact(other.uri, wish.uri)]
            wishes.append(wish)
        return wishes

    def _grant(self, expires: int | None, field: bytes | None) -> int:
        """The seconds for which a Contact is bound that asks for `expires`; without, the Expires
        field counts, then our own default (section 10.2.1.1)."""
        limits = self._limits
        if expires is None:
            expires = limits.default_expires if field is None else _seconds(field)
        if 0 < expires < limits.min_expires:
            raise SipError(423, headers=((b"Min-Expires", b"%d" % limits.min_expires),))
        return min(expires, limits.max_expires)

    def _wish(self, contact: Contact, request: Request) -> _Wish:
        uri, instance = contact.uri, contact.instance
        seconds = self._granted(contact.expires, request.values.get(b"expires"))
        if contact.reg_id is None or instance is None:
            return _Wish(uri, uri, seconds, contact.q, instance)
        reg_id = _reg_id(contact.reg_id, request)
        return _Wish(_key(uri, instance, reg_id), uri, seconds, contact.q, instance, reg_id)

    def _make_room(
        self, after: dict[bytes, Binding], asked: set[bytes], request: Request, flow: Flow
    ) -> list[Binding]:
        """Take out bindings above the limit, so that the phone which is there now is reached: first
        those of its own source and User-Agent, left behind by a phone that changes its port, then
        those that would end first."""
        agent = _agent(request.values.get(b"user-agent", b""))
        gone: list[Binding] = []
        while len(after) > self._limits.max_contacts:
            others = [binding for key, binding in after.items() if key not in asked]
            if not others:
                raise SipError(403, "Too Many Contacts")
            left = min(
                others,
                key=lambda b: (
                    (b.flow.peer[0], b.user_agent) != (flow.peer[0], agent),
                    b.expires_at,
                ),
            )
            del after[left.key]
            gone.append(left)
        return gone

    def _replaced(self, bindings: dict[bytes, Binding], wish: _Wish) -> Sequence[bytes]:
        """Bindings that a Contact stands for: the same URI, or the same phone at another address
        (RFC 5626 section 6), so that a phone which moved isn't rung twice; only another flow of
        a phone that numbers its flows is something of its own."""
        if len(bindings) == 1 and wish.key in bindings:
            return (wish.key,)
        return [key for key, binding in bindings.items() if _is_same(wish, binding)]

    def _come_back(self, aor: str, wishes: Sequence[_Wish]) -> list[Flow]:
        """Broken connections of phones that register now by another way."""
        lost = self._lost.get(aor, ())
        return [b.flow for b in lost if any(w.expires and _is_same(w, b) for w in wishes)]

    def _moved(
        self, left: list[Flow], flow: Flow, bindings: Iterable[Binding]
    ) -> tuple[tuple[Flow, Flow], ...]:
        """A flow that another phone of the line still uses, as behind a proxy, isn't left."""
        used = {flow, *(binding.flow for binding in bindings)}
        return tuple((old, flow) for old in dict.fromkeys(left) if old not in used)

    def _forget_lost(self, aor: str, wishes: Sequence[_Wish]) -> None:
        lost = self._lost.pop(aor, [])
        kept = [b for b in lost if not any(_is_same(wish, b) for wish in wishes)]
        if kept:
            self._lost[aor] = kept

    def _binding(
        self, aor: str, wish: _Wish, request: Request, flow: Flow, now: float, username: str
    ) -> Binding:
        return Binding(
            aor,
            wish.uri,
            request.call_id,
            request.cseq.number,
            wish.q,
            now + wish.expires,
            flow,
            wish.instance,
            _agent(request.values.get(b"user-agent", b"")),
            now,
            tuple(request.get_list(b"path")) if b"path" in request.values else (),
            wish.reg_id,
            username,
        )

    def _keep(self, aor: str, bindings: Mapping[bytes, Binding]) -> None:
        for binding in self._bindings.get(aor, _NONE).values():
            if binding.flow.transport != "udp":
                self._leave_connection(aor, binding.flow.connection)
        for binding in bindings.values():
            if binding.flow.transport != "udp":
                self._on_connection.setdefault(binding.flow.connection, set()).add(aor)
        if bindings:
            self._bindings[aor] = bindings
        else:
            self._bindings.pop(aor, None)

    def _leave_connection(self, aor: str, connection: Flow) -> None:
        users = self._on_connection.get(connection)
        if users is not None:
            users.discard(aor)
            if not users:
                del self._on_connection[connection]

    def lookup(self, aor: str, now: float) -> list[Binding]:
        """Valid bindings: highest q first, then the newest."""
        return self._ordered(self._valid(aor, now))

    def reach(self, aor: str, now: float) -> list[Binding]:
        """Bindings as of :meth:`lookup`, but a phone with several flows by its newest one only:
        it rings once (RFC 5626 section 6)."""
        found: list[Binding] = []
        for binding in sorted(self._valid(aor, now).values(), key=lambda b: -b.registered_at):
            seen = {other.instance for other in found} - {None}
            if binding.instance not in seen:
                found.append(binding)
        return self._ordered({binding.key: binding for binding in found})

    def patience(self, flow: Flow) -> float | None:
        """Seconds that a silent connection is kept; None if no binding needs it."""
        users = self._on_connection.get(flow)
        if users is None:
            return None
        bindings = [b for aor in users for b in self._on(aor, flow)]
        if all(binding.reg_id is not None for binding in bindings):
            return FLOW_TIMER_SECONDS + FLOW_GRACE_SECONDS
        return math.inf  # it was told nothing of keep-alives; the kernel asks

    def _on(self, aor: str, connection: Flow) -> list[Binding]:
        held = self._bindings[aor].values()
        return [binding for binding in held if binding.flow.connection == connection]

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
        for aor, lost in list(self._lost.items()):
            self._lost[aor] = [binding for binding in lost if binding.expires_at > now]
            if not self._lost[aor]:
                del self._lost[aor]
        return gone

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over bindings of the time before a restart."""
        for binding in bindings:
            kept = binding if binding.flow.can_reopen else binding.by_contact()
            if kept is not None:
                held = self._bindings.get(kept.aor, {})
                self._keep(kept.aor, {**held, kept.key: kept})

    def put(self, aor: str, bindings: Iterable[Binding]) -> Registration:
        """Put the bindings of an address of record that are known elsewhere in the place of those
        here; what is new, and what is gone."""
        before = self._bindings.get(aor, {})
        after = {binding.key: binding for binding in bindings}
        self._keep(aor, after)
        removed = tuple(before[key] for key in before.keys() - after.keys())
        return Registration(
            tuple(self._ordered(after)),
            tuple(binding for key, binding in after.items() if key not in before),
            tuple(binding for key, binding in after.items() if before.get(key, binding) != binding),
            removed,
            self._released(removed),
        )

    def drop_flow(self, flow: Flow, now: float) -> dict[str, Registration]:
        """A connection is gone, and with it what was registered over it (RFC 5626 section 5.3),
        unless a phone can be reached by its Contact or another of its flows; what became of each
        address of record."""
        return {aor: self._drop(aor, flow, now) for aor in list(self._on_connection.get(flow, ()))}

    def forget(
        self, aor: str, usernames: frozenset[str] | None = None, spared: Container[bytes] = ()
    ) -> Registration:
        """Remove the bindings of an address of record that nothing leads to any more, and
        release the connections that nothing else needs.

        Args:
            usernames: only the bindings of phones that proved themselves by these; None: all.
            spared: Contacts of bindings that stay.
        """

        def goes(binding: Binding) -> bool:
            chosen = usernames is None or binding.username in usernames
            return chosen and binding.contact not in spared

        lost = [binding for binding in self._lost.pop(aor, []) if not goes(binding)]
        if lost:
            self._lost[aor] = lost
        held = self._bindings.get(aor, {})
        gone = tuple(binding for binding in held.values() if goes(binding))
        left = {key: binding for key, binding in held.items() if not goes(binding)}
        self._keep(aor, left)
        return Registration(tuple(self._ordered(left)), removed=gone, released=self._released(gone))

    def remove(self, aor: str, contact: bytes | None, now: float) -> Registration:
        """Take out bindings at an operator's word: all of an address of record, or those whose
        Contact is this URI (RFC 3261 section 19.1.4).

        Raises:
            ParseError: 400, that is no URI.
        """
        held = self._valid(aor, now)
        gone = {
            key: binding
            for key, binding in held.items()
            if contact is None or same_contact(contact, binding.contact)
        }
        self._keep(aor, {key: held[key] for key in held.keys() - gone.keys()})
        left, removed = tuple(self.lookup(aor, now)), tuple(gone.values())
        return Registration(left, removed=removed, released=self._released(removed))

    def _drop(self, aor: str, flow: Flow, now: float) -> Registration:
        kept: dict[bytes, Binding] = {}
        gone: list[Binding] = []
        moved: list[Flow] = []
        for binding in self._valid(aor, now).values():
            left = binding if binding.flow.connection != flow else binding.by_contact()
            if left is None:
                gone.append(binding)
                continue
            kept[left.key] = left
            if left is not binding:
                moved.append(left.flow)
        self._keep(aor, kept)
        ordered = self._ordered(kept)
        instances = {binding.instance for binding in gone} - {None}
        moved += [binding.flow for binding in ordered if binding.instance in instances]
        if gone and not moved:
            self._lost[aor] = [*self._lost.get(aor, ()), *gone][-self._limits.max_contacts :]
        return Registration(
            tuple(ordered), removed=tuple(gone), moved=tuple((flow, new) for new in moved[:1])
        )

    def _released(self, bindings: Iterable[Binding]) -> tuple[Flow, ...]:
        flows = {b.flow.connection for b in bindings if b.flow.transport != "udp"}
        return tuple([flow for flow in flows if flow not in self._on_connection]) if flows else ()

    def _valid(self, aor: str, now: float) -> Mapping[bytes, Binding]:
        """The bindings that haven't expired."""
        held = self._bindings.get(aor, _NONE)
        for binding in held.values():
            if binding.expires_at <= now:
                return {key: b for key, b in held.items() if b.expires_at > now}
        return held

    def _ordered(self, bindings: Mapping[bytes, Binding]) -> list[Binding]:
        if len(bindings) < 2:
            return list(bindings.values())
        return sorted(bindings.values(), key=lambda b: (-b.q, -b.registered_at))

    def ok_fields(self, registration: Registration, now: float) -> Sequence[Field]:
        """Fields of the 200: each binding with the seconds that it has left (section 10.3 step
        8)."""
        fields: list[Field] = []
        for binding in registration.bindings:
            left = max(0, round(binding.expires_at - now))
            value = b"<%s>;expires=%d" % (binding.contact, left)
            if binding.q != 1.0:
                value += b";q=%s" % f"{binding.q:.3g}".encode("ascii")
            if binding.instance is not None:
                value += b";+sip.instance=" + quote(binding.instance)
                if binding.reg_id is not None:  # numbers a flow of an instance
                    value += b";reg-id=%d" % binding.reg_id
            fields.append((b"Contact", value))
        if registration.outbound:
            fields.append((b"Require", b"outbound"))
            fields.append((b"Flow-Timer", b"%d" % FLOW_TIMER_SECONDS))
        return fields


def _check_order(
    binding: Binding, request: Request, proven_at: float, repeated_since: float = math.inf
) -> None:
    """Refuse an old message: of one Call-ID only a higher CSeq may change a binding (section 10.3
    step 7). A nonce that is younger than the binding proves the message new: a phone that lost its
    memory counts from 1 again, and would be unreachable until the binding ends. The message that
    made the binding may come once more, if that was after `repeated_since` (epoch seconds)."""
    if binding.call_id != request.call_id or request.cseq.number > binding.cseq:
        return
    if request.cseq.number == binding.cseq and binding.registered_at > repeated_since:
        return
    if proven_at <= binding.registered_at:
        raise SipError(500, "CSeq Out Of Order")


@lru_cache(maxsize=1024)  # phones of one model share one text
def _agent(value: bytes) -> str:
    return text(value)[:MAX_USER_AGENT]


def _key(contact: bytes, instance: str | None, reg_id: int | None) -> bytes:
    if instance is None or reg_id is None:
        return contact
    return b"%s;reg-id=%d" % (octets(instance), reg_id)


def _is_same(wish: _Wish, binding: Binding) -> bool:
    """True if a Contact stands for this binding."""
    if wish.key == binding.key:
        return True
    if wish.instance is None or binding.instance is None:
        return same_contact(wish.uri, binding.contact)
    if wish.instance != binding.instance:
        return False
    return wish.reg_id is None or binding.reg_id is None


def _seconds(value: bytes) -> int:
    found = grammar.number(value)
    if found is None:
        raise ParseError("Malformed expires")
    return found


def _reg_id(number: int, request: Request) -> int | None:
    """The number of the phone's flow, if it and all proxies between support outbound.

    Raises:
        SipError: 439, it came through a proxy that doesn't (RFC 5626 section 6).
    """
    if b"outbound" not in request.option_tags(b"supported"):
        return None
    hops = request.get_list(b"path")
    if len(request.get_list(b"via")) > 1 and not (hops and b";ob" in hops[-1].lower()):
        raise SipError(439, "First Hop Lacks Outbound Support")
    return number
