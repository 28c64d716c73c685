"""softswitch user: who signs in on the web, and with which role."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import BeforeId, Limit
from softswitch.cli.session import Session

app = typer.Typer(
    help="Users of the web: the operator's staff, and subscribers' people.", no_args_is_help=True
)

Login = Annotated[str, typer.Argument(metavar="LOGIN")]
Role = Annotated[
    str,
    typer.Option(
        help="admin, support, accountant, reviewer or auditor; subscriber, subscriber_accountant"
        " or line_user."
    ),
]
Account = Annotated[
    str | None, typer.Option(metavar="ACCOUNT", help="Of a subscriber's role: id or name.")
]
Lines = Annotated[
    list[str] | None, typer.Option(metavar="NUMBER", help="Of a line_user; may be repeated.")
]
EndsOn = Annotated[str, typer.Option(metavar="DATE", help="The last day of the role, a tenant's.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="user")


@app.command()
def add(
    context: typer.Context,
    login: Login,
    role: Role,
    account: Account = None,
    lines: Lines = None,
    email: Annotated[str, typer.Option(metavar="ADDRESS")] = "",
    language: Annotated[str, typer.Option(help="ka, ru, en, fa or kk.")] = "",
    ends_on: EndsOn = "",
) -> None:
    """Add a user. The password is shown once and must be changed at the first sign-in."""
    Session.of(context).run(
        operations.users.user_add,
        login=login,
        role=role,
        account=account,
        lines=lines,
        email=email,
        language=language,
        ends_on=ends_on,
    )


@app.command("list")
def list_(
    context: typer.Context,
    account: Account = None,
    limit: Limit = None,
    before: BeforeId = None,
    search: Annotated[str | None, typer.Option(help="A part of the login.")] = None,
) -> None:
    """Users, the newest first; of one account all of its people."""
    Session.of(context).run(
        operations.users.user_list, account=account, limit=limit, before=before, search=search
    )


@app.command()
def show(context: typer.Context, login: Login) -> None:
    """A user with every role."""
    Session.of(context).run(operations.users.user_show, login=login)


@app.command("set")
def set_(
    context: typer.Context,
    login: Login,
    key: Annotated[str, typer.Argument(metavar="KEY", help="email, language or disabled.")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> None:
    """Change a property. A disabled user's sessions end."""
    Session.of(context).run(operations.users.user_set, login=login, key=key, value=value)


@app.command()
def grant(
    context: typer.Context,
    login: Login,
    role: Role,
    account: Account = None,
    lines: Lines = None,
    ends_on: EndsOn = "",
) -> None:
    """Give a user a role, in the place of the one in the same account."""
    Session.of(context).run(
        operations.users.user_grant,
        login=login,
        role=role,
        account=account,
        lines=lines,
        ends_on=ends_on,
    )


@app.command()
def revoke(context: typer.Context, login: Login, account: Account = None) -> None:
    """Take a user's role in an account away, or without one the role among the staff."""
    Session.of(context).run(operations.users.user_revoke, login=login, account=account)


@app.command()
def password(context: typer.Context, login: Login) -> None:
    """Issue a new password. It is shown once and must be changed at the first sign-in."""
    Session.of(context).run(operations.users.user_password, login=login)


@app.command("forget-totp")
def forget_totp(context: typer.Context, login: Login) -> None:
    """Ask a user for no one-time codes any more."""
    Session.of(context).run(operations.users.user_forget_totp, login=login)
