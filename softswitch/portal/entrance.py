"""The entrance: signing in and out, second factors, first and forgotten passwords, languages."""

from __future__ import annotations

import io
from dataclasses import replace

import segno
from markupsafe import Markup
from starlette.responses import Response, StreamingResponse

from softswitch.control.actor import ROLES
from softswitch.control.errors import OperationError
from softswitch.control.watch import TOPICS
from softswitch.errors.texts import LANGUAGES
from softswitch.identity import totp
from softswitch.mail.letter import Mail
from softswitch.mail.outbox import Outbox
from softswitch.portal import passkeys
from softswitch.portal.feed import lines_of
from softswitch.portal.routes import Page
from softswitch.portal.sign_in_audit import note
from softswitch.portal.visit import LANGUAGE_COOKIE, STAFF_COOKIE, Visit

HOME, CONSOLE = "/", "/op"
ANYBODY = frozenset(ROLES)


async def show_login(visit: Visit) -> Response:
    if visit.visitor is not None:
        return visit.go(after_sign_in(visit))
    wanted = local(visit.asked("next") or visit.form.get("next", ""))
    console = visit.portal.config.portal.console
    server = visit.request.scope.get("server")
    for_staff = wanted.startswith(CONSOLE) or (
        console is not None and server is not None and server[1] == console.port
    )
    has_passkeys = for_staff and passkeys.relying_party(visit) is not None
    return visit.page("login.html", next=wanted, has_passkeys=has_passkeys)


async def login(visit: Visit) -> Response:
    """Sign in, or say why not; the same text and time for a login that nobody has."""
    form = visit.form
    if passkeys.is_asked(visit):
        return await passkeys.sign_in(visit)
    identity, name = visit.portal.identity, form.get("login", "").strip()
    visit.visitor = None
    try:
        token, visitor = await identity.sign_in(
            name, form.get("password", ""), visit.address,
            visit.request.headers.get("user-agent", ""), remembered="remember" in form,
        )  # fmt: skip
    except OperationError as error:
        await note(visit, "sign_in", await identity.run(identity.users.by_login, name), error.code)
        raise
    visit.visitor = visitor
    visit.set_session(token)
    await note(visit, "sign_in", visitor.user)
    return visit.go(local(form.get("next", "")) or after_sign_in(visit))


async def logout(visit: Visit) -> Response:
    """End the session. Staff who looked as a customer are back in their own, at that customer."""
    if visit.visitor is None:
        return visit.go("/login")
    session, membership = visit.visitor.session, visit.visitor.membership
    await visit.portal.identity.run(visit.portal.identity.sessions.end, session.id)
    await note(visit, "sign_out", visit.visitor.user)
    visit.portal.feed.end_session(session.id)
    own = visit.request.cookies.get(STAFF_COOKIE, "") if session.impersonator else ""
    visit.cookies[STAFF_COOKIE] = ""
    if not own:
        visit.end_session()
        return visit.go("/login")
    visit.set_session(own)
    account = None if membership is None else membership.account_id
    return visit.go(CONSOLE if account is None else f"{CONSOLE}/customers/{account}")


async def show_code(visit: Visit) -> Response:
    return visit.page("code.html", has_passkeys=bool(await passkeys.own_passkeys(visit)))


async def code(visit: Visit) -> Response:
    """Finish signing in by a one-time code, a recovery code or a passkey."""
    if passkeys.is_asked(visit):
        return await passkeys.pass_second(visit) or visit.go(after_sign_in(visit))
    user = visit.known.user
    try:
        token = await visit.portal.identity.pass_totp(
            visit.known, visit.form.get("code", ""), visit.address
        )
    except OperationError as error:
        await note(visit, "sign_in_code", user, error.code)
        raise
    await note(visit, "sign_in_code", user)
    visit.set_session(token)
    passed = replace(visit.known.session, passed_totp=True)
    visit.visitor = replace(visit.known, session=passed)
    return visit.go(after_sign_in(visit))


async def show_roles(visit: Visit) -> Response:
    """The accounts for which a person may act."""
    identity = visit.portal.identity
    roles = await identity.run(identity.users.memberships, visit.known.user.id)
    today = identity.today()
    return visit.page("roles.html", roles=[one for one in roles if not one.has_ended(today)])


