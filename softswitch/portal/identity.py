"""Signing in: passwords, one-time codes, passkeys, sessions, and who a request comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from billing.facts.cdr import show_stamp
from billing.stores.store import Store
from softswitch.config.config import Config
from softswitch.control.actor import STAFF_ROLES, Actor
from softswitch.control.errors import OperationError
from softswitch.database.threads import P, T
from softswitch.identity import sessions, totp
from softswitch.identity.passkeys import PasskeyStore
from softswitch.identity.resets import ResetStore
from softswitch.identity.sessions import Lifetimes, Session, SessionStore, new_session
from softswitch.identity.throttle import Throttle
from softswitch.identity.users import Membership, User, UserStore
from softswitch.subscribers import passwords

HASHES_AT_ONCE = 2
"""Passwords that are checked at the same time: each takes 16 MiB."""
MAY_LOOK: frozenset[str] = frozenset({"admin", "support"})
"""Roles of staff who may take a customer's place."""
MAY_ACT: frozenset[str] = frozenset({"admin"})
"""Roles of staff who may also change something there."""
PASSWORD, CODE = "password", "code"
"""Kinds of guesses."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """The person behind a request.

    Args:
        membership: as what the person acts; None: not chosen yet.
    """

    user: User
    session: Session
    membership: Membership | None
    looks_only: bool = False
    """True for a member of staff in a customer's place who may change nothing there."""
    has_passkey: bool = False
    """True for a member of staff who can sign in with a passkey; not asked for where one-time codes
    are."""

    @property
    def is_staff(self) -> bool:
        return self.membership is not None and self.membership.role in STAFF_ROLES


