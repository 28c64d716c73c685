"""softswitch webhook: what happens to an account, told to its programs."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import BeforeId, Limit
from softswitch.cli.session import Session

app = typer.Typer(
    help="Webhooks: an account's events, sent to its programs by HTTPS.", no_args_is_help=True
)

Webhook = Annotated[int, typer.Argument(metavar="ID")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="webhook")


@app.command()
def add(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    url: Annotated[str, typer.Argument(metavar="URL", help="https, at a public address.")],
    events: Annotated[
        list[str] | None,
        typer.Option("--event", help="call.ended, payment.*, ...; may be repeated. Default: all."),
    ] = None,
) -> None:
    """Have an account's events sent to an address. The secret that signs them is shown once."""
    Session.of(context).run(
        operations.webhooks.webhook_add, account=account, url=url, events=events
    )


@app.command("list")
def list_(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT")] = None,
) -> None:
    """The webhooks of an account, or all."""
    Session.of(context).run(operations.webhooks.webhook_list, account=account)


@app.command("set")
def set_(
    context: typer.Context,
    webhook: Webhook,
    key: Annotated[str, typer.Argument(metavar="KEY", help="url, events or enabled.")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> None:
    """Change a property."""
    Session.of(context).run(operations.webhooks.webhook_set, webhook=webhook, key=key, value=value)


@app.command()
def rotate(context: typer.Context, webhook: Webhook) -> None:
    """Give it a new secret, which is shown once. The old one signs as well for a day."""
    Session.of(context).run(operations.webhooks.webhook_rotate, webhook=webhook)


@app.command()
def test(context: typer.Context, webhook: Webhook) -> None:
    """Send a test event."""
    Session.of(context).run(operations.webhooks.webhook_test, webhook=webhook)


@app.command()
def remove(context: typer.Context, webhook: Webhook) -> None:
    """Remove it with its deliveries."""
    Session.of(context).run(operations.webhooks.webhook_remove, webhook=webhook)


@app.command()
def deliveries(
    context: typer.Context, webhook: Webhook, limit: Limit = None, before: BeforeId = None
) -> None:
    """What was sent, the newest first."""
    Session.of(context).run(
        operations.webhooks.webhook_deliveries, webhook=webhook, limit=limit, before=before
    )


@app.command()
def again(
    context: typer.Context,
    webhook: Webhook,
    delivery: Annotated[int, typer.Argument(metavar="DELIVERY")],
) -> None:
    """Send a delivery again."""
    Session.of(context).run(operations.webhooks.webhook_again, webhook=webhook, delivery=delivery)
