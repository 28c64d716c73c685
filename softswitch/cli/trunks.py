"""softswitch trunk: other operators and gateways."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Trunks: other operators and gateways.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="trunk")


@app.command()
def add(
    context: typer.Context,
    name: Name,
    target: Annotated[str, typer.Option(metavar="sip:HOST:PORT", help="Where calls are sent.")],
    prefix: Annotated[
        list[str] | None,
        typer.Option(metavar="DIGITS", help="Numbers it takes; repeatable. Default: all."),
    ] = None,
    username: Annotated[str | None, typer.Option(help="For its digest challenges.")] = None,
    password: Annotated[str | None, typer.Option()] = None,
    inbound_from: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Where its calls come from; repeatable, or HOST:PORT."),
    ] = None,
    inbound_certificate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="In the certificate that it shows; repeatable."),
    ] = None,
    priority: Annotated[int, typer.Option(help="Lower is tried first.")] = 100,
    max_calls: Annotated[int | None, typer.Option(help="Calls at once.")] = None,
    trusted: Annotated[
        bool,
        typer.Option("--trusted", help="It asserts identities, and may know withheld ones."),
    ] = False,
    tariff: Annotated[
        str | None, typer.Option(help="The tariff of its charges. Cheaper trunks come first.")
    ] = None,
    weight: Annotated[
        int, typer.Option(help="Its share of calls among trunks of equal cost and priority.")
    ] = 1,
) -> None:
    """Add a trunk."""
    Session.of(context).run(
        operations.trunks.trunk_add,
        name=name,
        target=target,
        prefixes=prefix or [],
        username=username,
        password=password,
        inbound_from=inbound_from or [],
        inbound_certificates=inbound_certificate or [],
        priority=priority,
        max_calls=max_calls,
        trusted=trusted,
        tariff=tariff,
        weight=weight,
    )


TRUNK_COLUMNS = (
    "name", "target", "prefixes", "priority", "status", "health", "round_trip_ms", "lost_of_10",
    "tariff", "max_calls",
)  # fmt: skip
"""The columns of `trunk list` for people."""


@app.command("list")
def list_(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Every column, and not ten.")] = False,
) -> None:
    """Every trunk; the running switch knows their health."""
    session = Session.of(context)
    rows = session.perform(operations.trunks.trunk_list)
    session.show_columns(rows, TRUNK_COLUMNS, every=every)


@app.command()
def show(context: typer.Context, name: Name) -> None:
    """One trunk; the running switch knows its health."""
    Session.of(context).run(operations.trunks.trunk_show, name=name)


@app.command("set")
def set_(
    context: typer.Context,
    name: Name,
    key: Annotated[str, typer.Argument(metavar="KEY")],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help='"" goes back to the switch\'s own setting.')
    ],
) -> None:
    """Change one setting: target, prefixes and inbound_from (several parted by blanks), password,
    caller_id (which caller ids of an untrusted trunk are shown: numbers, any), stir (signed caller
    ids: off, on, require), contact (where
    requests within its calls go: auto, source, contact), dtmf (how it is told of keys: auto,
    rfc4733, info, inband), max_calls, ping_seconds (0: never), priority, srtp (off, optional,
    required), trusted (yes, no), tariff (what it charges us) or weight."""
    Session.of(context).run(operations.trunks.trunk_set, name=name, key=key, value=value)


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove a trunk. Its CDRs stay."""
    Session.of(context).run(operations.trunks.trunk_remove, name=name)


@app.command()
def suspend(context: typer.Context, name: Name) -> None:
    """Send it no calls and take none from it."""
    Session.of(context).run(operations.trunks.trunk_suspend, name=name)


@app.command()
def resume(context: typer.Context, name: Name) -> None:
    """Use a suspended trunk again."""
    Session.of(context).run(operations.trunks.trunk_resume, name=name)