async def choose_role(visit: Visit) -> Response:
    identity = visit.portal.identity
    roles = await identity.run(identity.users.memberships, visit.known.user.id)
    wanted = visit.form.get("role", "")
    for one in roles:
        if str(one.id) == wanted and not one.has_ended(identity.today()):
            token = await identity.run(
                identity.sessions.renew, visit.known.session.id, membership_id=one.id
            )
            visit.set_session(token)
            return visit.go(CONSOLE if one.account_id is None else HOME)
    raise OperationError("role_not_found", login=visit.known.user.login)


async def show_password(visit: Visit) -> Response:
    return visit.page("password.html", first=visit.known.user.must_change)


async def password(visit: Visit) -> Response:
    """Change the password; the old one is asked for, and every other session ends."""
    form, identity, visitor = visit.form, visit.portal.identity, visit.known
    new = form.get("new", "")
    await _confirmed(visit, form.get("old", ""))
    if new != form.get("again", ""):
        raise OperationError("passwords_differ")
    if new == form.get("old", ""):
        raise OperationError("password_repeated")
    visit.set_session(await identity.set_password(visitor, new))
    await note(visit, "password_change", visitor.user)
    visit.portal.feed.look_again()
    return visit.go(after_sign_in(visit))


async def show_confirm(visit: Visit) -> Response:
    return visit.page(
        "confirm.html", next=local(visit.asked("next") or visit.form.get("next", "")),
        has_passkeys=bool(await passkeys.own_passkeys(visit)),
    )  # fmt: skip


async def confirm(visit: Visit) -> Response:
    """Take the password or a passkey again, for what needs it."""
    if passkeys.is_asked(visit):
        answer = await passkeys.pass_second(visit)
        return answer or visit.go(local(visit.form.get("next", "")) or HOME)
    await _confirmed(visit, visit.form.get("password", ""))
    return visit.go(local(visit.form.get("next", "")) or HOME)


async def _confirmed(visit: Visit, password: str) -> None:
    """Take the password again. Raises OperationError."""
    try:
        await visit.portal.identity.confirm(visit.known, password, visit.address)
    except OperationError as error:
        await note(visit, "password_confirm", visit.known.user, error.code)
        raise


async def show_forgotten(visit: Visit) -> Response:
    return visit.page("forgotten.html", sent=visit.asked("sent") == "yes")


async def forgotten(visit: Visit) -> Response:
    """Mail a link; the page says the same whether the login exists or not."""
    identity = visit.portal.identity
    login = visit.form.get("login", "").strip()
    await identity.check_throttle("reset", login, visit.address)
    await identity.guessed("reset", login, visit.address)
    await identity.run(_mail_link, visit, login)
    return visit.go("/forgotten?sent=yes")


def _mail_link(visit: Visit, login: str) -> None:
    identity = visit.portal.identity
    user = identity.users.by_login(login)
    if user is None or user.disabled or not user.email:
        return
    now = identity.now_ms()
    token = identity.resets.issue(user.id, now)
    link = f"{visit.portal.config.portal.url}/reset/{token}"
    mail = Mail(
        f"password-reset-{user.id}-{now}", user.email, visit.text("entrance.reset_subject"),
        visit.text("entrance.reset_mail", login=user.login, link=link),
    )  # fmt: skip
    Outbox(visit.portal.store.engine).put(mail, now)


async def show_reset(visit: Visit) -> Response:
    return visit.page("reset.html")


async def reset(visit: Visit) -> Response:
    form = visit.form
    if form.get("new", "") != form.get("again", ""):
        raise OperationError("passwords_differ")
    user = await visit.portal.identity.reset(visit.path["token"], form.get("new", ""))
    await note(visit, "password_reset", user)
    visit.portal.feed.look_again()
    await visit.portal.identity.run(_tell_reset, visit, user.email, user.login)
    return visit.go("/login")


def _tell_reset(visit: Visit, email: str, login: str) -> None:
    """Tell the address of the user, in case somebody else did it."""
    now = visit.portal.identity.now_ms()
    mail = Mail(
        f"password-changed-{login}-{now}", email, visit.text("entrance.changed_subject"),
        visit.text("entrance.changed_mail", login=login),
    )  # fmt: skip
    if email:
        Outbox(visit.portal.store.engine).put(mail, now)


async def show_totp(visit: Visit) -> Response:
    """A key for an authenticator app, until a code of it was given."""
    user = visit.known.user
    secret = visit.form.get("secret") or totp.new_secret()
    issuer = visit.portal.config.operator.name or visit.portal.config.switch.domain
    uri = totp.provisioning_uri(secret, user.login, issuer)
    return visit.page("totp.html", secret=secret, picture=qr(uri), has_one=bool(user.totp_secret))


