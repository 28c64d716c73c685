"""A switch with too much to do, in virtual time: what reading, serving and refusing a message takes
is given, and senders repeat what isn't answered."""

import heapq
import itertools
import random
from collections import deque

from world import VirtualLoop

from benchmarks.overload_senders import Callers, Phones, Place
from sip.digest import Algorithm, Credentials, DigestVerifier, Nonces, Verdict, ha1
from sip.endpoint import Endpoint
from sip.events import Received
from sip.flow import Flow
from sip.user_agent import UserAgent

LOCAL = ("192.0.2.1", 5060)
SENDER = ("192.0.2.9", 5060)
FLOW = Flow("udp", LOCAL, SENDER)
NETWORK_SECONDS = 0.001
STEP_SECONDS = 0.0005
KERNEL_DATAGRAMS = 6_000
"""The datagrams that a buffer of 8 MB holds."""
SDP = (
    b"v=0\r\no=b 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\n"
)


class Costs:
    """Seconds of the processor; the same proportions as measured."""

    read = 2.8e-6
    refuse = 9.5e-6
    challenge = 75e-6
    register = 130e-6
    answer = 700e-6
    """An INVITE with credentials: admission, the other leg, money."""
    dialog = 60e-6
    """An ACK or a BYE."""


REGISTRATIONS_PER_SECOND = 1 / (Costs.challenge + Costs.register + 2 * Costs.read)
CALLS_PER_SECOND = 1 / (Costs.challenge + Costs.answer + 3 * Costs.dialog + 5 * Costs.read)


class LoadedSwitch:
    """The real endpoint and user agent; their user and the processor are simulated."""

    def __init__(self, kind, seed=1):
        self.loop = VirtualLoop()
        rng = random.Random(seed)
        self._nonces = Nonces(b"secret")
        self._verifier = DigestVerifier(self._nonces, LOCAL[0])
        self._agent = UserAgent(
            randbits=rng.getrandbits, sent_by=lambda flow: LOCAL, server="overloaded"
        )
        self.endpoint = Endpoint(
            self._agent,
            self.loop,
            self._on_event,
            self._on_fault,
            knows_nonce=lambda *told: self._nonces.answers_challenge(
                *told[:2], self.loop.time(), told[2]
            ),
        )
        self.endpoint.attach(LOCAL, self)
        self._agent.stack.tap = self._charge
        place = Place(*SENDER, LOCAL[0], "secret", 1000)
        self._senders = kind(place, self._from_sender)
        self._kernel = deque()
        self._answers = []
        self._order = itertools.count()
        self.lost_in_kernel = 0
        self.goodput = 0.0
        """Attempts served whole a second while the last load was offered."""

    # The user of the agent

    def _on_event(self, event):
        match event:
            case Received(request, flow):
                value = request.get(b"authorization")
                if value is None or not self._proves(Credentials.parse(value), request):
                    self.loop.advance(Costs.challenge)
                    self._challenge(request, flow)
                elif request.method == "REGISTER":
                    self.loop.advance(Costs.register)
                    self._agent.stack.reply(request, flow, 200, self.loop.time())
                else:
                    self.loop.advance(Costs.answer)
                    session = self._agent.open_session(event, self.loop.time(), pinned=True)
                    session.accept(SDP, self.loop.time())

    def _charge(self, seen):
        _, sent, _, data = seen
        if not sent and data.startswith((b"ACK", b"BYE")):
            self.loop.advance(Costs.dialog)

    def _proves(self, credentials, request):
        secret = ha1(Algorithm.MD5, credentials.username, LOCAL[0], "secret")
        verdict = self._verifier.verify(
            credentials, request.method, secret, self.loop.time(), source=SENDER[0]
        )
        return verdict is Verdict.OK

    def _challenge(self, request, flow):
        challenges = self._verifier.challenge(
            [Algorithm.MD5], self.loop.time(), source=flow.remote[0]
        )
        self._agent.stack.answer(request, flow, 401, [(b"WWW-Authenticate", c) for c in challenges])

    def _on_fault(self, error):
        raise error

    # The wire

    def sendto(self, data, _addr):
        if data.startswith(b"SIP/2.0 503"):
            self.loop.advance(Costs.refuse)
        arrives = self.loop.time() + NETWORK_SECONDS
        heapq.heappush(self._answers, (arrives, next(self._order), data))

    def close(self):
        """Do nothing: there is nothing to close."""

    def _from_sender(self, data):
        if len(self._kernel) < KERNEL_DATAGRAMS:
            self._kernel.append(data)
        else:
            self.lost_in_kernel += 1

    # Time

    def offer(self, rate, seconds):
        """Begin attempts evenly, and let the switch work meanwhile; returns the attempts."""
        began = []
        start = self.loop.time()
        served = self._senders.served
        while (now := self.loop.time()) - start < seconds:
            due = int((now - start) * rate)
            began += [self._begin(start + n / rate) for n in range(len(began), due)]
            self._turn()
        self.goodput = (self._senders.served - served) / seconds
        return began

    def _begin(self, now):
        return self._senders.begin(now)

    def rest(self, seconds):
        """Let the switch and the senders go on by themselves."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            self._turn()

    def _turn(self):
        """One turn of the event loop."""
        before = self.loop.time()
        self._senders_turn(before)
        for _ in range(self.endpoint.begin_reading()):
            if not self._kernel:
                break
            data = self._kernel.popleft()
            self.loop.advance(Costs.read)
            self.endpoint.arrived(data, FLOW)
        self.endpoint.end_reading()
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        if self.loop.time() == before:
            self.loop.advance(STEP_SECONDS)

    def _senders_turn(self, now):
        self._senders.expire(now)
        while self._answers and self._answers[0][0] <= now:
            arrived, _, data = heapq.heappop(self._answers)
            self._senders.receive(data, arrived)


def passed(began):
    """The part of attempts that were served whole."""
    return sum(attempt.status == 200 for attempt in began) / len(began)


def registering(seed=1):
    return LoadedSwitch(Phones, seed)


def calling(seed=1):
    return LoadedSwitch(Callers, seed)
