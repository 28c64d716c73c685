"""Authentication of callers: a line by digest, a trunk by its address or certificate.

An identity in From is a claim and nothing more; it only helps to choose the line to challenge, and
the algorithms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat

from msgspec import Struct

from sip.digest import Algorithm, Credentials, DigestVerifier, Verdict
from sip.errors import REASONS, ParseError, SipError
from sip.fields import Fields
from sip.flow import Flow
from sip.guard import Guard
from sip.message import Request
from softswitch.admission.browser_passes import BrowserPasses
from softswitch.admission.decoys import Decoys
from softswitch.subscribers.directory import Directory, Line, Trunk
from softswitch.subscribers.line import Proof
from softswitch.subscribers.refusal import Refusal

LINE_RETRY_SECONDS = 10
_CREDENTIALS = (b"authorization", b"proxy-authorization")
_CHALLENGES = {401: repeat(b"WWW-Authenticate"), 407: repeat(b"Proxy-Authenticate")}
"""The field of a challenge, again and again."""


class LineCaller(Struct, frozen=True):
    """A line whose password was proven."""

    line: Line


@dataclass(frozen=True, slots=True)
class TrunkCaller:
    """A trunk, identified by the source address of its request or by its TLS certificate."""

    trunk: Trunk


Caller = LineCaller | TrunkCaller


class Registrant(Struct, frozen=True):
    """A line that a REGISTER authenticates as, and the proof."""

    line: Line
    username: str
    """Of its credentials: the line's login, or that of one of its devices."""
    proof_age: float
    """Seconds since the nonce of its credentials was issued."""


class Challenge(SipError):
    """A 401 or 407 for a request without valid credentials, with a challenge for each algorithm."""

    def __init__(self, status: int, challenges: Fields) -> None:
        self.status = status
        self.reason = REASONS[status]
        self.headers = challenges