class Identity:
    """Users and sessions, written by the portal itself.

    Every method that waits for the disk or for a hash runs in a thread.

    Args:
        now_ms: the clock, in epoch milliseconds.
    """

    def __init__(self, config: Config, store: Store, now_ms: Callable[[], int]) -> None:
        self._config = config
        self._now_ms = now_ms
        self.users = UserStore(store.engine)
        self.sessions = SessionStore(store.engine)
        self.resets = ResetStore(store.engine)
        self.passkeys = PasskeyStore(store.engine)
        self.throttle = Throttle(store.engine)
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._hashers = ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="hashes")
        self._signing_in = asyncio.Semaphore(HASHES_AT_ONCE)

    def lifetimes(self, session: Session, membership: Membership | None) -> Lifetimes:
        """The limits of a session."""
        if session.impersonator:
            return sessions.IMPERSONATION
        if membership is not None and membership.role in STAFF_ROLES:
            idle_ms = self._config.portal.idle_minutes * sessions.MINUTE_MS
            return replace(sessions.CONSOLE, idle_ms=idle_ms)
        return sessions.REMEMBERED if session.remembered else sessions.CABINET

    def today(self) -> str:
        """The ISO date at the switch."""
        at = datetime.fromtimestamp(self._now_ms() / 1000, UTC)
        return at.astimezone(ZoneInfo(self._config.switch.time_zone)).date().isoformat()

    async def visitor(self, token: str) -> Visitor | None:
        """The person with this session; None: it isn't one, or it ended."""
        return await asyncio.to_thread(self._visitor, token)

    def _visitor(self, token: str) -> Visitor | None:
        session = self.sessions.find(token)
        if session is None:
            return None
        user = self.users.by_id(session.user_id)
        today = self.today()
        held = [] if user is None else self.users.memberships(user.id)
        roles = {one.id: one for one in held if not one.has_ended(today)}
        membership = roles.get(session.membership_id or 0)
        now = self._now_ms()
        gone = session.membership_id is not None and membership is None
        ended = session.has_ended(self.lifetimes(session, membership), now)
        staff = self._staff_role(session.impersonator) if session.impersonator else ""
        dismissed = bool(session.impersonator) and staff not in MAY_LOOK
        if user is None or user.disabled or gone or ended or dismissed:
            self.sessions.end(session.id)
            return None
        looks_only = bool(session.impersonator) and staff not in MAY_ACT
        is_staff = membership is not None and membership.role in STAFF_ROLES
        asks_codes = user.totp_secret != ""
        has_passkey = is_staff and not asks_codes and bool(self.passkeys.of_user(user.id))
        touched = self.sessions.touch(session, now)
        return Visitor(user, touched, membership, looks_only, has_passkey)

    def _staff_role(self, login: str) -> str:
        """The role of a member of staff; "" for a login that has none any more."""
        user = self.users.by_login(login)
        if user is None or user.disabled:
            return ""
        today = self.today()
        for one in self.users.memberships(user.id):
            if one.account_id is None and not one.has_ended(today):
                return one.role
        return ""

    async def sign_in(
        self, login: str, password: str, address: str, agent: str, *, remembered: bool
    ) -> tuple[str, Visitor]:
        """Open a session for a login with its password; returns its token.

        Raises:
            OperationError: wrong, or too many tries.
        """
        await self.check_throttle(PASSWORD, login, address)
        async with self._signing_in:
            # Again: of many guesses at once, those before this one are counted by now.
            await self.check_throttle(PASSWORD, login, address)
            user = await asyncio.to_thread(self.users.by_login, login)
            right = await self.is_password(user, password)
            if user is None or not right:
                await self.guessed(PASSWORD, login, address)
                raise OperationError("credentials_wrong")
        await self.run(self.throttle.succeeded, PASSWORD, login, address)
        passed = not user.totp_secret and not await self.run(self.passkeys.of_user, user.id)
        return await self.open(user, address, agent, remembered=remembered, passed=passed)

    async def open(
        self, user: User, address: str, agent: str, *, remembered: bool, passed: bool
    ) -> tuple[str, Visitor]:
        """Open a session for a user who proved to be that; returns its token.

        Args:
            passed: True if no second factor is missing.

        Raises:
            OperationError: the user is disabled or has no role.
        """
        return await asyncio.to_thread(self._open, user, address, agent, remembered, passed)

    def _open(
        self, user: User, address: str, agent: str, remembered: bool, passed: bool
    ) -> tuple[str, Visitor]:
        today = self.today()
        roles = [one for one in self.users.memberships(user.id) if not one.has_ended(today)]
        if user.disabled or not roles:
            raise OperationError("user_disabled", login=user.login)
        only = roles[0] if len(roles) == 1 else None
        session = new_session(
            user.id, self._now_ms(), membership_id=None if only is None else only.id,
            passed_totp=passed, remembered=remembered, address=address, agent=agent,
        )  # fmt: skip
        return self.sessions.open(session), Visitor(user, session, only)

    async def _hashed(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Hash in one of few threads: each keeps the memory of its hashes, 16 MB and more."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hashers, partial(work, *arguments, **named))

    async def is_password(self, user: User | None, password: str) -> bool:
        """True if this is the user's password. A user whom there isn't takes as long."""
        kept = passwords.NOBODYS if user is None else user.secret
        async with self._hashing:
            right = await self._hashed(passwords.matches, password, kept)
            if right and user is not None and passwords.is_outdated(kept):
                newer = await self._hashed(passwords.hashed, password)
                await asyncio.to_thread(self.users.rehash, user.id, newer)
        return right

    async def set_password(self, visitor: Visitor, new: str) -> str:
        """Replace the password, end the user's other sessions, and renew this one; returns its
        token. Raises OperationError."""
        secret = await self.hash_of(visitor.user.login, new)
        now, user, session = self._now_ms(), visitor.user, visitor.session

        def change() -> str:
            self.users.set_password(user.id, secret, now, must_change=False)
            self.sessions.end_of_user(user.id, keep=session.id)
            return self.sessions.renew(session.id, confirmed_at=now)

        return await asyncio.to_thread(change)

    async def reset(self, token: str, new: str) -> User:
        """Replace a forgotten password by a reset link; every session ends. Raises
        OperationError."""
        now = self._now_ms()
        user_id = await self.run(self.resets.user_of, token, now)
        user = None if user_id is None else await self.run(self.users.by_id, user_id)
        if user is None:
            raise OperationError("reset_link_void")
        secret = await self.hash_of(user.login, new)

        def change() -> bool:
            if self.resets.use(token, now) is None:
                return False
            self.users.set_password(user.id, secret, now, must_change=False)
            self.sessions.end_of_user(user.id)
            return True

        if not await self.run(change):
            raise OperationError("reset_link_void")
        return user

    async def hash_of(self, login: str, new: str) -> str:
        """The hash of a password that someone chose. Raises OperationError for a weak one."""
        least, most = passwords.LEAST_LENGTH, passwords.LONGEST
        if not least <= len(new) <= most or new.lower() == login.lower():
            raise OperationError("password_weak", least=least, most=most)
        async with self._hashing:
            return await self._hashed(passwords.hashed, new)

    async def pass_totp(self, visitor: Visitor, code: str, address: str) -> str:
        """Finish signing in by a one-time code or a recovery code; returns the session's new token.
        Raises OperationError."""
        user, now = visitor.user, self._now_ms()
        await self.check_throttle(CODE, user.login, address)

        def check() -> bool:
            # Users with passkeys alone have no key; by an empty one anybody could make codes.
            step = totp.step_of(user.totp_secret, code, now) if user.totp_secret else None
            if step is not None:
                return self.users.use_totp(user.id, step)
            return self.users.use_recovery_code(user.id, totp.recovery_hash(code))

        if not await self.run(check):
            await self.guessed(CODE, user.login, address)
            raise OperationError("totp_wrong")
        return await self.run(
            self.sessions.renew, visitor.session.id, passed_totp=True, confirmed_at=now
        )

    async def confirm(self, visitor: Visitor, password: str, address: str) -> None:
        """Take the password again, for what needs it. Raises OperationError."""
        login = visitor.user.login
        await self.check_throttle(PASSWORD, login, address)
        if not await self.is_password(visitor.user, password):
            await self.guessed(PASSWORD, login, address)
            raise OperationError("credentials_wrong")
        await self.run(self.sessions.confirm, visitor.session.id, self._now_ms())

    async def check_throttle(self, kind: str, name: str, address: str) -> None:
        """Raises OperationError while the next guess must wait."""
        seconds = await self.run(self.throttle.seconds_to_wait, kind, name, address, self._now_ms())
        if seconds:
            raise OperationError("guesses_too_many", seconds=seconds)

    async def guessed(self, kind: str, name: str, address: str) -> None:
        """Count a wrong guess."""
        await self.run(self.throttle.failed, kind, name, address, self._now_ms())

    async def run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run a function that waits for the disk in a thread."""
        return await asyncio.to_thread(work, *arguments, **named)

    def now_ms(self) -> int:
        return self._now_ms()

    @staticmethod
    def stamp(at: int) -> str:
        """Epoch milliseconds as operations write a time."""
        return show_stamp(at)

    def actor(self, visitor: Visitor, address: str, request_id: str, via: str = "portal") -> Actor:
        """The actor of a request. Raises OperationError before a role was chosen."""
        if visitor.membership is None:
            raise OperationError("role_not_found", login=visitor.user.login)
        actor = visitor.membership.actor(visitor.user.login)
        return Actor(
            actor.user, actor.role, actor.account, actor.lines, via, address[:64],
            visitor.session.id, request_id, visitor.session.impersonator,
        )  # fmt: skip