async def set_totp(visit: Visit) -> Response:
    """Ask for codes from now on, once one was given; recovery codes are shown once."""
    identity, visitor, form = visit.portal.identity, visit.known, visit.form
    now = identity.now_ms()
    if "off" in form:
        own = await passkeys.own_passkeys(visit)
        if visitor.is_staff and visit.portal.config.portal.staff_totp and not own:
            raise OperationError("totp_wrong")
        await identity.run(identity.users.set_totp, visitor.user.id, "")
        if not own:
            await identity.run(identity.users.set_recovery_codes, visitor.user.id, ())
        await note(visit, "totp_remove", visitor.user)
        return visit.go("/totp")
    secret = form.get("secret", "")
    step = None
    if len(secret) == 32 and secret.isalnum() and secret.isascii():
        step = totp.step_of(secret, form.get("code", ""), now)
    if step is None:
        raise OperationError("totp_wrong")
    codes = totp.new_recovery_codes()
    hashes = [totp.recovery_hash(one) for one in codes]
    await identity.run(identity.users.set_totp, visitor.user.id, secret)
    await identity.run(identity.users.set_recovery_codes, visitor.user.id, hashes)
    await identity.run(identity.users.use_totp, visitor.user.id, step)
    await note(visit, "totp_set", visitor.user)
    visit.set_session(
        await identity.run(
            identity.sessions.renew, visitor.session.id, passed_totp=True, confirmed_at=now
        )
    )
    return visit.page("recovery.html", codes=codes, next=after_sign_in(visit))


async def choose_language(visit: Visit) -> Response:
    """Keep the language: with the user, or in a cookie of this browser."""
    chosen = visit.form.get("language", "")
    if chosen in LANGUAGES:
        if visit.visitor is None:
            visit.cookies[LANGUAGE_COOKIE] = chosen
        else:
            identity = visit.portal.identity
            await identity.run(identity.users.set_language, visit.visitor.user.id, chosen)
    return visit.go(local(visit.form.get("next", "")) or HOME)


async def dismiss(visit: Visit) -> Response:
    """Put an announcement away."""
    visit.dismiss(visit.form.get("announcement", ""))
    return visit.go(local(visit.form.get("next", "")) or HOME)


async def live(visit: Visit) -> Response:
    """Server-sent events: the topics that changed, for pages that show them."""
    visitor, actor = visit.known, visit.actor
    wanted = set(visit.asked("topics").split(","))
    topics = frozenset(topic for topic in TOPICS if topic in wanted)
    stream = visit.portal.feed.open(visitor.session.id, topics, actor.account)
    sessions, identity = visit.portal.identity.sessions, visit.portal.identity

    async def is_open() -> bool:
        found = await identity.run(sessions.of_user, visitor.user.id)
        return any(one.id == visitor.session.id for one in found)

    return StreamingResponse(
        lines_of(stream, visit.portal.feed, is_open), media_type="text/event-stream"
    )


def qr(text: str) -> Markup:
    """A QR code as SVG."""
    out = io.BytesIO()
    segno.make(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, scale=5, border=2, omitsize=False
    )
    return Markup(out.getvalue().decode("utf-8"))  # noqa: S704  # of a library, not of the text


def after_sign_in(visit: Visit) -> str:
    """The next page of a visitor, in the order of what is still missing."""
    visitor = visit.known
    if not visitor.session.passed_totp:
        return "/login/code"
    if visitor.membership is None:
        return "/roles"
    return CONSOLE if visitor.is_staff else HOME


def local(path: str) -> str:
    """A path of ours to go on to; "" for everything that could lead elsewhere."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if fine and "\\" not in path else ""


PAGES = (
    Page("/login", show_login, submit=login, stage="open"),
    Page("/language", show_login, submit=choose_language, stage="open"),
    Page("/forgotten", show_forgotten, submit=forgotten, stage="open"),
    Page("/reset/{token}", show_reset, submit=reset, stage="open"),
    Page("/login/code", show_code, submit=code, stage="session"),
    Page("/roles", show_roles, submit=choose_role, stage="session"),
    Page("/announcements", show_login, submit=dismiss, stage="session"),
    Page("/logout", show_login, submit=logout, stage="session"),
    Page("/password", show_password, submit=password, stage="session"),
    Page("/confirm", show_confirm, submit=confirm, stage="session"),
    Page("/totp", show_totp, submit=set_totp, stage="session", confirmed=True),
    Page("/live", live, ANYBODY),
    *passkeys.PAGES,
)