class Authenticator:
    """Authenticates lines by digest and trunks by address or certificate.

    Args:
        domain: the domain of our lines' addresses.
        algorithms: offered in this order unless a line has an order of its own.
        invite_status: 401 or 407, for requests other than REGISTER.
        guard: counts wrong passwords, and limits how many are checked; None: no limit.
        names_of: the names in the certificate that the peer of a connection has shown.
        secret: of the switch; see :class:`Decoys`.
        passes: of browser phones; None: there are none.
        wall_seconds: epoch seconds, by which passes end.
    """

    def __init__(
        self,
        directory: Directory,
        verifier: DigestVerifier,
        *,
        domain: str,
        algorithms: tuple[Algorithm, ...],
        invite_status: int = 407,
        guard: Guard | None = None,
        names_of: Callable[[Flow], frozenset[str]] | None = None,
        secret: bytes = b"",
        passes: BrowserPasses | None = None,
        wall_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._passes = passes
        self._wall_seconds = wall_seconds
        self._directory = directory
        self._verifier = verifier
        self._domain = domain.lower()
        self._algorithms = algorithms
        self._invite_status = invite_status
        self._guard = guard
        self._names_of = names_of
        self._decoys = Decoys(secret)

    def caller(self, request: Request, flow: Flow, now: float) -> Caller:
        """The authenticated caller of an INVITE.

        Raises:
            Challenge: the request has no valid credentials yet.
            Refusal: 403, a wrong password.
        """
        proven = self._credentials(request)
        if proven is None:
            trunk = self.trunk(flow)
            if trunk is not None and not self._claims_line(request):
                return TrunkCaller(trunk)
        return LineCaller(self._line(request, flow, proven, self._invite_status, now))

    def trunk(self, flow: Flow) -> Trunk | None:
        """The trunk that sends by this flow: by its certificate, or by its address."""
        if flow.secure and self._names_of is not None:
            for name in self._names_of(flow):
                trunk = self._directory.trunk_by_certificate(name)
                if trunk is not None:
                    return trunk
        return self._directory.trunk_by_source(*flow.peer)

    def registrant(self, request: Request, flow: Flow, now: float) -> Registrant:
        """The line that a REGISTER authenticates as; it must own the address of record.

        Raises:
            Challenge, Refusal: as :meth:`caller`; 403 also for another line's address.
        """
        credentials = self._credentials(request)
        line = self._line(request, flow, credentials, 401, now)
        if request.to_uri.user != line.login:
            raise Refusal(403, "registers_other_line")
        if (status := self._directory.bar(line, "registration")) is not None:
            raise Refusal(403, "line_status", state=status)
        assert credentials is not None  # they were proven
        return Registrant(line, credentials.username, self._verifier.age(credentials, now))

    def first_challenge(self, request: Request, flow: Flow, now: float) -> Fields:
        """The challenge to a REGISTER without any credentials. As :meth:`registrant`, which would
        raise it through all its callers."""
        login = request.from_uri.user or ""
        return self._challenges(login, 401, now, (flow.beyond or flow.remote)[0])

    def caller_challenge(
        self, request: Request, flow: Flow, now: float
    ) -> tuple[int, Fields] | None:
        """The status and challenge for an INVITE without any credentials; None: a trunk sends it.
        As :meth:`caller`, which would raise it through all its callers."""
        trunk = self.trunk(flow)
        if trunk is not None and not self._claims_line(request):
            return None
        status, login = self._invite_status, request.from_uri.user or ""
        source = (flow.beyond or flow.remote)[0]
        return status, self._challenges(login, status, now, source)

    def subscriber(self, request: Request, flow: Flow, now: float) -> Line:
        """The line that sends a SUBSCRIBE; trunks may not subscribe.

        Raises:
            Challenge, Refusal: as :meth:`caller`.
        """
        return self._line(request, flow, self._credentials(request), 401, now)

    def forget(self, now: float) -> None:
        """Drop the state of expired nonces."""
        self._verifier.forget(now)

    def _claims_line(self, request: Request) -> bool:
        """True if a request from a trunk's address claims to come from one of our phones.

        A caller's number in From proves nothing, even if it is a number of ours: a carrier forwards
        calls back to us. Our domain does, or a login that can't be a number.
        """
        uri = request.from_uri
        user = uri.user
        if user is None or self._directory.line_by_login(user) is None:
            return False
        return uri.host == self._domain or not user.isdigit()

    def _credentials(self, request: Request) -> Credentials | None:
        """The credentials for our realm; a phone may send others for other realms as well."""
        values = request.values
        for name in _CREDENTIALS:
            if name not in values:
                continue
            for value in request.get_all(name) if request.repeated else (values[name],):
                try:
                    credentials = Credentials.parse(value)
                except ParseError:
                    continue
                if credentials.realm == self._verifier.realm:
                    return credentials
        return None

    def _line(
        self,
        request: Request,
        flow: Flow,
        credentials: Credentials | None,
        status: int,
        now: float,
    ) -> Line:
        source = (flow.beyond or flow.remote)[0]
        if credentials is None:
            login = request.from_uri.user or ""
            raise Challenge(status, self._challenges(login, status, now, source))
        username, guard = credentials.username, self._guard
        if guard is not None and not guard.may_try(source, username, now):
            # The answer to a wrong password without a check, and without a log line.
            raise SipError(403)
        claimed = self._proof_or_decoy(username)
        verdict = self._verdict(claimed, credentials, request, now, source)
        if verdict is Verdict.OK and (line := self._directory.line(claimed.line_id)) is not None:
            if guard is not None and not guard.admits_line(source, username, line.login, now):
                raise SipError(503, headers=((b"Retry-After", b"%d" % LINE_RETRY_SECONDS),))
            return line
        if verdict in (Verdict.OK, Verdict.WRONG):
            if guard is not None:
                guard.fail(source, username, now)
            # The same answer for a wrong password and an unknown line, so that our lines can't be
            # enumerated.
            raise Refusal(403, "sip_credentials_wrong")
        if verdict is Verdict.MALFORMED:
            raise SipError(400, "Malformed Credentials")
        raise Challenge(status, self._challenges(username, status, now, source, stale=True))

    def _verdict(
        self, claimed: Proof, credentials: Credentials, request: Request, now: float, source: str
    ) -> Verdict:
        """The verdict on credentials, by each password that their username has now."""
        algorithm, verify = credentials.algorithm, self._verifier.verify
        if algorithm not in (
            self._algorithms if claimed.algorithms is None else claimed.algorithms
        ):
            algorithm = None
        for ha1 in claimed.secrets:
            secret = None if algorithm is None else ha1.get(algorithm)
            verdict = verify(credentials, request.method, secret, now, request.body, source)
            if verdict is not Verdict.WRONG:
                return verdict
        return Verdict.WRONG

    def _proof_or_decoy(self, username: str) -> Proof:
        """The proof of the line of a username, or a decoy that no password fits: both cost the same
        time. Only a pass has a "~" in its username, whoever sends it."""
        directory = self._directory
        proof = directory.proof(username, self._decoys.line(username, directory.algorithm_orders))
        if "~" in username and not proof.line_id:
            return self._pass_proof(username) or proof
        return proof

    def _pass_proof(self, username: str) -> Proof | None:
        """The proof of a browser phone's pass; None for any other username."""
        found = None
        if self._passes is not None:
            found = self._passes.proof(username, self._wall_seconds())
        line = None if found is None else self._directory.line_by_login(found[0])
        if found is None or line is None:
            return None
        return Proof(line.id, line.algorithms, (found[1],))

    def _challenges(
        self, username: str, status: int, now: float, source: str, *, stale: bool = False
    ) -> Fields:
        """A challenge for each algorithm of the username's line."""
        orders = self._directory.algorithm_orders
        if len(orders) == 1:  # as on most switches: no line need be looked for
            (order,) = orders
        else:
            order = self._proof_or_decoy(username).algorithms
        algorithms = self._algorithms if order is None else order
        challenges = self._verifier.challenge(algorithms, now, stale, source)
        return tuple(zip(_CHALLENGES[status], challenges))  # noqa: B905 - one is endless
