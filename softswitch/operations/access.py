"""The rights of an operation: the roles that may perform it, and its effect."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from softswitch.control.actor import Role
from softswitch.operations.arguments import Function

Effect = Literal["read", "disclose", "change"]
"""`disclose` reads what needs a reason to be read: the audit has a row for each time."""

Roles: TypeAlias = frozenset[Role]

ADMIN: Roles = frozenset({"admin"})
SUPPORT: Roles = frozenset({"admin", "support"})
"""Customers, lines, services, requests."""
MONEY: Roles = frozenset({"admin", "accountant"})
"""Payments, refunds, bills, tariffs, offers."""
REVIEW: Roles = frozenset({"admin", "reviewer"})
"""Documents and who a subscriber is."""
AUDITOR: Roles = frozenset({"auditor"})
STAFF: Roles = SUPPORT | MONEY | REVIEW | AUDITOR
"""All roles of the operator's staff; for reading only."""

OWNER: Roles = frozenset({"subscriber"})
OWN_ACCOUNTANT: Roles = frozenset({"subscriber_accountant"})
LINE_USER: Roles = frozenset({"line_user"})
PAYER: Roles = OWNER | OWN_ACCOUNTANT
"""Subscribers who see bills and payments."""
USER: Roles = OWNER | LINE_USER
"""Subscribers who use lines."""


@dataclass(frozen=True)
class Operation:
    """An operation with its rights.

    A subscriber reaches its own account or lines alone: see `Context.account`, `Context.line` and
    `Context.check_owner`.

    Args:
        operator_only: arguments that decide money or trust; refused when a subscriber gives them.
        keys: the values of the argument `key` that a role may set; a role that isn't named may set
            all of them.
    """

    function: Function
    effect: Effect
    roles: Roles
    operator_only: Set[str] = frozenset()
    keys: Mapping[Role, Set[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.function.__name__


def read(function: Function, roles: Roles, operator_only: Set[str] = frozenset()) -> Operation:
    """An operation that changes nothing."""
    return Operation(function, "read", roles, operator_only)


def disclose(function: Function, roles: Roles) -> Operation:
    """An operation that shows recordings, documents, messages or traced callers."""
    return Operation(function, "disclose", roles)


def change(
    function: Function,
    roles: Roles,
    operator_only: Set[str] = frozenset(),
    keys: Mapping[Role, Set[str]] | None = None,
) -> Operation:
    """An operation that changes something."""
    return Operation(function, "change", roles, operator_only, keys or {})


def table(*operations: Operation) -> Mapping[str, Operation]:
    """Operations by name. Raises ValueError for two of one name."""
    found = {operation.name: operation for operation in operations}
    if len(found) != len(operations):
        raise ValueError("two operations have one name")
    return found
