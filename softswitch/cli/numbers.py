"""softswitch number and rental: numbers for rent."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from typing import Annotated, Literal

import typer

from softswitch.cli import operations
from softswitch.cli.accounts import Account
from softswitch.cli.greetings import read_sound
from softswitch.cli.paging import Before, BeforeNumber, Limit, OfAccount, Search
from softswitch.cli.session import Failure, Session, read_file

numbers = typer.Typer(help="The inventory of numbers for rent.", no_args_is_help=True)
rentals = typer.Typer(help="Rented numbers and their fees.", no_args_is_help=True)

Number = Annotated[str, typer.Argument(metavar="NUMBER")]
Country = Annotated[str, typer.Option(help="ISO 3166 alpha-2.")]
Kind = Annotated[Literal["landline", "mobile", "tollfree", "sms"], typer.Option()]
City = Annotated[str | None, typer.Option()]
RingsAt = Annotated[str, typer.Option("--line", help="The line at which it rings.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(numbers, name="number")
    root.add_typer(rentals, name="rental")


@numbers.command()
def change(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Of a line.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new number.")],
    announce: Annotated[
        str, typer.Option(metavar="TERM", help="How long callers of the old one are told.")
    ] = "30 days",
    by: Annotated[str, typer.Option(help="Who does it, for the history.")] = "operator",
) -> None:
    """Give a line another number."""
    Session.of(context).run(
        operations.moves.number_change, number=number, new=new, announce=announce, by=by
    )


@numbers.command()
def changes(context: typer.Context) -> None:
    """Old numbers whose callers are told the new one."""
    Session.of(context).run(operations.moves.number_changes)


@numbers.command()
def add(
    context: typer.Context,
    number: Number,
    country: Country,
    monthly: Annotated[str, typer.Option(metavar="AMOUNT", help="The rent of a month.")],
    kind: Kind = "landline",
    city: City = None,
    supplier: Annotated[str, typer.Option()] = "own",
    documents: Annotated[str, typer.Option(help="The class of documents it needs.")] = "",
    service: Annotated[str | None, typer.Option(help="Of an SMS number: whose message.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217.")] = None,
) -> None:
    """Put a number into the stock."""
    Session.of(context).run(
        operations.numbers.number_add,
        number=number,
        country=country,
        kind=kind,
        monthly=monthly,
        city=city,
        supplier=supplier,
        documents=documents,
        service=service,
        currency=currency,
    )


@numbers.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    currency: Annotated[str | None, typer.Option(help="ISO 4217.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, change nothing.")] = False,
) -> None:
    """Put numbers from CSV into the stock: number,country,city,kind,supplier,documents,service,
    monthly. All of them or none."""
    Session.of(context).run(
        operations.numbers.number_import, text=read_file(file), currency=currency, dry_run=dry_run
    )


@numbers.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="stock, rented, quarantine, ...")] = None,
    country: Annotated[str | None, typer.Option()] = None,
    city: City = None,
    kind: Annotated[str | None, typer.Option()] = None,
    limit: Limit = None,
    before: BeforeNumber = None,
    search: Search = None,
    account: OfAccount = None,
) -> None:
    """The inventory."""
    Session.of(context).run(
        operations.numbers.number_list,
        state=state,
        country=country,
        city=city,
        kind=kind,
        limit=limit,
        before=before,
        search=search,
        account=account,
    )


@numbers.command("try")
def try_(context: typer.Context, account: Account, number: Number, line: RingsAt) -> None:
    """Lend a number in stock for an hour, free of charge."""
    Session.of(context).run(
        operations.numbers.number_try, account=account, number=number, line=line
    )


@numbers.command()
def wait(
    context: typer.Context,
    account: Account,
    country: Country,
    kind: Kind = "landline",
    city: City = None,
) -> None:
    """Have an account told when such a number appears."""
    Session.of(context).run(
        operations.numbers.number_wait, account=account, country=country, kind=kind, city=city
    )


@numbers.command()
def waits(
    context: typer.Context,
    limit: Limit = None,
    before: Before = None,
    account: OfAccount = None,
) -> None:
    """The wait list."""
    Session.of(context).run(
        operations.numbers.number_waits, limit=limit, before=before, account=account
    )


@numbers.command()
def offer(
    context: typer.Context,
    country: Country,
    monthly: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="Without one the offer is withdrawn.")
    ] = None,
    days: Annotated[
        str, typer.Option(metavar="FROM-TO", help="Working days until it is connected.")
    ] = "5-15",
    kind: Kind = "landline",
    city: City = None,
    supplier: Annotated[str, typer.Option()] = "own",
    documents: Annotated[str, typer.Option(help="The class of documents it needs.")] = "",
    currency: Annotated[str | None, typer.Option(help="ISO 4217.")] = None,
) -> None:
    """Offer numbers that a supplier delivers on order (`softswitch order add`)."""
    Session.of(context).run(
        operations.orders.number_offer,
        country=country,
        kind=kind,
        city=city,
        monthly=monthly,
        days=days,
        supplier=supplier,
        documents=documents,
        currency=currency,
    )


@numbers.command()
def offers(context: typer.Context) -> None:
    """Numbers that suppliers deliver."""
    Session.of(context).run(operations.orders.number_offers)


@numbers.command()
def reach(
    context: typer.Context,
    number: Number,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...", help="A line, a number, sip:USER@HOST or an IP address; two."
        ),
    ] = None,
    in_turn: Annotated[
        bool, typer.Option("--in-turn", help="The second rings when the first didn't answer.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="An answer outside counts after a press of 1.")
    ] = False,
    seconds: Annotated[int, typer.Option(help="How long a target rings.")] = 25,
    greeting: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.wav",
            help="A greeting that callers hear first: one uploaded for the line, or a file.",
        ),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Ring at the line again.")] = False,
) -> None:
    """Where calls to a rented number go; with targets: have them go there. Legs to the telephone
    network are paid by the number's owner."""
    session = Session.of(context)
    if off:
        session.run(operations.reaches.number_unreach, number=number)
        return
    if not targets:
        session.run(operations.reaches.number_reach_show, number=number)
        return
    session.run(
        operations.reaches.number_reach,
        number=number,
        targets=targets,
        in_turn=in_turn,
        confirm=confirm,
        seconds=seconds,
        greeting=None if greeting is None else _greeting(session, number, greeting),
    )


