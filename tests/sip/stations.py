"""User agents on real sockets of loopback, for tests that run one event loop."""

import asyncio
import itertools
import random
from collections.abc import Coroutine

from sip.endpoint import Endpoint, Listen
from sip.events import Received
from sip.flow import Flow
from sip.user_agent import Invitation, UserAgent

_SEEDS = itertools.count()

SECONDS = 5.0
"""However slow the machine is, what a test waits for comes sooner or not at all."""


class Station:
    """An endpoint that answers OPTIONS and INVITE with 200, and keeps what it was told."""

    def __init__(self, **options):
        self.loop = asyncio.get_running_loop()
        self.events = []
        self.closed = []
        self.faults = []
        self.news = asyncio.Event()
        self.agent = UserAgent(
            randbits=random.Random(next(_SEEDS)).getrandbits,
            sent_by=lambda flow: flow.local,
            server="test",
        )
        # A test machine that is busy with other tests must not be refused for that.
        options = {"busy_seconds": 10.0, **options}
        self.endpoint = Endpoint(
            self.agent, self.loop, self._on_event, self.faults.append,
            on_closed=self._on_closed, **options,
        )  # fmt: skip

    async def listen(self, *transports, host="127.0.0.1"):
        for transport in transports:
            await self.endpoint.listen(Listen(transport, host, 0))
        return self

    def address(self, transport="udp"):
        for listening in self.endpoint.listening:
            if listening.transport == transport:
                return listening.host, listening.port
        raise LookupError(transport)

    def flow_to(self, other, transport="udp", name="127.0.0.1"):
        name = None if transport == "udp" else name
        return Flow(transport, self.address(transport), other.address(transport), name)

    def _on_event(self, event):
        self.events.append(event)
        if isinstance(event, Received):
            if event.request.method == "INVITE":
                session = self.agent.open_session(event, self.loop.time(), pinned=True)
                session.owner = self
                session.accept(b"v=0\r\n", self.loop.time())
            else:
                self.agent.stack.answer(
                    event.request, event.flow, 200, self.agent.stack.capabilities
                )
        self.news.set()

    def _on_closed(self, flow):
        self.closed.append(flow)
        self.news.set()

    def invite(self, flow, uri=b"sip:b@example.org"):
        invitation = Invitation(flow, uri, b"<sip:a@example.org>", b"<sip:b@example.org>")
        session = self.agent.invite(invitation, b"v=0\r\n", self.loop.time())
        session.owner = self
        self.endpoint.drain()
        return session

    def told(self):
        return [type(event).__name__ for event in self.events]

    async def until(self, condition):
        """Wait until something is so."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                self.news.clear()
                # State that isn't reported as an event is checked again after this.
                await asyncio.wait([self.loop.create_task(self.news.wait())], timeout=0.02)

    async def close(self):
        await self.endpoint.close()


def run(test: Coroutine, loop_factory=None):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(asyncio.wait_for(test, 30))
