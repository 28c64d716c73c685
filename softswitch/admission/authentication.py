"""Who calls: a line, proven by digest, or a trunk, known by its address.

An identity in From is a claim and nothing more; it only helps to choose whom to challenge and how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sip.digest import Algorithm, Credentials, DigestVerifier, Verdict
from sip.errors import ParseError, SipError
from sip.flow import Flow
from sip.message import Request
from softswitch.admission.refusal import Refusal
from softswitch.directory import Directory, Line, Trunk


@dataclass(frozen=True, slots=True)
class LineCaller:
    """A line whose password was proven."""

    line: Line


@dataclass(frozen=True, slots=True)
class TrunkCaller:
    """A trunk, by the address that its request came from."""

    trunk: Trunk


Caller = LineCaller | TrunkCaller


class Challenge(SipError):
    """Not yet authenticated: 401 or 407 with a challenge for each algorithm."""

    def __init__(self, status: int, challenges: Sequence[bytes]) -> None:
        name = b"Proxy-Authenticate" if status == 407 else b"WWW-Authenticate"
        reason = "Proxy Authentication Required" if status == 407 else "Unauthorized"
        super().__init__(status, reason, tuple((name, value) for value in challenges))


class Authenticator:
    """Proves lines by digest and knows trunks by address.

    Args:
        domain: the domain of our lines' addresses.
        algorithms: offered in this order unless a line has an order of its own.
        invite_status: 401 or 407, for requests other than REGISTER.
    """

    def __init__(
        self,
        directory: Directory,
        verifier: DigestVerifier,
        *,
        domain: str,
        algorithms: tuple[Algorithm, ...],
        invite_status: int = 407,
    ) -> None:
        self._directory = directory
        self._verifier = verifier
        self._domain = domain
        self._algorithms = algorithms
        self._invite_status = invite_status

    def caller(self, request: Request, flow: Flow, now: float) -> Caller:
        """Who sends this INVITE.

        Raises:
            Challenge: a line must prove itself first.
            Refusal: 403, a wrong password.
        """
        proven = self._credentials(request)
        if proven is None:
            trunk = self._directory.trunk_by_source(*flow.remote)
            if trunk is not None and not self._claims_line(request):
                return TrunkCaller(trunk)
        return LineCaller(self._line(request, proven, self._invite_status, now))

    def registrant(self, request: Request, now: float) -> Line:
        """Whose binding this REGISTER may change: the address of record's own line only.

        Raises:
            Challenge, Refusal: as :meth:`caller`; 403 also for another line's address.
        """
        line = self._line(request, self._credentials(request), 401, now)
        if request.to.uri.user != line.login:
            raise Refusal(403, "authentication: registers another line's address")
        return line

    def subscriber(self, request: Request, now: float) -> Line:
        """Which line sends this SUBSCRIBE; trunks watch nothing.

        Raises:
            Challenge, Refusal: as :meth:`caller`.
        """
        return self._line(request, self._credentials(request), 401, now)

    def forget(self, now: float) -> None:
        """Drop what is kept of nonces that are too old to be used."""
        self._verifier.forget(now)

    def _claims_line(self, request: Request) -> bool:
        """Whether a request from a trunk's address says that it is one of our phones.

        A caller's number in From says nothing, even if it is a number of ours that was forwarded
        back; our domain does, or a login that can't be a number.
        """
        uri = request.from_.uri
        user = uri.user
        if user is None or self._directory.line_by_login(user) is None:
            return False
        return uri.host == self._domain or not user.isdigit()

    def _credentials(self, request: Request) -> Credentials | None:
        """The credentials for our realm; a phone may carry others for other realms."""
        for name in (b"proxy-authorization", b"authorization"):
            for value in request.get_all(name):
                try:
                    credentials = Credentials.parse(value)
                except ParseError:
                    continue
                if credentials.realm == self._verifier.realm:
                    return credentials
        return None

    def _line(
        self, request: Request, credentials: Credentials | None, status: int, now: float
    ) -> Line:
        if credentials is None:
            claimed = self._directory.line_by_login(request.from_.uri.user or "")
            raise self._challenge(claimed, status, now)
        line = self._directory.line_by_login(credentials.username)
        allowed = self._allowed(line)

        def ha1_of(algorithm: Algorithm) -> str | None:
            return line.ha1.get(algorithm) if line is not None and algorithm in allowed else None

        verdict = self._verifier.verify(credentials, request.method, ha1_of, now, request.body)
        if verdict is Verdict.OK and line is not None:
            return line
        if verdict is Verdict.WRONG:
            # The same answer whether the password or the line is wrong, so that nobody can list
            # our lines by asking.
            raise Refusal(403, "authentication: wrong credentials")
        raise self._challenge(line, status, now, stale=True)

    def _allowed(self, line: Line | None) -> tuple[Algorithm, ...]:
        return self._algorithms if line is None or line.algorithms is None else line.algorithms

    def _challenge(
        self, line: Line | None, status: int, now: float, *, stale: bool = False
    ) -> Challenge:
        return Challenge(status, self._verifier.challenge(self._allowed(line), now, stale))
