"""softswitch call, registration, subscription and explain: what goes on, and what would."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import Before, Limit, OfAccount, OfLine
from softswitch.cli.session import Session, write_file
from softswitch.control.values import as_rows

calls = typer.Typer(help="Calls that are under way.", no_args_is_help=True)
registrations = typer.Typer(help="Phones that can be reached.", no_args_is_help=True)
subscriptions = typer.Typer(
    help="Subscriptions of phones: lamps and message indicators.", no_args_is_help=True
)
explanations = typer.Typer(help="Explanations of the switch's decisions.", no_args_is_help=True)

CallId = Annotated[str, typer.Argument(metavar="ID")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(calls, name="call")
    root.add_typer(registrations, name="registration")
    root.add_typer(subscriptions, name="subscription")
    root.add_typer(explanations, name="explain")


@calls.command("list")
def call_list(context: typer.Context) -> None:
    """Every call of the running switch."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.call_list))


@calls.command("malicious")
def call_malicious(context: typer.Context) -> None:
    """Calls that lines marked as malicious, with the true caller."""
    Session.of(context).run(operations.services.call_malicious)


@calls.command("show")
def call_show(context: typer.Context, call_id: CallId) -> None:
    """One call with both legs and its media."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.call_show, call_id=call_id))


@calls.command("hangup")
def call_hangup(context: typer.Context, call_id: CallId) -> None:
    """End a call."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.call_hangup, call_id=call_id))


@calls.command("trace")
def call_trace(
    context: typer.Context,
    call_id: CallId,
    pcap: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a capture file for tshark, Wireshark or sngrep."),
    ] = None,
) -> None:
    """The SIP messages of a live or recent call, as a ladder; secrets are masked."""
    from softswitch.trace import pcap as capture
    from softswitch.trace.ladder import ladder

    session = Session.of(context)
    trace = session.perform_in_switch(operations.live.call_trace, call_id=call_id)
    messages = as_rows(trace["messages"])
    if pcap is not None:
        write_file(pcap, capture.capture_file(map(capture.captured, messages)))
    if not session.is_plain:
        session.show(messages if session.output == "csv" else trace)
        return
    print(
        f"call {trace['id']} ({trace['state']}): {trace['calling']} to {trace['called']}, "
        f"{len(messages)} messages"
        + (f" and {trace['dropped']} that weren't kept" if trace["dropped"] else "")
    )
    for line in ladder(messages):
        print(line)
    for said in as_rows(trace["announcements"]):
        print(f"said {said['at']} {said['side']} {said['language'] or 'tone'}: {said['tokens']}")


@registrations.command("list")
def registration_list(
    context: typer.Context,
    limit: Limit = None,
    before: Before = None,
    account: OfAccount = None,
    line: OfLine = None,
) -> None:
    """Every binding of a line to a phone."""
    Session.of(context).run(
        operations.registrations.registration_list,
        limit=limit,
        before=before,
        account=account,
        line=line,
    )


@registrations.command("remove")
def registration_remove(
    context: typer.Context,
    line: Annotated[str, typer.Argument(metavar="LINE")],
    contact: Annotated[
        str | None,
        typer.Argument(metavar="[CONTACT]", help="Only the phone of this Contact URI."),
    ] = None,
) -> None:
    """Forget where a line's phones are; each comes back with its next REGISTER."""
    session = Session.of(context)
    session.show(
        session.perform_in_switch(operations.live.registration_remove, line=line, contact=contact)
    )


@registrations.command("refusals")
def registration_refusals(
    context: typer.Context,
    line: Annotated[str | None, typer.Argument(metavar="[LINE]")] = None,
    of_line: Annotated[str | None, typer.Option("--line", help="The same as the argument.")] = None,
) -> None:
    """REGISTERs that were refused lately, of a line or of every login: from where, why, by which
    phone."""
    Session.of(context).run(operations.registrations.registration_refusals, line=of_line or line)


@subscriptions.command("list")
def subscription_list(context: typer.Context) -> None:
    """Every subscription of a line to a mailbox, a line's calls or its registrations."""
    session = Session.of(context)
    session.show(session.perform_in_switch(operations.live.subscription_list))


@explanations.command("call")
def explain_call(
    context: typer.Context,
    call_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A call that is over, however long ago.")
    ] = None,
    caller: Annotated[str | None, typer.Option("--from", metavar="LINE")] = None,
    number: Annotated[
        str | None, typer.Option("--to", metavar="NUMBER", help="As it is dialled.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Default: now.")] = None,
    seconds: Annotated[int, typer.Option("--for", metavar="SECONDS", min=0)] = 60,
) -> None:
    """The decisions for the call ID; or those for a call --from a line --to a number:
    route, number shown, tariff, price and longest call, from the code that serves calls."""
    if call_id is not None:
        if caller is not None or number is not None:
            raise typer.BadParameter("say an ID, or --from LINE --to NUMBER, not both")
        Session.of(context).run(operations.past_call.explain_past_call, call=call_id)
        return
    if caller is None or number is None:
        raise typer.BadParameter(
            "say which call: an ID from `softswitch cdr list`, or --from LINE --to NUMBER"
        )
    Session.of(context).run(
        operations.explain.explain_call, caller=caller, number=number, at=at, seconds=seconds
    )


@explanations.command("incoming")
def explain_incoming(
    context: typer.Context, number: Annotated[str, typer.Argument(metavar="NUMBER")]
) -> None:
    """The way of a call from outside to a number: phones, targets, forwarding, mailbox."""
    Session.of(context).run(operations.incoming.explain_incoming, number=number)
