"""softswitch device: desk phones and apps that set themselves up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import OfAccount
from softswitch.cli.session import Session

app = typer.Typer(help="Devices of lines: desk phones and apps.", no_args_is_help=True)

Device = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id, or how it begins.")]
Line = Annotated[str, typer.Argument(metavar="LINE", help="A line's number or login.")]
Name = Annotated[str, typer.Option(help="For people, such as 'reception'.")]
OfLine = Annotated[str | None, typer.Option("--line", metavar="NUMBER", help="Of this line.")]


def add_to(root: typer.Typer) -> None:
    root.add_typer(app, name="device")


@app.command()
def add(
    context: typer.Context,
    line: Line,
    kind: Annotated[
        str,
        typer.Option(
            help="yealink, grandstream, snom, fanvil, poly, cisco_spa; or other, for a phone that "
            "is set up by hand."
        ),
    ],
    mac: Annotated[
        str | None,
        typer.Option(help="Of the phone. Default: whichever fetches the one-time URL first."),
    ] = None,
    name: Name = "",
    model: Annotated[str, typer.Option(help="Such as T46G; else the phone says it.")] = "",
    more_lines: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="LINE", help="A further line; may be given again."),
    ] = None,
) -> None:
    """Add a phone to a line; shows the one-time URL by which it sets itself up."""
    Session.of(context).run(
        operations.devices.device_add,
        line=line,
        kind=kind,
        mac=mac,
        name=name,
        model=model,
        more_lines=more_lines or [],
    )


@app.command("list")
def list_(
    context: typer.Context,
    line: OfLine = None,
    account: OfAccount = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Part of a MAC or of a name.")
    ] = None,
) -> None:
    """Devices, the oldest first."""
    session = Session.of(context)
    session.run(operations.devices.device_list, line=line, account=account, search=search)


@app.command()
def show(context: typer.Context, device: Device) -> None:
    """A device with its accounts and keys."""
    Session.of(context).run(operations.devices.device_show, device=device)


@app.command("set")
def set_(
    context: typer.Context,
    device: Device,
    keys: Annotated[
        list[str],
        typer.Argument(metavar="KEY...", help='"blf NUMBER LABEL" or "speed NUMBER LABEL".'),
    ],
) -> None:
    """Replace a phone's programmed keys."""
    Session.of(context).run(operations.devices.device_set, device=device, keys=keys)


@app.command()
def enrol(context: typer.Context, device: Device) -> None:
    """Make another one-time URL or code, for a device that was reset."""
    Session.of(context).run(operations.devices.device_enrol, device=device)


@app.command()
def rotate(context: typer.Context, device: Device) -> None:
    """Give a device another URL and other passwords. Remove a stolen one instead."""
    Session.of(context).run(operations.devices.device_rotate, device=device)


@app.command()
def resync(context: typer.Context, device: Device) -> None:
    """Have a registered phone fetch its configuration at once."""
    Session.of(context).run(operations.devices.device_resync, device=device)


@app.command()
def remove(context: typer.Context, device: Device) -> None:
    """Shut a device for good; the line's others go on."""
    Session.of(context).run(operations.devices.device_remove, device=device)


@app.command()
def redirects(
    context: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="A vendor, for its redirect service; or dhcp.")
    ],
    account: OfAccount = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Default: standard output.")
    ] = None,
) -> None:
    """A table of new phones with a one-time URL each, for zero touch."""
    session = Session.of(context)
    found = session.perform(operations.devices.device_redirects, kind=kind, account=account)
    text = str(found["csv"])
    if to is None:
        sys.stdout.write(text)
        return
    to.touch(mode=0o600, exist_ok=True)  # a one-time URL opens a configuration
    to.write_text(text, encoding="utf-8", newline="")
    session.show({"phones": found["phones"], "file": str(to)})


@app.command()
def code(
    context: typer.Context,
    line: Line,
    app_name: Annotated[
        str, typer.Option("--app", help="acrobits (Cloud Softphone), linphone or zoiper.")
    ] = "acrobits",
    name: Name = "",
    qr: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Write the QR code as a picture.")
    ] = None,
) -> None:
    """Make a one-time code by which an app sets itself up for a line."""
    session = Session.of(context)
    made = session.perform(
        operations.codes.provisioning_code_add, line=line, app=app_name, name=name
    )
    if qr is not None:
        from softswitch.provisioning.qr import svg

        qr.touch(mode=0o600, exist_ok=True)
        qr.write_text(svg(str(made["qr"])), encoding="utf-8")
    session.show(made)


@app.command()
def codes(context: typer.Context, line: OfLine = None) -> None:
    """Apps' codes that wait to be used, or ran out unused."""
    Session.of(context).run(operations.codes.provisioning_code_list, line=line)


@app.command()
def revoke(context: typer.Context, device: Device) -> None:
    """Void the code of a device."""
    Session.of(context).run(operations.codes.provisioning_code_revoke, device=device)


@app.command()
def redeem(
    context: typer.Context,
    code_text: Annotated[str, typer.Argument(metavar="CODE", help="- reads it.")],
) -> None:
    """Exchange a Cloud Softphone code for the account's XML, as the app does itself."""
    text = sys.stdin.readline().strip() if code_text == "-" else code_text
    session = Session.of(context)
    made = session.perform(operations.codes.provisioning_code_redeem, code=text)
    sys.stdout.write(str(made["content"]))
