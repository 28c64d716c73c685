"""Rows of the table of routes: pages, their forms, and calls of the API.

Routing, rights, the description of the API and the sweeps of the tests are all made from these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from starlette.responses import Response

from softswitch.operations.access import Roles
from softswitch.portal.gateway import roles_of

if TYPE_CHECKING:
    from softswitch.portal.visit import Visit

Stage = Literal["open", "session", "role"]
"""What a page wants of its visitor: nothing, a session that may still lack a step of signing in, or
a role."""
Handler = Callable[["Visit"], Awaitable[Response]]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

FORM_BYTES = 64 * 1024
UPLOAD_BYTES = 12 * 1024 * 1024
"""A document of 10 MiB with its form around it."""


@dataclass(frozen=True)
class Action:
    """A form of a page: its fields are the arguments of one operation.

    The form carries `do`, the operation's name, and `key`, so that it is performed once however
    often it is sent. A refusal shows the page again, with the sentence beside the field.

    Args:
        fields: the arguments that the form may hold; another field is refused.
        path: parameters of the page's path, by the argument that they are.
        fixed: arguments that the form doesn't choose.
        then: the path that is shown afterwards, with parameters in braces, those of the page's
            path or of the operation's answer; "": the same page.
        shows: the template that shows the answer itself, for what is shown only once.
        name: the value of `do` where a page has several forms of one operation.
        beside: the form's field at which a refusal is shown, by its code or by the argument that
            it names; "" for a field that is hidden. A refusal that belongs to no field that is
            seen is shown above the page.
    """

    operation: str
    fields: tuple[str, ...] = ()
    path: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    then: str = ""
    shows: str = ""
    name: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def do(self) -> str:
        return self.name or self.operation

    @property
    def roles(self) -> Roles:
        return roles_of(self.operation)

    def field_of(self, code: str, argument: str) -> str:
        """The form's field at which a refusal is shown; "" for none."""
        found = self.beside.get(code, self.beside.get(argument, argument))
        return found if found in self.fields else ""


@dataclass(frozen=True)
class Page:
    """A page, and the forms on it.

    Args:
        path: with parameters in braces, such as /lines/{line}.
        roles: of the people who may see it, where it wants a role.
        submit: takes the forms that no action describes.
        confirmed: True if the password must have been given within five minutes.
        most_bytes: of a form.
    """

    path: str
    show: Handler
    roles: Roles = frozenset()
    actions: tuple[Action, ...] = ()
    submit: Handler | None = None
    stage: Stage = "role"
    confirmed: bool = False
    most_bytes: int = FORM_BYTES

    def action(self, do: str) -> Action | None:
        """The form that a request names."""
        return next((one for one in self.actions if one.do == do), None)


@dataclass(frozen=True)
class Call:
    """A call of the API: a request under /api/v1 that performs an operation.

    Args:
        path: with parameters in braces, below /api/v1; each is an argument.
        fixed: arguments that the request doesn't choose.
        without: arguments that the request can't give.
        needs_key: True if a header Idempotency-Key must name the request.
    """

    method: Method
    path: str
    operation: str
    fixed: Mapping[str, object] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    needs_key: bool = False

    @property
    def roles(self) -> Roles:
        return roles_of(self.operation)
