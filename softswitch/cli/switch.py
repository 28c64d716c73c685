"""softswitch init, serve, check, welcome and demo: the switch itself."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softswitch.cli.session import REFUSED, Session

if TYPE_CHECKING:
    from softswitch.config.config import Config
    from softswitch.operations.context import Context
    from softswitch.operations.installation.demo_data import DemoLine, DemoPerson


DEFAULT_COUNTRY = "GE"
OPTIONS = (
    "domain", "address", "port", "country", "currency", "time_zone", "language", "data", "database",
)  # fmt: skip
"""The options of `init` that say what the interview asks for."""


def add_to(root: typer.Typer) -> None:
    for command in (init, serve, portal, check, welcome, demo):
        root.command()(command)


def init(
    context: typer.Context,
    demo: Annotated[
        bool, typer.Option("--demo", help="With three lines that can call each other.")
    ] = False,
    domain: Annotated[
        str, typer.Option(help="The domain of the phones' addresses: a host name or an IP address.")
    ] = "127.0.0.1",
    address: Annotated[
        str, typer.Option(metavar="IP", help="Where to listen for SIP.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5060,
    country: Annotated[
        str | None, typer.Option(metavar="CC", help="ISO 3166 alpha-2. Default: GE.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CUR", help="ISO 4217. Default: the country's.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Default: the country's, if it has one.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(metavar="LL", help="ka, ru, en, fa or kk. Default: the country's.")
    ] = None,
    data: Annotated[
        str, typer.Option(metavar="FOLDER", help="For database, secrets, CDRs and voicemail.")
    ] = "var",
    database: Annotated[
        str, typer.Option(metavar="URL", help="postgresql://... Default: SQLite in the folder.")
    ] = "",
) -> None:
    """Create configuration, database and secrets; what is there already is kept. On a terminal and
    without options it asks for what it needs."""
    from softswitch.operations.installation import countries, setup

    session = Session.of(context)
    if (
        not demo
        and not any(map(partial(_given, context), OPTIONS))
        and not (session.config_path.exists())
    ):
        asked_for = _interviewed()
        if asked_for is not None:
            session.show(setup.init(session.config_path, asked_for, lambda _: None))
            return
    where = countries.checked(DEFAULT_COUNTRY if country is None else country)
    asked = {"country": None if country is None else where, "currency": currency}
    setup.check_kept(session.config_path, asked | {"time_zone": time_zone, "language": language})
    setup.check_kept(session.config_path, {"domain": domain if _given(context, "domain") else None})
    if _given(context, "address") or _given(context, "port"):
        setup.check_listens(session.config_path, address, port)
    if time_zone is None and not session.config_path.exists():
        time_zone = _time_zone(where, countries.time_zones(where))
    text = setup.configuration_text(
        domain=domain,
        address=address,
        port=port,
        country=where,
        currency=currency or countries.CURRENCY_OF[where],
        time_zone=time_zone or "UTC",
        language=language or countries.LANGUAGE_OF.get(where, "en"),
        data=data,
        database=database,
    )

    def fill(opened: Context) -> None:
        if demo:
            from softswitch.operations.installation import demo_data

            demo_data.create(opened)

    session.show(setup.init(session.config_path, text, fill))


def _interviewed() -> str | None:
    """The configuration by the answers of a person; None where there is no terminal."""
    from softswitch.cli import interview
    from softswitch.operations.installation import countries, setup

    if not interview.is_possible():
        return None
    currency, language = countries.CURRENCY_OF[DEFAULT_COUNTRY], "en"
    proposed = interview.Answers(
        "127.0.0.1", "127.0.0.1", DEFAULT_COUNTRY, currency, "UTC", language, "var", ""
    )
    answers = interview.hold(proposed)
    return setup.configuration_text(
        domain=answers.domain,
        address=answers.address,
        port=5060,
        country=answers.country,
        currency=answers.currency,
        time_zone=answers.time_zone,
        language=answers.language,
        data=answers.data,
        database=answers.database,
    )


def _given(context: typer.Context, option: str) -> bool:
    """True if an option was written, and isn't its default."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _time_zone(country: str, zones: list[str]) -> str:
    """The time zone of a country; asked for on a terminal where there are several."""
    if len(zones) == 1:
        return zones[0]
    if not zones:
        return "UTC"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from softswitch.control.errors import OperationError

        choices = ", ".join(zones)
        raise OperationError("time_zone_ambiguous", country=country, choices=choices)
    from softswitch.cli.interview import choose_time_zone

    return choose_time_zone(country, zones)


def serve(
    context: typer.Context,
    with_portal: Annotated[
        bool, typer.Option("--with-portal", help="Run the web beside it, as `softswitch portal`.")
    ] = False,
) -> None:
    """Run the switch in the foreground. SIGTERM drains, a second one ends at once; SIGHUP
    reloads."""
    import contextlib

    from softswitch.cli.beside import portal_beside
    from softswitch.cli.session import Failure
    from softswitch.operations.installation import setup
    from softswitch.process import log
    from softswitch.process.server import run

    config = Session.of(context).config
    setup.prepare(config)
    try:
        log.set_up(config.log.level, config.log.format, config.log_file)
    except OSError as error:
        raise Failure(f"the log {config.log_file} can't be written: {error.strerror}") from None
    with portal_beside(config.path) if with_portal else contextlib.nullcontext():
        status = run(config)
    raise typer.Exit(status)


