"""A phone on a real socket, made of our own user agent: many calls at once, each moment noted."""

from __future__ import annotations

import asyncio
import secrets
import time

from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.endpoint import Endpoint, Listen
from sip.events import Acknowledged, Answered, Cancelled, HungUp, Received, Refused
from sip.flow import Address, Flow
from sip.session import Session
from sip.user_agent import Invitation, UserAgent

DOMAIN = b"127.0.0.1"


def description(host: str) -> bytes:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    ).encode()


class StackPhone:
    """A phone behind an edge."""

    def __init__(self, login: str, host: str, edge: Address) -> None:
        self.login = login
        self.host = host
        self.edge = edge
        self._loop = asyncio.get_running_loop()
        self.agent = UserAgent(
            randbits=secrets.randbits, sent_by=lambda flow: flow.local, server="phone"
        )
        self.credentials = Credentials(login, "secret")
        self.endpoint = Endpoint(self.agent, self._loop, self._on_event, self._on_fault)
        self.answers = True
        """False: calls that come to it ring."""
        self.ringing: dict[str, Session] = {}
        self.talking: dict[str, Session] = {}
        """Sessions by Call-ID."""
        self.ended: dict[str, float] = {}
        """The monotonic time of each BYE or CANCEL that came, by Call-ID."""
        self.finals: dict[Session, asyncio.Future[int]] = {}

    async def start(self) -> None:
        await self.endpoint.listen(Listen("udp", self.host, 0))
        (at,) = self.endpoint.listening
        self.flow = Flow("udp", (at.host, at.port), self.edge)

    async def register(self) -> int:
        me = b"<sip:%s@%s>" % (self.login.encode(), DOMAIN)
        dialog = Dialog(
            call_id=secrets.token_hex(8), local=me + b";tag=r", local_tag="r", remote=me,
            remote_tag=None, remote_target=b"sip:" + DOMAIN, route_set=(), contact=b"",
            flow=self.flow, pinned=True,
        )  # fmt: skip
        at = b"<sip:%s@%s:%d>" % (self.login.encode(), self.host.encode(), self.flow.local[1])
        waiting = _Final(self._loop)
        self.agent.stack.send_in_dialog(
            dialog, "REGISTER", [(b"Contact", at), (b"Expires", b"3600")], b"", self.credentials,
            self._loop.time(), waiting,
        )  # fmt: skip
        self.endpoint.drain()
        return await waiting.status

    def call(self, number: str) -> tuple[Session, asyncio.Future[int]]:
        """Place a call; the future has its final status."""
        to = b"sip:%s@%s" % (number.encode(), DOMAIN)
        invitation = Invitation(
            self.flow, to, b"<sip:%s@%s>" % (self.login.encode(), DOMAIN), b"<" + to + b">",
            credentials=self.credentials,
        )  # fmt: skip
        session = self.agent.invite(invitation, description(self.host), self._loop.time())
        session.owner = self
        final = self.finals[session] = self._loop.create_future()
        self.endpoint.drain()
        return session, final

    def give_up(self, session: Session) -> None:
        """CANCEL a call that isn't answered; its final status still comes."""
        session.cancel(self._loop.time())
        session.owner = self
        self.endpoint.drain()

    def end(self, session: Session) -> bool:
        """Hang one call up; False if the other side has done so before."""
        mine = self.talking.pop(session.dialog.call_id, None) is not None
        if mine:
            session.bye(self._loop.time())
            self.endpoint.drain()
        return mine

    def hang_up(self) -> None:
        for session in self.talking.values():
            session.bye(self._loop.time())
        self.talking.clear()
        self.endpoint.drain()

    def post(self, event: object) -> None:
        """Unused: events come by the endpoint."""

    async def close(self) -> None:
        await self.endpoint.close()

    def _on_fault(self, error: Exception) -> None:
        raise error

    def _on_event(self, event: object) -> None:
        now = self._loop.time()
        match event:
            case Received(request) if request.method == "INVITE":
                session = self.agent.open_session(event, now, pinned=True)
                session.owner = self
                if self.answers:
                    session.accept(description(self.host), now)
                else:
                    self.ringing[session.dialog.call_id] = session
                    session.progress(180, now)
                self.endpoint.drain()
            case Received(request, flow):
                self.agent.stack.answer(request, flow, 200)
                self.endpoint.drain()
            case Acknowledged(session):
                self.talking[session.dialog.call_id] = session
            case Answered(session, _):
                self.talking[session.dialog.call_id] = session
                self._conclude(session, 200)
            case Refused(session, status, _):
                self._conclude(session, status)
            case HungUp(session) | Cancelled(session):
                self.talking.pop(session.dialog.call_id, None)
                self.ringing.pop(session.dialog.call_id, None)
                self.ended[session.dialog.call_id] = time.monotonic()
            case _:
                pass

    def _conclude(self, session: Session, status: int) -> None:
        final = self.finals.pop(session, None)
        if final is not None and not final.done():
            final.set_result(status)


class _Final:
    """The final status of a request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status: asyncio.Future[int] = loop.create_future()

    def on_response(self, transaction: object, response, now: float) -> None:
        if not self.status.done():
            self.status.set_result(response.status)

    def on_failure(self, transaction: object, status: int, now: float) -> None:
        if not self.status.done():
            self.status.set_result(status)
