"""softswitch sms batch, contact, group, template, draft, stop, contract: bulk texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softswitch.cli import operations
from softswitch.cli.paging import Before, BeforeId, OfAccount, Search
from softswitch.cli.session import Session, read_file

batches = typer.Typer(help="Batches: one text to many.", no_args_is_help=True)
contacts = typer.Typer(help="Contacts of businesses.", no_args_is_help=True)
groups = typer.Typer(help="Groups of contacts.", no_args_is_help=True)
templates = typer.Typer(help="Templates with {fields}.", no_args_is_help=True)
drafts = typer.Typer(help="Batches to send later.", no_args_is_help=True)
stops = typer.Typer(help="Phones that want no more batches.", no_args_is_help=True)
contracts = typer.Typer(help="Conditions of bulk texts.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT")]
Phone = Annotated[str, typer.Argument(metavar="PHONE")]
Phones = Annotated[list[str], typer.Argument(metavar="PHONE...")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
GroupName = Annotated[str, typer.Argument(metavar="GROUP")]
BatchId = Annotated[str, typer.Argument(metavar="BATCH")]
Limit = Annotated[int | None, typer.Option(help="Number of rows, the newest first. Default: 50.")]
TextOption = Annotated[str, typer.Option("--text", help="With {fields} of contacts.")]
Sender = Annotated[str, typer.Option(help="An approved sender name, or a number of the account.")]
GroupsOption = Annotated[list[str] | None, typer.Option("--group", help="Repeatable.")]


def add_to(sms: typer.Typer) -> None:
    for name, app in (
        ("batch", batches), ("contact", contacts), ("group", groups), ("template", templates),
        ("draft", drafts), ("stop", stops), ("contract", contracts),
    ):  # fmt: skip
        sms.add_typer(app, name=name)


# Batches


@batches.command("add")
def add_batch(
    context: typer.Context,
    account: Account,
    sender: Sender = "",
    text: TextOption = "",
    template: Annotated[str | None, typer.Option(help="The name of a template.")] = None,
    draft: Annotated[str | None, typer.Option(help="The name of a draft.")] = None,
    group: GroupsOption = None,
    everyone: Annotated[bool, typer.Option("--contacts", help="To all contacts.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV or Excel with the columns phone, name and fields; or a phone a line.",
        ),
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When it is to go.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who gets it and what it costs; send nothing.")
    ] = False,
) -> None:
    """Send a text to many: all of it is held, or nothing is sent."""
    Session.of(context).run(
        operations.batches.sms_batch_add,
        account=account,
        sender=sender,
        text=text,
        template=template,
        draft=draft,
        groups=group or [],
        everyone=everyone,
        to="" if to is None else read_file(to, computed=True),
        at=at,
        dry_run=dry_run,
    )


@batches.command("list")
def list_batches(
    context: typer.Context, account: OfAccount = None, limit: Limit = None, before: Before = None
) -> None:
    """Batches, the newest first."""
    Session.of(context).run(
        operations.batches.sms_batch_list, account=account, limit=limit, before=before
    )


@batches.command("show")
def show_batch(context: typer.Context, batch: BatchId) -> None:
    """A batch, and how many of its texts are in each state."""
    Session.of(context).run(operations.batches.sms_batch_show, batch=batch)


@batches.command("texts")
def list_batch_texts(
    context: typer.Context,
    batch: BatchId,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    limit: Limit = None,
    before: BeforeId = None,
) -> None:
    """The recipients of a batch, one a row, with what became of each text."""
    Session.of(context).run(
        operations.batches.sms_batch_texts, batch=batch, state=state, limit=limit, before=before
    )


@batches.command("pause")
def pause_batch(context: typer.Context, batch: BatchId) -> None:
    """Let what hasn't gone out wait."""
    Session.of(context).run(operations.batches.sms_batch_pause, batch=batch)


@batches.command("resume")
def resume_batch(context: typer.Context, batch: BatchId) -> None:
    """Send a paused batch on."""
    Session.of(context).run(operations.batches.sms_batch_resume, batch=batch)


