"""Registration of persons and companies by themselves (C16, C17, C19)."""

from __future__ import annotations

import re
from datetime import date

import jdatetime  # type: ignore[import-untyped]
from starlette.responses import Response

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.values import Row, as_row
from softswitch.errors.texts import text_for_subscriber
from softswitch.papers.numerals import western_digits
from softswitch.portal.routes import Page
from softswitch.portal.visit import Visit
from softswitch.subscribers.profile import FIELDS, GENDERS, KINDS, LANGUAGES, SUBSCRIBER_TYPES

CHOICES = {"gender": GENDERS, "subscriber_type": SUBSCRIBER_TYPES, "language": LANGUAGES}
DATES = frozenset({"birth_date", "registration_date"})
_JALALI = re.compile(r"(1[2-5][0-9]{2})[/-]([0-9]{1,2})[/-]([0-9]{1,2})")
GUESS = "register"
"""The kind of tries: a form that is sent tells whether a code is known, so few are taken."""


async def show(visit: Visit) -> Response:
    """The form of a person or a company, with what is wrong beside each field."""
    kind = visit.form.get("kind") or visit.asked("kind", "person")
    if kind not in KINDS:
        kind = "person"
    names = [name for name, field in FIELDS.items() if kind in field.kinds]
    return visit.page(
        "register.html",
        kind=kind,
        kinds=KINDS,
        names=names,
        required=[name for name in names if FIELDS[name].required],
        dates=DATES,
        choices={
            name: [(one, visit.named("registration", one)) for one in values]
            for name, values in CHOICES.items()
        },
        faults=visit.refused_fields,
    )


async def submit(visit: Visit) -> Response:
    """Register, and show the login with its password once; or say what is wrong with which field.

    Raises:
        OperationError: it was refused as a whole.
    """
    identity, form = visit.portal.identity, visit.form
    await identity.check_throttle(GUESS, "", visit.address)
    await identity.guessed(GUESS, "", visit.address)
    kind = form.get("kind", "")
    fields = {
        name: _typed(name, form[name].strip(), visit.language)
        for name, field in FIELDS.items()
        if kind in field.kinds and form.get(name, "").strip()
    }
    actor = Actor("registration", "support", address=visit.address[:64], request=visit.request_id)
    gateway = visit.portal.gateway
    found = await gateway.rows(actor, "registration_check", kind=kind, fields=fields)
    if found:
        visit.refused_fields = {str(row["field"]): _text(row, visit.language) for row in found}
        return await show(visit)
    arguments = {"kind": kind, "fields": fields, "name": form.get("name", "").strip() or None}
    made = as_row(
        await gateway.perform(
            actor, "account_register", arguments, f"register-{form.get('key', '')}"
        )
    )
    login = await gateway.row(actor, "account_login", account=str(made["id"]))
    if fields.get("email"):
        await gateway.row(
            actor, "user_set", login=str(login["login"]), key="email", value=fields["email"]
        )
    return visit.page("registered.html", account=made, answer=login)


def _typed(name: str, text: str, language: str) -> str:
    """A date as it is kept: Persians write it by the Jalali calendar."""
    text = western_digits(text)
    found = _JALALI.fullmatch(text) if name in DATES and language == "fa" else None
    if found is None:
        return text
    try:
        day: date = jdatetime.date(*map(int, found.groups())).togregorian()
    except ValueError:
        return text
    return day.isoformat()


def _text(row: Row, language: str) -> str:
    facts = {str(key): str(value) for key, value in as_row(row["facts"]).items()}
    return text_for_subscriber(OperationError(str(row["code"]), (), **facts), language)


PAGES = (Page("/register", show, submit=submit, stage="open"),)
