"""Recently refused REGISTERs: an operator looks here when a phone doesn't register."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from sip.errors import ParseError
from sip.grammar import text
from sip.message import Request

MAX_REFUSALS = 2_000
"""The limit over all sources; some 300 octets each."""
MAX_OF_SOURCE = 50
"""The limit of one source address, so that a scanner's made-up logins don't displace others."""
MAX_LOGIN = 64
MAX_AGENT = 128


@dataclass(frozen=True, slots=True)
class RefusedRegistration:
    """Refusals of one login from one address for one reason, counted together.

    Args:
        login: as the phone gave it; there may be no such line.
        source: the address, without a port.
        agent: the phone's User-Agent.
        first_at, last_at: epoch seconds.
    """

    login: str
    source: str
    status: int
    reason: str
    agent: str
    first_at: float
    last_at: float
    count: int = 1


_Key = tuple[str, int, str, str]


class RefusedRegistrations:
    """The latest refusals, within limits. Written by the event loop; a snapshot may be read by any
    thread."""

    def __init__(self) -> None:
        self._of_source: OrderedDict[str, OrderedDict[_Key, RefusedRegistration]] = OrderedDict()
        self._count = 0

    def note(self, request: Request, source: str, status: int, reason: str, now: float) -> None:
        """Note a refused REGISTER; `now` in epoch seconds."""
        login, agent = login_of(request), agent_of(request)
        held = self._of_source.setdefault(source, OrderedDict())
        self._of_source.move_to_end(source)
        key = (login, status, reason, agent)
        known = held.pop(key, None)
        if known is None:
            self._count += 1
            held[key] = RefusedRegistration(login, source, status, reason, agent, now, now)
        else:
            held[key] = replace(known, last_at=now, count=known.count + 1)
        if len(held) > MAX_OF_SOURCE:
            held.popitem(last=False)
            self._count -= 1
        while self._count > MAX_REFUSALS:
            _, oldest = self._of_source.popitem(last=False)
            self._count -= len(oldest)

    def latest(self, login: str | None = None) -> list[RefusedRegistration]:
        """Refusals, of one login or of all; the latest first."""
        found = [
            refusal
            for held in list(self._of_source.values())
            for refusal in list(held.values())
            if login is None or refusal.login == login
        ]
        return sorted(found, key=lambda refusal: -refusal.last_at)


def login_of(request: Request) -> str:
    """The login in a REGISTER, as far as it can be read; for logs alone."""
    try:
        user = request.to_uri.user
    except ParseError:
        user = None
    return (user or "")[:MAX_LOGIN]


def agent_of(request: Request) -> str:
    """The User-Agent of a request; for logs alone."""
    return text(request.get(b"user-agent") or b"")[:MAX_AGENT]