@batches.command("cancel")
def cancel_batch(context: typer.Context, batch: BatchId) -> None:
    """Take back what hasn't gone out, and release its price."""
    Session.of(context).run(operations.batches.sms_batch_cancel, batch=batch)


@batches.command("report")
def report_batch(context: typer.Context, batch: BatchId) -> None:
    """Texts by carrier and state, with the seconds until they arrived."""
    Session.of(context).run(operations.batch_reports.sms_batch_report, batch=batch)


# Contacts


@contacts.command("add")
def add_contact(
    context: typer.Context,
    account: Account,
    phone: Phone,
    name: Annotated[str, typer.Option()] = "",
    field: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="For templates; repeatable.")
    ] = None,
    group: GroupsOption = None,
) -> None:
    """Add a contact, or replace the one of this phone."""
    fields: dict[str, str] = {}
    for pair in field or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"write a field as KEY=VALUE, not {pair!r}")
        fields[key] = value
    Session.of(context).run(
        operations.contacts.sms_contact_add,
        account=account,
        phone=phone,
        name=name,
        fields=fields,
        groups=group or [],
    )


@contacts.command("list")
def list_contacts(
    context: typer.Context,
    account: OfAccount = None,
    search: Search = None,
    group: Annotated[str | None, typer.Option()] = None,
    limit: Limit = None,
    before: BeforeId = None,
) -> None:
    """Contacts, the newest first."""
    Session.of(context).run(
        operations.contacts.sms_contact_list,
        account=account,
        search=search,
        group=group,
        limit=limit,
        before=before,
    )


@contacts.command("set")
def set_contact(
    context: typer.Context,
    account: Account,
    phone: Phone,
    key: Annotated[str, typer.Argument(metavar="KEY", help="name, phone, or a field.")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> None:
    """Change a contact; an empty value removes a field."""
    Session.of(context).run(
        operations.contacts.sms_contact_set, account=account, phone=phone, key=key, value=value
    )


@contacts.command("remove")
def remove_contact(context: typer.Context, account: Account, phone: Phone) -> None:
    """Remove a contact."""
    Session.of(context).run(operations.contacts.sms_contact_remove, account=account, phone=phone)


@contacts.command("import")
def import_contacts(
    context: typer.Context,
    account: Account,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Excel.")],
    group: Annotated[str | None, typer.Option(help="Put them into it; made if new.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken; take nothing.")
    ] = False,
) -> None:
    """Import contacts: columns phone, name, and any others as fields. Faulty rows are named."""
    Session.of(context).run(
        operations.contact_table.sms_contact_import,
        account=account,
        text=read_file(file, computed=True),
        group=group,
        dry_run=dry_run,
    )


@contacts.command("show")
def show_contact(context: typer.Context, account: Account, phone: Phone) -> None:
    """A contact with its groups."""
    Session.of(context).run(operations.contacts.sms_contact_show, account=account, phone=phone)


@contacts.command("imports")
def list_imports(context: typer.Context, account: OfAccount = None) -> None:
    """Imports of the last day, which can be undone."""
    Session.of(context).run(operations.contact_table.sms_import_list, account=account)


@contacts.command("undo")
def undo_import(
    context: typer.Context,
    account: Account,
    import_id: Annotated[str, typer.Argument(metavar="IMPORT")],
) -> None:
    """Undo an import: remove what it added, put back what it replaced."""
    Session.of(context).run(
        operations.contact_table.sms_import_undo, account=account, import_id=import_id
    )


# Groups


@groups.command("add")
def add_group(context: typer.Context, account: Account, group: GroupName) -> None:
    """Make a group."""
    Session.of(context).run(operations.contacts.sms_group_add, account=account, group=group)


@groups.command("list")
def list_groups(context: typer.Context, account: OfAccount = None) -> None:
    """Groups, with the number of their contacts."""
    Session.of(context).run(operations.contacts.sms_group_list, account=account)


@groups.command("put")
def put_into_group(
    context: typer.Context, account: Account, group: GroupName, phones: Phones
) -> None:
    """Put contacts into a group."""
    Session.of(context).run(
        operations.contacts.sms_group_put, account=account, group=group, phones=phones
    )


@groups.command("take")
def take_out_of_group(
    context: typer.Context, account: Account, group: GroupName, phones: Phones
) -> None:
    """Take contacts out of a group."""
    Session.of(context).run(
        operations.contacts.sms_group_take, account=account, group=group, phones=phones
    )


@groups.command("rename")
def rename_group(
    context: typer.Context,
    account: Account,
    group: Annotated[str, typer.Argument(metavar="GROUP")],
    name: Annotated[str, typer.Argument(metavar="NAME")],
) -> None:
    """Give a group another name."""
    Session.of(context).run(
        operations.contacts.sms_group_rename, account=account, group=group, name=name
    )


@groups.command("remove")
def remove_group(context: typer.Context, account: Account, group: GroupName) -> None:
    """Remove a group; its contacts stay."""
    Session.of(context).run(operations.contacts.sms_group_remove, account=account, group=group)


# Templates and drafts


@templates.command("add")
def add_template(
    context: typer.Context,
    account: Account,
    name: Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help='Such as "Dear {name}, ..."')],
) -> None:
    """Add a template, or replace the one of this name."""
    Session.of(context).run(
        operations.templates.sms_template_add, account=account, name=name, text=text
    )


