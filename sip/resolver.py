"""Names to targets: asks the DNS what :mod:`sip.locating` wants to know, and remembers it.

The call path never waits for a name server longer than it chooses: :meth:`Resolver.known` gives
what is known, even if it is old, and asks anew behind the caller's back.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.name import Name
from dns.rdata import Rdata
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from sip.locating import Naptr, Question, Reach, Record, Srv, Target, locate
from sip.uri import Uri

QUESTION_SECONDS = 2.0
"""Timeout of one question, over all name servers."""
MAX_QUESTIONS = 40
"""For one URI; a zone that leads from name to name for ever ends here."""
MIN_TTL_SECONDS = 5.0
"""A zone with TTL 0 would have us ask for each call."""
MAX_TTL_SECONDS = 3_600.0
NEGATIVE_SECONDS = 30.0
"""Seconds after which a name that isn't there is asked for again."""
FAILED_SECONDS = 5.0
"""After name servers have failed, old answers do for so long."""
MAX_ANSWERS = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The records that a question found, and the loop's time until which they hold."""

    records: Sequence[Record]
    until: float


class Resolver:
    """Answers of the DNS, and the targets that follow from them.

    Args:
        reach: what our sockets can do, now.
        pick: see :func:`locate`.
        on_failure: told a name and why it has no targets.
        nameservers: addresses and port to ask instead of the system's.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reach: Callable[[], Reach],
        pick: Callable[[int], int],
        on_failure: Callable[[str, str], None],
        nameservers: Sequence[tuple[str, int]] = (),
    ) -> None:
        self._loop = loop
        self._reach = reach
        self._pick = pick
        self._on_failure = on_failure
        self._nameservers = nameservers
        self._asker: dns.asyncresolver.Resolver | None = None
        self._answers: dict[Question, Answer] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def known(self, uri: Uri) -> list[Target] | None:
        """Targets by what is known, the first one to be tried first; None while nothing is. What
        is old is asked for again, and used meanwhile."""
        asking = locate(uri, self._reach(), self._pick)
        now = self._loop.time()
        stale = False
        try:
            question = next(asking)
            while True:
                answer = self._answers.get(question)
                if answer is None:
                    self._ask(uri)
                    return None
                stale = stale or answer.until < now
                question = asking.send(answer.records)
        except StopIteration as end:
            if stale:
                self._ask(uri)
            targets: list[Target] = end.value
            return targets

    async def find(self, uri: Uri, seconds: float) -> list[Target]:
        """Targets, waited for at most so long; none if nothing was found by then."""
        found = self.known(uri)
        if found is None:
            await asyncio.wait([self._asking[str(uri)]], timeout=seconds)
            found = self.known(uri)
        return found or []

    def close(self) -> None:
        """Stop all questions that are under way."""
        for task in self._asking.values():
            task.cancel()

    def _ask(self, uri: Uri) -> None:
        key = str(uri)
        if key not in self._asking:
            task = self._loop.create_task(self._look_up(uri))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))

    async def _look_up(self, uri: Uri) -> None:
        """Answer every question that the URI leads to, as far as the answers don't hold."""
        asking = locate(uri, self._reach(), self._pick)
        why = "the name isn't known"
        try:
            question = next(asking)
            for _ in range(MAX_QUESTIONS):
                answer = self._answers.get(question)
                if answer is None or answer.until < self._loop.time():
                    answer, failure = await self._answer(question, answer)
                    why = failure or why
                    self._keep(question, answer)
                question = asking.send(answer.records)
            self._on_failure(uri.host, f"it leads to more than {MAX_QUESTIONS} questions")
        except StopIteration as end:
            if not end.value:
                self._on_failure(uri.host, why)

    def _keep(self, question: Question, answer: Answer) -> None:
        if len(self._answers) >= MAX_ANSWERS:
            self._answers.clear()
        self._answers[question] = answer

    async def _answer(self, question: Question, old: Answer | None) -> tuple[Answer, str | None]:
        """An answer, and why if it isn't a good one: an old one is better than none."""
        now = self._loop.time()
        try:
            found = await self._resolver().resolve(
                question.name, question.kind, lifetime=QUESTION_SECONDS, search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return await self._not_in_dns(question)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            records = () if old is None else old.records
            return Answer(records, now + FAILED_SECONDS), str(error) or type(error).__name__
        ttl = 0 if found.rrset is None else found.rrset.ttl
        until = now + min(max(ttl, MIN_TTL_SECONDS), MAX_TTL_SECONDS)
        records = [record for data in found if (record := _record(data)) is not None]
        return Answer(records, until), None

    async def _not_in_dns(self, question: Question) -> tuple[Answer, None]:
        """A name that the DNS doesn't know may stand in the hosts file of this machine."""
        until = self._loop.time() + NEGATIVE_SECONDS
        records: list[Record] = []
        if question.kind in ("A", "AAAA"):
            family = socket.AF_INET6 if question.kind == "AAAA" else socket.AF_INET
            try:
                found = await self._loop.getaddrinfo(
                    question.name, None, family=family, type=socket.SOCK_DGRAM
                )
                records = [str(item[4][0]) for item in found]
            except (OSError, UnicodeError):
                pass
        return Answer(records, until), None

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Made when first needed: it reads the system's configuration."""
        if self._asker is None:
            self._asker = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                self._asker.nameservers = [host for host, _ in self._nameservers]
                self._asker.port = self._nameservers[0][1]
        return self._asker


def _record(data: Rdata) -> Record | None:
    """A record of dnspython's as one of ours; None for a type that wasn't asked for."""
    match data:
        case NAPTR():
            return Naptr(
                data.order,
                data.preference,
                data.flags.decode("ascii", "replace"),
                data.service.decode("ascii", "replace"),
                _name(data.replacement),
            )
        case SRV():
            return Srv(data.priority, data.weight, data.port, _name(data.target))
        case A() | AAAA():
            return str(data.address)
    return None


def _name(name: Name) -> str:
    """Without the last dot; the root is nothing."""
    return str(name.to_text(omit_final_dot=True)).lower().strip(".")
