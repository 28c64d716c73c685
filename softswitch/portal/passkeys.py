"""Passkeys of staff on the web: signing in, the second factor, confirming, and one's own list.

A form with `data-passkey` is sent twice by its script: first with `begin`, which is answered by the
options of the ceremony, then with the browser's `credential`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sqlalchemy.exc import IntegrityError
from starlette.responses import Response

from softswitch.control.errors import OperationError
from softswitch.identity import ceremonies, totp
from softswitch.identity.ceremonies import Answer, CeremonyFailed, RelyingParty
from softswitch.identity.passkeys import MOST_OF_A_USER, NOBODY, Passkey
from softswitch.portal.routes import Page
from softswitch.portal.sign_in_audit import note
from softswitch.portal.visit import Visit

GUESS = "passkey"
"""The kind of a wrong answer, in the throttle."""


def relying_party(visit: Visit) -> RelyingParty | None:
    """The site whose passkeys are used; None where its address has no name."""
    config = visit.portal.config
    name = config.operator.name or config.switch.domain
    return ceremonies.relying_party(config.portal.console_url or config.portal.url, name)


def is_asked(visit: Visit) -> bool:
    """True for a request that belongs to a ceremony."""
    return "begin" in visit.form or "credential" in visit.form


async def answered(visit: Visit, user_id: int, known: list[Passkey]) -> Response | Passkey:
    """Begin an assertion, or check the answer to one.

    Args:
        user_id: whose challenge it is; NOBODY before it is known who signs in.
        known: the passkeys that may answer; none: any.

    Returns:
        The options for the browser; or the passkey that signed.

    Raises:
        OperationError: no passkey that is known here signed this challenge.
    """
    identity, party = visit.portal.identity, _party(visit)
    if "begin" in visit.form:
        challenge = await identity.run(identity.passkeys.challenge, user_id, identity.now_ms())
        options = ceremonies.request_options(party, challenge, known)
        return Response(options, media_type="application/json")
    try:
        answer = ceremonies.assertion_claimed(visit.form.get("credential", ""))
    except CeremonyFailed:
        raise OperationError("passkey_wrong") from None
    name = hashlib.sha256(answer.credential_id.encode()).hexdigest()
    await identity.check_throttle(GUESS, name, visit.address)
    found = await identity.run(_asserted, visit, party, answer, user_id)
    if found is None or (known and found.user_id != user_id):
        await identity.guessed(GUESS, name, visit.address)
        user = None if visit.visitor is None else visit.visitor.user
        await note(visit, "sign_in_passkey", user, "passkey_wrong")
        raise OperationError("passkey_wrong")
    await identity.run(identity.throttle.succeeded, GUESS, name, visit.address)
    return found


def _asserted(visit: Visit, party: RelyingParty, answer: Answer, user_id: int) -> Passkey | None:
    """The passkey that signed an answer to a challenge of this user; None: none did."""
    identity = visit.portal.identity
    store, now = identity.passkeys, identity.now_ms()
    passkey = store.find(answer.credential_id)
    if passkey is None or not store.use_challenge(answer.challenge, user_id, now):
        return None
    try:
        count = ceremonies.asserted(party, answer, passkey)
    except CeremonyFailed:
        return None
    return passkey if store.used(passkey, count, now) else None


async def sign_in(visit: Visit) -> Response:
    """Sign in by a passkey alone: it is had, and it asked for a finger or a PIN."""
    found = await answered(visit, NOBODY, [])
    if isinstance(found, Response):
        return found
    identity = visit.portal.identity
    user = await identity.run(identity.users.by_id, found.user_id)
    if user is None:
        raise OperationError("passkey_wrong")
    token, visitor = await identity.open(
        user, visit.address, visit.request.headers.get("user-agent", ""),
        remembered=False, passed=True,
    )  # fmt: skip
    visit.visitor = visitor
    visit.set_session(token)
    await note(visit, "sign_in_passkey", user)
    return visit.go("/op" if visitor.is_staff else "/")


async def pass_second(visit: Visit) -> Response | None:
    """Take a passkey in the place of a one-time code; None: it was right."""
    visitor, identity = visit.known, visit.portal.identity
    own = await own_passkeys(visit)
    if not own:
        raise OperationError("passkey_wrong")
    found = await answered(visit, visitor.user.id, own)
    if isinstance(found, Response):
        return found
    now = identity.now_ms()
    visit.set_session(
        await identity.run(
            identity.sessions.renew, visitor.session.id, passed_totp=True, confirmed_at=now
        )
    )
    visit.visitor = replace(visitor, session=replace(visitor.session, passed_totp=True))
    if not visitor.session.passed_totp:
        await note(visit, "sign_in_passkey", visitor.user)
    return None


async def own_passkeys(visit: Visit) -> list[Passkey]:
    """The visitor's passkeys; none where the portal's address has no name."""
    if visit.visitor is None or relying_party(visit) is None:
        return []
    identity = visit.portal.identity
    return await identity.run(identity.passkeys.of_user, visit.visitor.user.id)


async def show(visit: Visit) -> Response:
    """How a member of staff signs in: the password, one-time codes and passkeys."""
    _check_staff(visit)
    identity = visit.portal.identity
    own = await own_passkeys(visit)
    stamps = {one.short_id: identity.stamp(one.used_at) if one.used_at else "" for one in own}
    return visit.page(
        "passkeys.html", party=relying_party(visit), passkeys=own, stamps=stamps,
        user=visit.known.user,
    )  # fmt: skip


async def submit(visit: Visit) -> Response:
    """Add a passkey, or remove one."""
    _check_staff(visit)
    identity, user = visit.portal.identity, visit.known.user
    own = await own_passkeys(visit)
    wanted = visit.form.get("remove", "")
    for one in own:
        if one.short_id == wanted:
            await identity.run(identity.passkeys.remove, one)
            await note(visit, "passkey_remove", user)
            if len(own) == 1 and not user.totp_secret:
                await identity.run(identity.users.set_recovery_codes, user.id, ())
            return visit.go("/sign-in")
    if wanted:
        raise OperationError("passkey_wrong")
    if len(own) >= MOST_OF_A_USER:
        raise OperationError("passkeys_many", most=MOST_OF_A_USER)
    party = _party(visit)
    if "begin" in visit.form:
        now = identity.now_ms()
        challenge = await identity.run(identity.passkeys.challenge, user.id, now)
        options = ceremonies.creation_options(party, user.id, user.login, challenge, own)
        return Response(options, media_type="application/json")
    await identity.run(_add, visit, party)
    await note(visit, "passkey_add", user)
    if user.totp_secret or own:
        return visit.go("/sign-in")
    codes = totp.new_recovery_codes()
    hashes = [totp.recovery_hash(one) for one in codes]
    await identity.run(identity.users.set_recovery_codes, user.id, hashes)
    return visit.page("recovery.html", codes=codes, next="/sign-in")


def _add(visit: Visit, party: RelyingParty) -> None:
    """Keep the passkey of an answer. Raises OperationError."""
    identity, user = visit.portal.identity, visit.known.user
    now = identity.now_ms()
    try:
        answer = ceremonies.registration_claimed(visit.form.get("credential", ""))
        if not identity.passkeys.use_challenge(answer.challenge, user.id, now):
            raise OperationError("passkey_wrong")
        name = visit.form.get("name", "").strip()[:64] or visit.text("entrance.passkey")
        identity.passkeys.add(ceremonies.registered(party, answer, user.id, name, now))
    except (CeremonyFailed, IntegrityError):
        raise OperationError("passkey_wrong") from None


def _party(visit: Visit) -> RelyingParty:
    party = relying_party(visit)
    if party is None:
        raise OperationError("passkeys_need_name")
    return party


def _check_staff(visit: Visit) -> None:
    if not visit.known.is_staff:
        raise OperationError("page_not_found", path=visit.request.url.path)


PAGES = (Page("/sign-in", show, submit=submit, stage="session", confirmed=True),)
