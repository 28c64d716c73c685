"""The profile: sign-in, sessions, notices; people of the account and tokens (C17, C19)."""

from __future__ import annotations

from starlette.responses import Response

from softswitch.control.actor import SUBSCRIBER_ROLES
from softswitch.operations.access import OWNER, PAYER, USER
from softswitch.portal.routes import Action, Page
from softswitch.portal.visit import Visit
from softswitch.subscribers.notice_ways import TOPICS, WAYS


async def show(visit: Visit) -> Response:
    """Who I am to the operator, how I sign in and from where, and what I am told."""
    identity, visitor = visit.portal.identity, visit.known
    sessions = await identity.run(identity.sessions.of_user, visitor.user.id)
    return visit.page(
        "cabinet/profile.html",
        account=await visit.row("account_show") if visit.may("account_show") else None,
        sessions=sessions,
        stamps={one.id: identity.stamp(one.seen_at) for one in sessions},
        notices=await visit.some("notice_list"),
        topics=TOPICS,
        ways=[(way, visit.text(f"profile.{way}")) for way in WAYS],
    )


async def submit(visit: Visit) -> Response:
    """End another session, or change the e-mail address for links to a new password."""
    identity, visitor = visit.portal.identity, visit.known
    sessions = await identity.run(identity.sessions.of_user, visitor.user.id)
    wanted = visit.form.get("session", "")
    if any(one.id == wanted for one in sessions):
        await identity.run(identity.sessions.end, wanted)
        visit.portal.feed.end_session(wanted)
    return visit.go("/profile")


async def show_people(visit: Visit) -> Response:
    """The people of the account, each with a role; and tokens of programs."""
    return visit.page(
        "cabinet/people.html",
        people=await visit.rows("user_list"),
        tokens=await visit.some("token_list"),
        roles=[(role, visit.text(f"roles.{role}")) for role in SUBSCRIBER_ROLES],
        lines=await visit.some("line_list"),
        webhooks=await visit.some("webhook_list"),
    )


PAGES = (
    Page(
        "/profile",
        show,
        OWNER | PAYER | USER,
        actions=(Action("notice_set", ("topic", "way")),),
        submit=submit,
    ),
    Page(
        "/people",
        show_people,
        OWNER,
        confirmed=True,
        actions=(
            Action(
                "user_add", ("login", "role", "lines", "email", "ends_on"),
                shows="cabinet/issued.html",
            ),
            Action("user_password", ("login",), shows="cabinet/issued.html"),
            Action("user_revoke", ("login",)),
            Action(
                "token_add", ("login", "name", "scopes", "expires_on"),
                shows="cabinet/issued.html",
            ),
            Action("token_revoke", ("login", "token")),
            Action("webhook_add", ("url", "events"), shows="cabinet/issued.html"),
            Action("webhook_test", ("webhook",)),
            Action("webhook_remove", ("webhook",)),
        ),
    ),
)  # fmt: skip
