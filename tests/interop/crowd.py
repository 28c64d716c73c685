"""Thousands of phones behind an edge that cost little: their messages are text from templates, and
each outcome is counted by its kind."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sip.digest import answer

Address = tuple[str, int]

DOMAIN = "127.0.0.1"
PASSWORD = "secret"
T1_SECONDS = 0.5
GIVES_UP_SECONDS = 32.0
RINGS_OUT_SECONDS = 200.0
"""The longest wait for a final answer after a provisional one: an edge gives up before."""

_BRANCH = re.compile(rb"branch=([^;\r]+)")
_CALL_ID = re.compile(rb"\r\nCall-ID: ([^\r]*)", re.IGNORECASE)
_CSEQ = re.compile(rb"\r\nCSeq: (\d+) (\w+)", re.IGNORECASE)
_TO = re.compile(rb"\r\nTo: ([^\r]*)", re.IGNORECASE)
_FROM = re.compile(rb"\r\nFrom: ([^\r]*)", re.IGNORECASE)
_CONTACT = re.compile(rb"\r\nContact: <([^>]*)>", re.IGNORECASE)
_COPIED = re.compile(rb"\r\n((?:Via|Record-Route): [^\r]*)", re.IGNORECASE)
_RECORD_ROUTE = re.compile(rb"\r\nRecord-Route: ([^\r]*)", re.IGNORECASE)
_CHALLENGE = re.compile(rb"\r\nWWW-Authenticate: ([^\r]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Phone:
    """A line's only phone."""

    login: str
    number: str
    station: Station