@templates.command("list")
def list_templates(context: typer.Context, account: OfAccount = None) -> None:
    """Templates, with the fields that they ask for."""
    Session.of(context).run(operations.templates.sms_template_list, account=account)


@templates.command("remove")
def remove_template(context: typer.Context, account: Account, name: Name) -> None:
    """Remove a template."""
    Session.of(context).run(operations.templates.sms_template_remove, account=account, name=name)


@drafts.command("add")
def add_draft(
    context: typer.Context,
    account: Account,
    name: Name,
    text: TextOption = "",
    sender: Sender = "",
    group: GroupsOption = None,
) -> None:
    """Keep a batch to send later, or replace the draft of this name."""
    Session.of(context).run(
        operations.templates.sms_draft_add,
        account=account,
        name=name,
        text=text,
        sender=sender,
        groups=group or [],
    )


@drafts.command("list")
def list_drafts(context: typer.Context, account: OfAccount = None) -> None:
    """Drafts."""
    Session.of(context).run(operations.templates.sms_draft_list, account=account)


@drafts.command("remove")
def remove_draft(context: typer.Context, account: Account, name: Name) -> None:
    """Remove a draft."""
    Session.of(context).run(operations.templates.sms_draft_remove, account=account, name=name)


# Stop list and contract


@stops.command("add")
def add_stop(context: typer.Context, account: Account, phone: Phone) -> None:
    """Send no more batches of an account to a phone."""
    Session.of(context).run(operations.stops.sms_stop_add, account=account, phone=phone)


@stops.command("list")
def list_stops(
    context: typer.Context,
    account: OfAccount = None,
    search: Search = None,
    limit: Limit = None,
    before: Before = None,
) -> None:
    """The stop list, the newest first."""
    Session.of(context).run(
        operations.stops.sms_stop_list,
        account=account,
        search=search,
        limit=limit,
        before=before,
    )


@stops.command("remove")
def remove_stop(context: typer.Context, account: Account, phone: Phone) -> None:
    """Take a phone off the stop list, because its owner wants texts again."""
    Session.of(context).run(operations.stops.sms_stop_remove, account=account, phone=phone)


@contracts.command("accept")
def accept_contract(context: typer.Context, account: Account) -> None:
    """Accept the conditions for an account; who, when and from where is kept."""
    Session.of(context).run(operations.stops.sms_contract_accept, account=account)


@contracts.command("show")
def show_contract(context: typer.Context, account: Account) -> None:
    """Show who accepted the conditions, and when."""
    Session.of(context).run(operations.stops.sms_contract_show, account=account)
