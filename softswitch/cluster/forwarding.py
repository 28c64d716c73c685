"""Requests that another node must serve: passed on to it as a stateless proxy does (RFC 3261
section 16.11).

The edge chooses a node by the Call-ID, which says nothing of the conference that a caller wants, or
of the call that a phone picks up. The node that the edge chose puts its Via above the others and
sends the INVITE to the node that has them, with the CANCEL and the ACK that follow; the answers
come back through it. If the other node drains, is full or dies before it rings, this one serves the
INVITE itself. The dialog goes through the edge alone, but for requests of the other node, which
knows the phone only by this one: they are sent on to the edge in their Route.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from sip.edges import Edges
from sip.endpoint import Endpoint
from sip.errors import ParseError
from sip.events import Received
from sip.flow import Address, Flow, host_address, show_address
from sip.message import Request, Response
from sip.reading import parse_message
from sip.transaction_layer import acknowledge

KEPT_SECONDS = 64.0
"""How long answers, copies and the CANCEL of a request may still come: 64 times T1 (RFC 3261)."""
CALL_SECONDS = 7_200.0
"""How long requests of a call that was handed over are passed on."""
MAX_KEPT = 10_000
_MARK = b"z9hG4bKnode"
_LEFT = (b"SIP/2.0 503 ", b"SIP/2.0 482 ")
"""Refusals that leave an INVITE to this node. 482: the edge asked the other one first, and has
given it up."""
_HEAD_BYTES = 2_048
_VIA = re.compile(rb"\r\n(?:via|v)[ \t]*:[^\r\n]*", re.IGNORECASE)
_BRANCH = re.compile(rb";[ \t]*branch[ \t]*=[ \t]*([^\s;,]+)", re.IGNORECASE)
_ROUTE = re.compile(
    rb"\r\nroute[ \t]*:[^\r\n<]*<sips?:(?:[^@>]*@)?\[?([0-9A-Fa-f:.]+?)\]?(?::([0-9]{1,5}))?[;>]",
    re.IGNORECASE,
)
_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE)
_TO_TAG = re.compile(rb"\r\n(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag=", re.IGNORECASE)
_FORWARDS = re.compile(rb"\r\nmax-forwards[ \t]*:[ \t]*([0-9]{1,3})", re.IGNORECASE)

Passed = tuple[bytes, Flow]
"""A message and the flow by which it goes."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A request that was passed on: by which flow, and by which one its answers go back.

    Args:
        invite: an INVITE for another node that has no final answer yet.
        rings: True if the other node has sent more than 100 for it.
        returned: True if this node serves the request after all.
    """

    onward: Flow
    back: Flow
    until: float
    invite: Request | None = None
    rings: bool = False
    returned: bool = False


@dataclass(frozen=True, slots=True)
class _Handed:
    """A call that another node has."""

    onward: Flow
    until: float


class Forwarder:
    """Decides what is passed on, and how it then reads; writes nothing itself.

    Args:
        own: our UDP socket for other nodes.
        is_neighbour: True for such a socket of another node.
    """

    def __init__(self, own: Address, edges: Edges, is_neighbour: Callable[[Address], bool]) -> None:
        self._sent_by = show_address(own).encode("ascii")
        self._own = own
        self._edges = edges
        self._is_neighbour = is_neighbour
        self._kept: dict[bytes, _Kept] = {}
        """By our branch."""
        self._calls: dict[bytes, _Handed] = {}
        """Calls that were handed over, by their Call-ID."""
        self._returned: list[Received] = []

    def hand_over(self, request: Request, flow: Flow, node: Address, now: float) -> Passed | None:
        """An INVITE for another node; None if it has gone too far, comes from one, or came back
        from it."""
        if self._is_neighbour(flow.remote):
            return None  # which has chosen this node
        data, onward = bytes(request), Flow("udp", self._own, node)
        before = self._kept.get(_our_branch(data)) if self._kept else None
        if before is not None and before.returned:
            return None
        call = _CALL_ID.search(data, 0, _HEAD_BYTES)
        if call is not None:
            self._remember(call[1], _Handed(onward, now + CALL_SECONDS), now)
        return self._onward(data, onward, flow, now, _Kept(onward, flow, now, request))

    def lost(self, node: Address, now: float) -> list[Passed]:
        """Another node is away: 503 to each INVITE for which it rang; the others come back."""
        answers: list[Passed] = []
        for branch, kept in self._kept.items():
            if kept.invite is None or kept.onward.remote != node or kept.until <= now:
                continue
            if kept.rings:
                refused = kept.invite.respond(503, to_tag=branch[-16:].decode("ascii"))
                self._kept[branch] = replace(kept, invite=None)
                answers.append((bytes(refused), kept.back))
            else:
                self._take_back(branch, kept, kept.invite)
        return answers

    def returned(self) -> list[Received]:
        """The INVITEs that came back from other nodes since this was asked last: they are served
        here."""
        returned, self._returned = self._returned, []
        return returned

    def keep(self, request: Request) -> None:
        """An INVITE that this node serves, though the one before its credentials may have been
        handed over: the caller's other call was known there a moment longer."""
        call = _CALL_ID.search(bytes(request), 0, _HEAD_BYTES) if self._calls else None
        if call is not None:
            self._calls.pop(call[1], None)

    def pass_on(self, data: bytes, flow: Flow, now: float) -> Passed | None:
        """A message that isn't for this node, as it is to be sent; None: it is for this one."""
        if data.startswith(b"SIP/2.0 "):
            return self._answer(data, now)
        if self._is_neighbour(flow.remote):
            return self._to_edge(data, flow, now)
        if self._kept and data.startswith((b"ACK ", b"CANCEL ", b"INVITE ")):
            kept = self._kept.get(_our_branch(data))
            if kept is not None and kept.until > now and not kept.returned:
                return self._onward(data, kept.onward, flow, now, kept)
        return self._within(data, flow, now) if self._calls else None

    def _within(self, data: bytes, flow: Flow, now: float) -> Passed | None:
        """A request within a call that was handed over: it comes here where the edge has put the
        address of the answer's sender in the place of its Contact."""
        call = _CALL_ID.search(data, 0, _HEAD_BYTES)
        handed = None if call is None else self._calls.get(call[1])
        if handed is None or handed.until <= now or _TO_TAG.search(data, 0, _HEAD_BYTES) is None:
            return None
        return self._onward(data, handed.onward, flow, now)

    def _answer(self, data: bytes, now: float) -> Passed | None:
        """An answer to what was passed on, without our Via."""
        via = _VIA.search(data, 0, _HEAD_BYTES)
        if via is None or _MARK not in via[0]:
            return None
        branch = _BRANCH.search(via[0])
        kept = None if branch is None else self._kept.get(branch[1])
        if branch is None or kept is None or kept.until <= now:
            return None
        if kept.returned:
            return None
        if kept.invite is not None:
            if data.startswith(_LEFT):
                return self._refused(branch[1], kept, kept.invite, data, now)
            if not data.startswith(b"SIP/2.0 100 "):
                ended = not data.startswith(b"SIP/2.0 1")
                self._kept[branch[1]] = replace(
                    kept, invite=None if ended else kept.invite, rings=True
                )
        return data[: via.start()] + data[via.end() :], kept.back

    def _refused(
        self, branch: bytes, kept: _Kept, invite: Request, data: bytes, now: float
    ) -> Passed | None:
        """The ACK to the refusal of an INVITE that comes back."""
        with contextlib.suppress(ParseError):
            response = parse_message(data)
            if isinstance(response, Response):
                ack = self._onward(acknowledge(invite, response), kept.onward, kept.back, now)
                self._take_back(branch, kept, invite)
                return ack
        return None

    def _take_back(self, branch: bytes, kept: _Kept, invite: Request) -> None:
        self._kept[branch] = replace(kept, invite=None, returned=True)
        self._returned.append(Received(invite, kept.back))

    def _to_edge(self, data: bytes, flow: Flow, now: float) -> Passed | None:
        """A request of another node to a phone that it knows by this node."""
        route = _ROUTE.search(data, 0, _HEAD_BYTES)
        host = None if route is None else route[1].decode("ascii")
        if route is None or host is None or host_address(host) is None:
            return None
        edge = (host, int(route[2] or 5060))
        if edge == self._own or not self._edges.trusts(host):
            return None
        return self._onward(data, Flow("udp", self._own, edge), flow, now)

    def _onward(
        self, data: bytes, onward: Flow, back: Flow, now: float, kept: _Kept | None = None
    ) -> Passed | None:
        """A message with our Via, remembered as `kept` is."""
        forwards = _FORWARDS.search(data, 0, _HEAD_BYTES)
        left = 70 if forwards is None else int(forwards[1]) - 1
        if left < 0:
            return None
        if forwards is not None:
            start, end = forwards.span(1)
            data = data[:start] + b"%d" % left + data[end:]
        branch = _our_branch(data)
        until = now + KEPT_SECONDS
        if kept is None:
            kept = _Kept(onward, back, until)
        self._keep(branch, replace(kept, back=back, until=until), now)
        line = data.index(b"\r\n")
        via = b"\r\nVia: SIP/2.0/UDP %s;branch=%s" % (self._sent_by, branch)
        return data[:line] + via + data[line:], onward

    def _remember(self, call: bytes, handed: _Handed, now: float) -> None:
        if len(self._calls) >= MAX_KEPT:
            self._calls = {key: one for key, one in self._calls.items() if one.until > now}
        if len(self._calls) < MAX_KEPT:
            self._calls[call] = handed

    def _keep(self, branch: bytes, kept: _Kept, now: float) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept = {key: one for key, one in self._kept.items() if one.until > now}
        if len(self._kept) < MAX_KEPT:
            self._kept[branch] = kept


