"""softswitch watch: what the running switch does, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from softswitch.cli.session import UNREACHABLE, Failure, Session

if TYPE_CHECKING:
    from pathlib import Path

    from softswitch.control.watch import Topic, WatchEvent


def add_to(root: typer.Typer) -> None:
    root.command()(watch)


def watch(
    context: typer.Context,
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOPIC]...",
            help="calls, registrations, trunks, balances, notices, texts, figures. Default: calls.",
        ),
    ] = None,
) -> None:
    """Print what happens in the running switch until it is interrupted: first how it is now, then
    numbered events; with -o json one JSON object a line."""
    import asyncio

    from softswitch.control.client import NotRunning
    from softswitch.control.watch import TOPICS

    session = Session.of(context)
    wanted: list[Topic] = []
    for name in topics or ["calls"]:
        topic = next((known for known in TOPICS if known == name), None)
        if topic is None:
            raise typer.BadParameter(f"{name!r} is no topic; there are {', '.join(TOPICS)}")
        wanted.append(topic)
    try:
        asyncio.run(_print(session.config.control_socket, wanted, plain=session.output != "json"))
    except NotRunning as error:
        raise Failure(f"{error}; start it with `softswitch serve`", UNREACHABLE) from None
    except KeyboardInterrupt:
        return
    raise Failure("the switch has closed the connection", UNREACHABLE)


async def _print(path: Path, topics: list[Topic], *, plain: bool) -> None:
    import msgspec

    from softswitch.control.watch_client import WatchClient

    async with WatchClient(path, topics) as watched:
        async for event in watched:
            if plain:
                for line in lines(event):
                    print(line, flush=True)
            else:
                print(msgspec.json.encode(event).decode(), flush=True)


def lines(event: WatchEvent) -> list[str]:
    """An event as text: number, topic, kind, and the row's values that aren't empty; a snapshot has
    a line for each row."""
    if event.kind == "resync":
        return [f"{event.number} resync: too much happened at once; all is told again"]
    head = f"{event.number} {event.topic} {event.kind}"
    if event.kind == "snapshot":
        rows = event.rows or []
        return [f"{head} {len(rows)} rows", *(f"  {_values(row)}" for row in rows)]
    return [f"{head} {event.key} {_values(event.row or {})}".rstrip()]


def _values(row: dict[str, object]) -> str:
    from softswitch.control.cells import cell_text

    return " ".join(
        f"{name}={cell_text(value)}" for name, value in row.items() if value not in (None, "", [])
    )