def portal(
    context: typer.Context,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when standard input does.")
    ] = False,
) -> None:
    """Run the web in the foreground: the subscriber's cabinet, the console, and the API. SIGTERM
    ends it."""
    from softswitch.cli.beside import end_with_input
    from softswitch.cli.session import Failure
    from softswitch.operations.installation import setup
    from softswitch.portal.server import run
    from softswitch.process import log

    config = Session.of(context).config
    setup.check_ready(config)
    try:
        log.set_up(config.log.level, config.log.format, config.portal_log_file)
    except OSError as error:
        raise Failure(
            f"the log {config.portal_log_file} can't be written: {error.strerror}"
        ) from None
    if until_eof:
        end_with_input()
    run(config)


def check(context: typer.Context) -> None:
    """Configuration, database, folder, sockets, ports, clock: each with ok, or why not."""
    from softswitch.operations.installation.check import check as run_checks

    session = Session.of(context)
    rows = run_checks(session.config)
    session.show(rows)
    if any(row["ok"] is False for row in rows):
        raise typer.Exit(REFUSED)


def demo(
    context: typer.Context,
    web: Annotated[
        bool,
        typer.Option("--web", help="One is a web phone (WebRTC); it calls, and is called."),
    ] = False,
) -> None:
    """Place a call between two phones through a switch, and show what happens."""
    from softswitch.cli.demo import run

    raise typer.Exit(run(Session.of(context).config_path, web=web))


def welcome(context: typer.Context) -> None:
    """Show the settings of phones for the demo lines, and the places of all files."""
    from softswitch.operations.installation import demo_data

    config = Session.of(context).config
    lines = demo_data.read(config)
    if lines:
        print(_phones(config, lines))
    people = demo_data.read_people(config)
    if people:
        print(_people(config, people))
    print(_places(config))


def _phones(config: Config, lines: list[DemoLine]) -> str:
    listen = config.sip.listen[0]
    transports = " or ".join(dict.fromkeys(item.transport.upper() for item in config.sip.listen))
    text = [
        "",
        "Register two softphones with this switch. Type into each:",
        "",
        f"  server / domain   {config.switch.domain}",
        f"  port              {listen.port}",
        f"  transport         {transports}",
        "",
        "  name   user            password",
    ]
    text += [f"  {line.person:<6} {line.login:<15} {line.password}" for line in lines]
    text += [
        "",
        "A phone that asks for an authorisation user: the same as the user; a proxy: leave empty.",
        "Then call one from the other, for instance from "
        f"{lines[0].person} to {lines[1].person}: dial {lines[1].number} or "
        f"{_nationally(lines[1].number, config)}.",
        f"{config.codes.balance} says the balance, {config.codes.echo} gives back what is said.",
        "",
    ]
    return "\n".join(text)


def _nationally(number: str, config: Config) -> str:
    """The number as people of the country dial it."""
    from softswitch.admission.settings import number_plan

    plan = number_plan(config)
    short = number[1 + len(plan.country_code) :]
    return f"0{short}" if _reads_as(f"0{short}", number, config) else number[1:]


def _reads_as(dialled: str, number: str, config: Config) -> bool:
    from softswitch.admission.numbering import NumberError
    from softswitch.admission.settings import number_plan

    try:
        return number_plan(config).read(dialled).number == number
    except NumberError:
        return False


def _people(config: Config, people: list[DemoPerson]) -> str:
    """The web's address and its first users. A password that was changed is no longer this one."""
    text = [f"The web is at {config.portal.url}/ while the portal runs. Sign in as", ""]
    text += [f"  {one.login:<8} {one.password:<22} {one.about}" for one in people]
    return "\n".join([*text, ""])


def _places(config: Config) -> str:
    def near(path: Path | None) -> str:
        if path is None:
            return "standard error"
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

    program = _program()
    file = config.database_file
    database = config.database_name if file is None else near(file)
    return "\n".join(
        [
            f"configuration     {config.path}",
            f"database          {database}",
            f"CDR journal       {near(config.journal_dir)}/",
            f"log               {near(config.log_file)}",
            "",
            "In another terminal:",
            f"  {program} registration list",
            f"  {program} call list",
            f"  {program} cdr list",
            f"  {program} account list",
            f"  {program} --help",
            "",
            "Ctrl-C ends the switch; everything is kept for the next time.",
            "",
        ]
    )


def _program() -> str:
    """The command that started this program, for people who copy a line."""
    name = Path(sys.argv[0])
    return str(name) if name.parts[:1] == (".venv",) else "softswitch"
