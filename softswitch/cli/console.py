"""softswitch search and queues: what the staff asks first."""

from __future__ import annotations

from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session


def add_to(root: typer.Typer) -> None:
    for command in (search, queues):
        root.command()(command)


def search(context: typer.Context, text: Annotated[str, typer.Argument(metavar="TEXT")]) -> None:
    """Find accounts, lines, numbers, payments, calls and phones by whatever is known: a name, a
    number, a national code, a payment's id, a Call-ID, an IP address."""
    Session.of(context).run(operations.search.search_everything, text=text)


def queues(context: typer.Context) -> None:
    """How much waits for the staff: documents, requests, orders, ports, debts."""
    Session.of(context).run(operations.search.queue_figures)
