"""softswitch media: the processes that pass sound on."""

from __future__ import annotations

import typer

from softswitch.cli import operations
from softswitch.cli.session import Session

app = typer.Typer(help="Media workers: their calls, ports and fast path.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="media")


@app.command()
def show(context: typer.Context) -> None:
    """Each worker: its calls, how many directions the kernel passes on (kernel_lanes) and how many
    it does itself (relay_lanes; many of them together where relays_by says io_uring), its ports,
    and why it didn't hand over the last one that it kept; how many sides it speaks to or hears
    itself (sounding); its nice level (niceness; below 0 it goes before the machine's other
    work); ports_shared, of its pairs, the system might give to other programs, if it
    didn't hold them (ports_held); and how late the 20 ms ticks of the last five minutes began."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.media_show))