def _our_branch(data: bytes) -> bytes:
    """The branch of our Via: the same for an INVITE, its copies, its CANCEL and its ACK, as their
    own branch is."""
    via = _VIA.search(data, 0, _HEAD_BYTES)
    branch = None if via is None else _BRANCH.search(via[0])
    digest = hashlib.sha256(b"" if branch is None else branch[1]).hexdigest()
    return _MARK + digest[:24].encode("ascii")


class ForwardingEndpoint(Endpoint):
    """The sockets of a node, which passes on what another one must serve."""

    forwarder: Forwarder | None = None
    """None: nothing is passed on yet."""

    def receive(
        self, data: bytes, flow: Flow, now: float | None = None, retry_after: int | None = None
    ) -> None:
        """Read a message, or pass it on."""
        forwarder = self.forwarder
        passed = None if forwarder is None else forwarder.pass_on(data, flow, self._loop.time())
        if passed is None or forwarder is None:
            super().receive(data, flow, now, retry_after)
        else:
            self.write(passed)
            self.serve_returned(forwarder)

    def serve_returned(self, forwarder: Forwarder) -> None:
        """Serve the INVITEs that other nodes didn't take."""
        returned = forwarder.returned()
        if returned:
            self._agent.untold += returned
            self.drain()

    @property
    def edges(self) -> Edges:
        """The trusted proxies in front of this node, and the other nodes."""
        return self._edges

    def write(self, passed: Passed) -> None:
        """Send a message that is passed on."""
        self._write_unseen(*passed)
