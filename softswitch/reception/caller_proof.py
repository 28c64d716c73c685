"""Verification of signed caller ids of incoming calls (RFC 8224), with the certificates of their
signers, which are fetched and kept for a while."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from cryptography import x509

from sip.message import Request
from sip.passport import Attestation, IdentityError, check_claims, check_signature, read_identity
from sip.session import Session
from softswitch.admission.authentication import TrunkCaller
from softswitch.admission.caller_id import trunk_number
from softswitch.admission.numbering import NumberError, NumberPlan
from softswitch.call.call import Call
from softswitch.call.context import CallContext
from softswitch.call.ending import Ending
from softswitch.subscribers.refusal import Refusal

KEPT_SECONDS = 3_600.0
"""How long a certificate is used before it is fetched again."""
FAILED_SECONDS = 60.0
"""How long a certificate that couldn't be had isn't asked for again."""
FETCH_SECONDS = 3.0
"""The longest that a call waits for a certificate."""
MAX_KEPT = 500
MAX_FETCHES = 20
"""Fetches at the same time; a flood of made-up addresses proves nothing sooner."""

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets the certificates at an address. Raises OSError or ValueError with the reason."""


class SignerCertificates:
    """The certificates of signers by their addresses.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, fetch: Fetch, now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._kept: OrderedDict[str, tuple[float, bytes | str]] = OrderedDict()
        """By address: until when it counts; the certificates, or why they can't be had."""
        self._fetching: dict[str, asyncio.Task[bytes | str]] = {}

    async def at(self, url: str) -> bytes:
        """The certificates at an address. Raises IdentityError."""
        kept = self._kept.get(url)
        if kept is None or kept[0] <= self._now():
            found = await self._fetched(url)
        else:
            found = kept[1]
        if isinstance(found, str):
            raise IdentityError(436, f"its certificate can't be had: {found}")
        return found

    async def _fetched(self, url: str) -> bytes | str:
        task = self._fetching.get(url)
        if task is None:
            if len(self._fetching) >= MAX_FETCHES:
                return "too many are being fetched"
            task = self._fetching[url] = asyncio.get_running_loop().create_task(self._keep(url))
        return await asyncio.shield(task)

    async def _keep(self, url: str) -> bytes | str:
        found: bytes | str
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                found = await self._fetch(url)
        except TimeoutError:
            found = f"no answer in {FETCH_SECONDS:g} s"
        except (OSError, ValueError) as error:
            found = str(error)
        lasts = FAILED_SECONDS if isinstance(found, str) else KEPT_SECONDS
        self._kept[url] = (self._now() + lasts, found)
        self._kept.move_to_end(url)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        del self._fetching[url]
        return found


class CallerProof:
    """Verifies who calls by a trunk.

    Args:
        authorities: whose certificates count.
        wall_seconds: epoch seconds.
    """

    def __init__(
        self,
        authorities: Sequence[x509.Certificate],
        certificates: SignerCertificates,
        plan: NumberPlan,
        wall_seconds: Callable[[], float],
    ) -> None:
        self._authorities = authorities
        self._certificates = certificates
        self._plan = plan
        self._wall_seconds = wall_seconds
        self.results: Counter[str] = Counter()
        """Calls by what was found: the attestation, or "unproven"."""

    async def check(self, caller: TrunkCaller, request: Request) -> Attestation:
        """The attestation of a call whose caller id is proven. Raises IdentityError."""
        value = request.get(b"identity")
        if value is None:
            raise IdentityError(428, "the call has no Identity field")
        passport = read_identity(value)
        calling = trunk_number(caller.trunk, request, self._plan)
        now = int(self._wall_seconds())
        try:
            called = self._plan.read(request.uri.user or "").number
        except NumberError:
            called = request.uri.user or ""
        check_claims(passport, calling, called, now)
        pem = await self._certificates.at(passport.header.x5u)
        check_signature(passport, pem, self._authorities, now)
        return passport.claims.attest


class ProvenCall(Call):
    """A call by a trunk that signs its callers.

    Args:
        proof: verifies the caller before anything else is decided.
    """

    def __init__(
        self,
        context: CallContext,
        caller: TrunkCaller,
        request: Request,
        session: Session,
        proof: CallerProof,
    ) -> None:
        super().__init__(context, caller, request, session)
        self._trunk_caller = caller
        self._proof = proof

    async def _live(self) -> Ending:
        trunk, log = self._trunk_caller.trunk, self.context.log
        try:
            attestation = await self._proof.check(self._trunk_caller, self.request)
        except IdentityError as error:
            self._proof.results["unproven"] += 1
            log.warning("the caller isn't proven", call=self.id, trunk=trunk.name, why=error.reason)
            if trunk.stir == "require":
                self.record.caller(self._trunk_caller)
                raise Refusal(error.status, "caller_unproven", why=error.reason) from None
        else:
            self._proof.results[attestation] += 1
            log.info("the caller is proven", call=self.id, trunk=trunk.name, attest=attestation)
        return await super()._live()
