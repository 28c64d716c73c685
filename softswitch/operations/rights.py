"""The check of a request against an operation's rights, before the operation runs."""

from __future__ import annotations

from collections.abc import Mapping

from softswitch.control.actor import COMMAND_LINE, Actor
from softswitch.control.errors import OperationError
from softswitch.operations.access import Operation
from softswitch.operations.arguments import parameters, read_arguments

WHO = "by"
"""The argument that names who does something, for the history of an account."""


class Forbidden(OperationError):
    """The actor has no right to do this. The audit has a row for it."""


def checked(
    actor: Actor, operation: Operation, arguments: Mapping[str, object]
) -> dict[str, object]:
    """The arguments with which the operation runs for this actor.

    A subscriber's account is filled in, and another's isn't refused here: it is not found. Only
    the command line's operator says who does something; else it is the actor.

    Raises:
        Forbidden: the role may not do this, or not with these arguments.
        OperationError: an argument is unknown, missing or of another type.
    """
    check_role(actor, operation)
    known = parameters(operation.function)
    given = dict(arguments)
    if actor.is_subscriber:
        for key in operator_only(operation):
            if key in given:
                raise Forbidden("argument_for_operator", field=key, operation=operation.name)
        if "account" in known:
            given.setdefault("account", str(actor.account))
            if given["account"] is None:
                given["account"] = str(actor.account)
    if WHO in known and actor.via != COMMAND_LINE:
        given[WHO] = actor.user
    read = read_arguments(operation.function, given)
    allowed = operation.keys.get(actor.role)
    if allowed is not None and read.get("key") not in allowed:
        raise Forbidden(
            "key_for_others",
            role=actor.role,
            known=", ".join(sorted(allowed)),
            operation=operation.name,
            key=str(read.get("key")),
        )
    return read


def check_role(actor: Actor, operation: Operation) -> None:
    """Raises Forbidden if the actor's role may not perform the operation at all."""
    if actor.role not in operation.roles:
        raise Forbidden("right_missing", user=actor.user, role=actor.role, operation=operation.name)


def operator_only(operation: Operation) -> frozenset[str]:
    """The arguments that no subscriber may give."""
    named = {WHO} & parameters(operation.function).keys()
    return frozenset(operation.operator_only) | named
