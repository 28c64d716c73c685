"""Options that all lists have alike: which part of the list is shown."""

from __future__ import annotations

from typing import Annotated

import typer

Limit = Annotated[
    int | None,
    typer.Option(min=1, help="The newest so many, the newest first.", show_default=False),
]
BeforeId = Annotated[
    int | None,
    typer.Option("--before", metavar="ID", help="The next page: the last id of this one."),
]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="TIME,ID", help="The next page: the last row of this one."),
]
BeforeNumber = Annotated[
    str | None,
    typer.Option("--before", metavar="NUMBER", help="The next page: the last number of this one."),
]
Search = Annotated[
    str | None, typer.Option(help="A part of the name; of numbers the first digits.")
]
OfAccount = Annotated[str | None, typer.Option("--account", help="Id or name.")]
OfLine = Annotated[str | None, typer.Option("--line", help="Number or login.")]