@dataclass
class _Taken:
    """A call that came to a phone."""

    answered: bytes = b""
    """The last answer to its INVITE."""
    timer: asyncio.TimerHandle | None = None
    acknowledged: bool = False

    def rest(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class Station(asyncio.DatagramProtocol):
    """One address with a socket, at which many phones are: transactions and called sides."""

    def __init__(self, edge: Address, ring_seconds: float) -> None:
        self.edge = edge
        self.ring_seconds = ring_seconds
        self.taken: dict[bytes, _Taken] = {}
        """By Call-ID: calls that ring or talk here as the called side."""
        self.rang = 0
        self.unacknowledged = 0
        self.cancelled = 0
        self.sent_again = 0
        self.ends: dict[bytes, Callable[[], None]] = {}
        """Called when the other side hangs up, by Call-ID."""
        self._waiting: dict[bytes, _Transaction] = {}
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport
        self.host, self.port = transport.get_extra_info("sockname")

    def close(self) -> None:
        self._transport.close()

    def send(self, data: bytes) -> None:
        self._transport.sendto(data, self.edge)

    async def ask(self, method: str, branch: bytes, data: bytes) -> bytes | None:
        """Send a request until an answer comes: the final one; None: there was none."""
        transaction = self._waiting[branch] = _Transaction(self, method == "INVITE", data)
        try:
            return await transaction.final
        finally:
            del self._waiting[branch]
            transaction.rest()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if data.startswith(b"SIP/2.0 "):
            branch = _BRANCH.search(data)
            transaction = None if branch is None else self._waiting.get(branch[1])
            if transaction is not None:
                transaction.heard(int(data[8:11]), data)
            return
        method, call = data[: data.index(b" ")], _CALL_ID.search(data)
        if call is not None:
            self._requested(method, call[1], data)

    def _requested(self, method: bytes, call: bytes, data: bytes) -> None:
        taken = self.taken.get(call)
        match method:
            case b"INVITE" if taken is None:
                self._rings(call, data)
            case b"INVITE":
                self.send(taken.answered)
            case b"ACK":
                if taken is not None:
                    taken.acknowledged = True
                    taken.rest()
            case b"CANCEL":
                self.send(_answered(data, b"200 OK"))
                if taken is not None and b" 180 " in taken.answered[:16]:
                    self.cancelled += 1
                    self._over(call)
                    self.send(taken.answered.replace(b"180 Ringing", b"487 Terminated", 1))
            case b"BYE":
                self.send(_answered(data, b"200 OK"))
                self._over(call)
                end = self.ends.pop(call, None)
                if end is not None:
                    end()
            case _:
                self.send(_answered(data, b"200 OK"))

    def _rings(self, call: bytes, invite: bytes) -> None:
        taken = self.taken[call] = _Taken()
        self.rang += 1
        contact = b"Contact: <sip:%s:%d>\r\n" % (self.host.encode(), self.port)
        taken.answered = _answered(invite, b"180 Ringing", contact)
        self.send(taken.answered)

        def accept() -> None:
            more = contact + b"Content-Type: application/sdp\r\n"
            taken.answered = _answered(invite, b"200 OK", more, _description(self.host))
            repeat(T1_SECONDS)

        def repeat(pause: float) -> None:
            if pause > GIVES_UP_SECONDS:
                self.unacknowledged += 1
                self._over(call)
                return
            self.send(taken.answered)
            taken.timer = self._loop.call_later(pause, repeat, 2 * pause)

        taken.timer = self._loop.call_later(self.ring_seconds, accept)

    def _over(self, call: bytes) -> None:
        taken = self.taken.pop(call, None)
        if taken is not None:
            taken.rest()


class _Transaction:
    """A request that is sent again until it is answered."""

    def __init__(self, station: Station, is_invite: bool, data: bytes) -> None:
        self._station, self._is_invite, self._data = station, is_invite, data
        self._loop = asyncio.get_running_loop()
        self._provisional = False
        self.final: asyncio.Future[bytes | None] = self._loop.create_future()
        station.send(data)
        self._again = self._loop.call_later(T1_SECONDS, self._repeat, 2 * T1_SECONDS)
        self._limit = self._loop.call_later(GIVES_UP_SECONDS, self._give_up)

    def heard(self, status: int, data: bytes) -> None:
        if status >= 200:
            if not self.final.done():
                self.final.set_result(data)
        elif self._is_invite and not self._provisional:
            self._provisional = True
            self.rest()
            self._limit = self._loop.call_later(RINGS_OUT_SECONDS, self._give_up)

    def rest(self) -> None:
        self._again.cancel()
        self._limit.cancel()

    def _repeat(self, pause: float) -> None:
        self._station.sent_again += 1
        self._station.send(self._data)
        longest = GIVES_UP_SECONDS if self._is_invite else 4.0
        self._again = self._loop.call_later(pause, self._repeat, min(2 * pause, longest))

    def _give_up(self) -> None:
        if not self.final.done():
            self.final.set_result(None)


class Crowd:
    """Phones that register again and again and call each other, and what became of it.

    Args:
        logins: login to number.
        hosts: their addresses; a node limits what comes from one.
    """

    def __init__(
        self, edge: Address, hosts: Sequence[str], *, ring_seconds: float, talk_seconds: float
    ) -> None:
        self._edge, self._hosts = edge, hosts
        self._ring_seconds, self._talk_seconds = ring_seconds, talk_seconds
        self.stations: list[Station] = []
        self.phones: list[Phone] = []
        self.calls: Counter[str] = Counter()
        """Calls by how they went."""
        self.registrations: Counter[str] = Counter()
        self.troubles: list[str] = []
        """Calls and registrations that went wrong: when they began and ended, and how."""
        self.slowest_answer_seconds = 0.0
        self._count = itertools.count(1)
        self._cseq: Counter[str] = Counter()
        self._registering: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def start(self, logins: Sequence[tuple[str, str]]) -> None:
        """Be there; nobody is registered yet."""
        for host in self._hosts:
            _, station = await self._loop.create_datagram_endpoint(
                lambda: Station(self._edge, self._ring_seconds), local_addr=(host, 0)
            )
            self.stations.append(station)
        for place, (login, number) in enumerate(logins):
            self.phones.append(Phone(login, number, self.stations[place % len(self.stations)]))

    async def register_all(self, rate: float) -> None:
        """Each registers once."""
        await self._paced(rate, (self.register(phone) for phone in self.phones))
        await self._finished()

    def forget(self) -> None:
        """Count anew."""
        self.calls.clear()
        self.registrations.clear()
        self.troubles.clear()

    def load(self, calls_a_second: float, registrations_a_second: float, seed: int) -> None:
        """Go on until stopped."""
        rng = random.Random(seed)

        def calls():
            while not self._stopping:
                yield self.call(*rng.sample(self.phones, 2))

        def registrations():
            for phone in itertools.cycle(self.phones):
                if self._stopping:
                    return
                # A phone waits for its answer before it registers again.
                many = 2 * len(self._registering) > len(self.phones)
                if many or phone.login not in self._registering:
                    yield self.register(phone)

        self._spawn(self._paced(calls_a_second, calls()))
        self._spawn(self._paced(registrations_a_second, registrations()))

    async def stop(self) -> None:
        """Begin nothing more, and wait for what goes on."""
        self._stopping = True
        await self._finished()
        # The called sides hear BYE a moment later, or give up an answer that nobody acknowledges.
        for _ in range(int((GIVES_UP_SECONDS + 2.0) / 0.05)):
            if not any(station.taken for station in self.stations):
                break
            await asyncio.sleep(0.05)

    def close(self) -> None:
        for station in self.stations:
            station.close()

    async def _paced(self, rate: float, works) -> None:
        began = self._loop.time()
        for number, work in enumerate(works):
            self._spawn(work)
            await asyncio.sleep(max(0.0, began + (number + 1) / rate - self._loop.time()))

    def _spawn(self, work) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finished(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        assert not self._tasks

    # Registrations

    async def register(self, phone: Phone) -> None:
        """One registration, with a challenge; its outcome is counted."""
        began, station = self._loop.time(), phone.station
        call = f"r-{phone.login}"

        async def ask(given: str) -> bytes | None:
            self._cseq[phone.login] += 1
            return await self._ask(
                station, "REGISTER", f"sip:{DOMAIN}", phone, f"<sip:{phone.login}@{DOMAIN}>",
                call, self._cseq[phone.login], f"{given}Expires: 3600\r\n",
            )  # fmt: skip

        self._registering.add(phone.login)
        final = await ask("")
        if _status(final) == 401:
            assert final is not None
            final = await ask(credentials(final, phone.login, "REGISTER", f"sip:{DOMAIN}"))
        self._registering.discard(phone.login)
        kind = _kind(final)
        self.registrations[kind] += 1
        if kind != "200":
            self._note(began, f"registration {kind}")

    # Calls

    async def call(self, caller: Phone, callee: Phone) -> None:
        """One call; how it went is counted."""
        began = self._loop.time()
        kind = await self._call(caller, callee)
        self.calls[kind] += 1
        if kind != "good":
            self._note(began, f"call {kind}")

    def _note(self, began: float, what: str) -> None:
        lasted = self._loop.time() - began
        at = time.strftime("%H:%M:%S", time.localtime(time.time() - lasted))
        self.troubles.append(f"{at} for {lasted:.1f} s: {what}")

    async def _call(self, caller: Phone, callee: Phone) -> str:
        station, began = caller.station, self._loop.time()
        call = f"c{next(self._count)}x{station.port}"
        uri = f"sip:{callee.number}@{DOMAIN}"
        final, cseq, given = None, 0, ""
        while cseq < 2:
            cseq += 1
            final = await self._ask(
                station, "INVITE", uri, caller, f"<{uri}>", call, cseq, given,
                _description(station.host).decode(),
            )  # fmt: skip
            if _status(final) != 401:
                break
            assert final is not None
            given = credentials(final, caller.login, "INVITE", uri)
        if _status(final) != 200:
            return f"refused {_kind(final)}"
        assert final is not None
        self.slowest_answer_seconds = max(self.slowest_answer_seconds, self._loop.time() - began)
        return await self._talk(caller, final, call, cseq)

    async def _talk(self, caller: Phone, answered: bytes, call: str, cseq: int) -> str:
        station, over = caller.station, asyncio.Event()
        contact, to = _CONTACT.search(answered), _TO.search(answered)
        if contact is None or to is None:
            return "answered without Contact"
        target, peer = contact[1].decode(), to[1].decode()
        routes = reversed([route.decode() for route in _RECORD_ROUTE.findall(answered)])
        route = "".join(f"Route: {one}\r\n" for one in routes)
        station.ends[call.encode()] = over.set
        ack = self._request(station, "ACK", target, caller, peer, call, cseq, route)[1]
        station.send(ack)
        try:
            async with asyncio.timeout(self._talk_seconds):
                await over.wait()
            return "cut off"
        except TimeoutError:
            pass
        final = await self._ask(station, "BYE", target, caller, peer, call, cseq + 1, route)
        station.ends.pop(call.encode(), None)
        if over.is_set():
            return "cut off"
        return "good" if _status(final) == 200 else f"BYE {_kind(final)}"

    async def _ask(self, station: Station, method: str, *what) -> bytes | None:
        branch, data = self._request(station, method, *what)
        final = await station.ask(method, branch, data)
        if method == "INVITE" and final is not None and _status(final) != 200:
            to = _TO.search(final)
            uri, phone, _, call, cseq = what[:5]
            peer = "" if to is None else to[1].decode()
            station.send(
                self._request(station, "ACK", uri, phone, peer, call, cseq, branch=branch)[1]
            )
        return final

    def _request(
        self, station: Station, method: str, uri: str, phone: Phone, to: str, call: str, cseq: int,
        more: str = "", body: str = "", *, branch: bytes = b"",
    ) -> tuple[bytes, bytes]:  # fmt: skip
        """The branch of a request, and the request."""
        branch = branch or b"z9hG4bK%d" % next(self._count)
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {station.host}:{station.port};rport;branch={branch.decode()}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{phone.login}@{DOMAIN}>;tag=t{call}\r\nTo: {to}\r\n"
            f"Call-ID: {call}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:{phone.login}@{station.host}:{station.port}>\r\n{more}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        return branch, text.encode()


def credentials(
    challenge: bytes, login: str, method: str, uri: str, password: str = PASSWORD
) -> str:
    """The Authorization of a request that was challenged."""
    value = answer(_CHALLENGE.findall(challenge), login, password, method, uri.encode(), cnonce="c")
    return f"Authorization: {value.decode()}\r\n"


def _status(final: bytes | None) -> int:
    return 0 if final is None else int(final[8:11])


def _kind(final: bytes | None) -> str:
    """200, or another status with its reason."""
    if final is None:
        return "without an answer"
    line = final[8 : final.index(b"\r\n")].decode()
    return line[:3] if line.startswith("200") else line


def _answered(request: bytes, status: bytes, more: bytes = b"", body: bytes = b"") -> bytes:
    fields = _COPIED.findall(request)
    to, sender = _TO.search(request), _FROM.search(request)
    call, cseq = _CALL_ID.search(request), _CSEQ.search(request)
    assert to is not None and sender is not None and call is not None and cseq is not None
    tag = b"" if b";tag=" in to[1] else b";tag=a" + call[1]
    return (
        b"SIP/2.0 %s\r\n%s\r\nFrom: %s\r\nTo: %s%s\r\nCall-ID: %s\r\nCSeq: %s %s\r\n%s"
        b"Content-Length: %d\r\n\r\n%s"
    ) % (
        status, b"\r\n".join(fields), sender[1], to[1], tag, call[1], cseq[1], cseq[2], more,
        len(body), body,
    )  # fmt: skip


def _description(host: str) -> bytes:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    ).encode()
