"""The actor: the identity on whose behalf an operation runs."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

StaffRole = Literal["admin", "support", "accountant", "reviewer", "auditor"]
SubscriberRole = Literal["subscriber", "subscriber_accountant", "line_user"]
Role = StaffRole | SubscriberRole

STAFF_ROLES: tuple[StaffRole, ...] = get_args(StaffRole)
SUBSCRIBER_ROLES: tuple[SubscriberRole, ...] = get_args(SubscriberRole)
ROLES: tuple[Role, ...] = (*STAFF_ROLES, *SUBSCRIBER_ROLES)

COMMAND_LINE = "cli"
SWITCH = "switch"


class Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The identity behind a request, and its entrance.

    A request over the socket may carry one under `as`: the portal vouches for it.

    Args:
        user: a login; `operator:cli:UID` for the command line.
        account: a subscriber's own; its operations reach no other.
        lines: ids of the lines that a line user may use.
        via: the entrance: portal, api, cli.
        address: the client's.
        session: an id of the session, never its secret.
        request: an id that the entrance gave this request.
        impersonator: the member of staff who acts as this user.
    """

    user: str
    role: Role
    account: int | None = None
    lines: tuple[int, ...] = ()
    via: str = "portal"
    address: str = ""
    session: str = ""
    request: str = ""
    impersonator: str = ""

    @property
    def is_subscriber(self) -> bool:
        """True for everyone who sees one account at most."""
        return self.role in SUBSCRIBER_ROLES

    @property
    def is_line_user(self) -> bool:
        return self.role == "line_user"

    @property
    def abbreviates(self) -> bool:
        """True if the beginning of an id will do, where only one object has it."""
        return self.via in (COMMAND_LINE, SWITCH)

    def fault(self) -> str | None:
        """The reason for which no request may be made as this actor; None: it may."""
        if not 0 < len(self.user) <= 64 or not self.user.isprintable():
            return "a user's name has 1 to 64 printable characters"
        if self.is_subscriber and self.account is None:
            return f"a {self.role} needs its account"
        if not self.is_subscriber and (self.account is not None or self.lines):
            return f"the role {self.role} has no account and no lines of its own"
        if self.is_line_user != bool(self.lines):
            return "a line_user, and only that, needs its lines"
        if self.via in (COMMAND_LINE, SWITCH):
            return f"via {self.via} is for the switch's own processes"
        return None


def operator(user_id: int) -> Actor:
    """The operator at the command line, whom the kernel names: see SO_PEERCRED in unix(7)."""
    return Actor(f"operator:cli:{user_id}", "admin", via=COMMAND_LINE)


THE_SWITCH = Actor("switch", "admin", via=SWITCH)
"""The switch itself: work that is due, and what runs at its start."""
