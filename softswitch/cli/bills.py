"""softswitch bill, softswitch paper: what subscribers are billed, and what they get on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.paging import BeforeId, Limit
from softswitch.cli.session import Failure, Session, write_file
from softswitch.control.values import Row

bills = typer.Typer(help="Monthly bills.", no_args_is_help=True)
papers = typer.Typer(help="Papers as PDF: invoices, acts, contracts.", no_args_is_help=True)

Bill = Annotated[int, typer.Argument(metavar="BILL", help="Its number.")]
Account = Annotated[str, typer.Argument(metavar="ACCOUNT")]
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Ends in .pdf, or in .html for the page itself.")
]
Language = Annotated[
    Literal["ka", "ru", "en", "fa", "kk"] | None,
    typer.Option(help="Default: the subscriber's own, or the switch's."),
]


def add_to(root: typer.Typer) -> None:
    root.add_typer(bills, name="bill")
    root.add_typer(papers, name="paper")


@bills.command("list")
def list_(
    context: typer.Context,
    account: Annotated[str | None, typer.Option()] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM")] = None,
    limit: Limit = None,
    before: BeforeId = None,
) -> None:
    """Bills by number."""
    Session.of(context).run(
        operations.bills.bill_list, account=account, month=month, limit=limit, before=before
    )


@bills.command()
def show(context: typer.Context, bill: Bill) -> None:
    """One bill with its items."""
    Session.of(context).run(operations.bills.bill_show, bill=bill)


@bills.command()
def pdf(context: typer.Context, bill: Bill, file: File, language: Language = None) -> None:
    """Write a bill."""
    _write_bill(context, bill, "bill", file, language)


@bills.command()
def duplicate(context: typer.Context, bill: Bill, file: File, language: Language = None) -> None:
    """Write a bill once more: the same number, the same content, marked as a duplicate."""
    _write_bill(context, bill, "duplicate", file, language)


@papers.command()
def invoice(context: typer.Context, bill: Bill, file: File, language: Language = None) -> None:
    """Write the invoice of a bill."""
    _write_bill(context, bill, "invoice", file, language)


@papers.command()
def act(context: typer.Context, bill: Bill, file: File, language: Language = None) -> None:
    """Write the act of service of a bill."""
    _write_bill(context, bill, "act", file, language)


@papers.command()
def contract(
    context: typer.Context, account: Account, file: File, language: Language = None
) -> None:
    """Write the contract with an account, as it stands today."""
    session = Session.of(context)
    page = session.perform(operations.bills.account_contract, account=account, language=language)
    _write(session, page, file)


@papers.command()
def reconciliation(
    context: typer.Context,
    account: Account,
    file: File,
    since: Annotated[str, typer.Option("--from", metavar="DATE", help="The first day.")],
    until: Annotated[str, typer.Option("--to", metavar="DATE", help="The last day.")],
    language: Language = None,
) -> None:
    """Write the reconciliation act of an account for a time."""
    session = Session.of(context)
    page = session.perform(
        operations.bills.account_reconciliation,
        account=account,
        since=since,
        until=until,
        language=language,
    )
    _write(session, page, file)


def _write_bill(
    context: typer.Context, bill: int, kind: str, file: Path, language: str | None
) -> None:
    session = Session.of(context)
    page = session.perform(operations.bills.bill_paper, bill=bill, kind=kind, language=language)
    _write(session, page, file)


def _write(session: Session, page: Row, file: Path) -> None:
    """The page is made where the data is, the PDF here: it takes a second of a processor, which
    the switch hasn't got."""
    html = str(page.pop("html"))
    if file.suffix == ".html":
        data = html.encode()
    elif file.suffix == ".pdf":
        data = _pdf(html)
    else:
        raise Failure(f"{file}: name a .pdf or a .html file")
    write_file(file, data)
    session.show({**page, "file": str(file), "octets": len(data)})


def _pdf(html: str) -> bytes:
    from softswitch.papers.pdf import PdfMissing, render

    try:
        return render(html)
    except PdfMissing as error:
        raise Failure(str(error)) from None