def _greeting(session: Session, number: str, reference: str) -> str:
    """An uploaded greeting, or the id of a file that is uploaded now for the number's line."""
    path = Path(reference)
    if path.suffix.lower() != ".wav":
        return reference
    line = session.perform(operations.reaches.number_reach_show, number=number)["line"]
    if line is None:
        raise Failure(f"{number} rings at no line, which would keep its greeting")
    wav = base64.b64encode(read_sound(path, convert=False)).decode("ascii")
    uploaded = session.perform(
        operations.greetings.greeting_upload,
        number=str(line),
        name=_free_name(session, str(line), path.stem),
        wav=wav,
    )
    return str(uploaded["id"])


def _free_name(session: Session, line: str, name: str) -> str:
    """The name for a greeting that was uploaded before perhaps: "hello", "hello 2", ..."""
    rows = session.perform(operations.greetings.greeting_list, number=line)
    taken = {row["name"] for row in rows}
    names = (name if count == 1 else f"{name} {count}" for count in itertools.count(1))
    return next(each for each in names if each not in taken)


@numbers.command()
def restore(context: typer.Context, number: Number, line: RingsAt) -> None:
    """Give a number in quarantine back to the account that had it."""
    Session.of(context).run(operations.numbers.number_restore, number=number, line=line)


@numbers.command()
def sms(
    context: typer.Context,
    account: Account,
    service: Annotated[str, typer.Argument(metavar="SERVICE")],
    country: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Buy a number for exactly one message of a service."""
    Session.of(context).run(
        operations.numbers.number_sms, account=account, service=service, country=country
    )


@rentals.command()
def order(
    context: typer.Context,
    account: Account,
    line: RingsAt,
    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="[NUMBER]...", help="Default: from the stock.")
    ] = None,
    country: Annotated[str | None, typer.Option(help="ISO 3166 alpha-2.")] = None,
    city: City = None,
    kind: Kind = "landline",
    count: Annotated[int, typer.Option(min=1, max=100)] = 1,
    months: Annotated[int, typer.Option(help="Paid at once: 1, 3, 6 or 12.")] = 1,
    approved: Annotated[
        list[str] | None, typer.Option(help="A class of documents that was approved.")
    ] = None,
    order_id: Annotated[
        str | None, typer.Option(help="The order's own id: repeating it changes nothing.")
    ] = None,
) -> None:
    """Rent numbers; they are connected and charged at once."""
    Session.of(context).run(
        operations.numbers.rental_order,
        account=account,
        line=line,
        numbers=numbers,
        country=country,
        city=city,
        kind=kind,
        count=count,
        months=months,
        approved=approved,
        order_id=order_id,
    )


@rentals.command("list")
def list_rentals(
    context: typer.Context,
    account: Annotated[str | None, typer.Option(help="Id or name.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that have ended.")] = False,
    limit: Limit = None,
    before: Before = None,
) -> None:
    """Rentals: until when each is paid, and what is owed."""
    Session.of(context).run(
        operations.numbers.rental_list, account=account, ended=ended, limit=limit, before=before
    )


@rentals.command("give-up")
def give_up(context: typer.Context, number: Number) -> None:
    """End a rental. Less than a day before the debit the next fee is due nevertheless."""
    Session.of(context).run(operations.numbers.rental_give_up, number=number)


@rentals.command()
def keep(
    context: typer.Context,
    number: Number,
    line: Annotated[str, typer.Option(metavar="NUMBER", help="The line at which it rings.")],
) -> None:
    """Take back a number that was given up, while it is paid for."""
    Session.of(context).run(operations.numbers.rental_keep, number=number, line=line)


@rentals.command()
def discounts(
    context: typer.Context,
    months_3: Annotated[int | None, typer.Option("--3-months", metavar="PERCENT")] = None,
    months_6: Annotated[int | None, typer.Option("--6-months", metavar="PERCENT")] = None,
    months_12: Annotated[int | None, typer.Option("--12-months", metavar="PERCENT")] = None,
    numbers_5: Annotated[int | None, typer.Option("--5-numbers", metavar="PERCENT")] = None,
) -> None:
    """Show the discounts, or set those that are named."""
    named = {
        "3 months": months_3,
        "6 months": months_6,
        "12 months": months_12,
        "5 numbers": numbers_5,
    }
    percents = {what: percent for what, percent in named.items() if percent is not None}
    Session.of(context).run(operations.numbers.rental_discounts, percents=percents)
