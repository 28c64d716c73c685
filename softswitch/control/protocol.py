"""The control socket's messages: one line of JSON each way.

A request is `{"operation": NAME, "arguments": {...}, "as": ACTOR, "key": KEY}`, where `as` and
`key` may be left out; or `{"request": "watch", "topics": [...]}`, after which events come as lines
until one side closes. The answer is `{"result": ...}` or
`{"error": MESSAGE, "code": CODE, "facts": {...}, "lines": [...]}`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from softswitch.control.actor import Actor
from softswitch.control.values import Value
from softswitch.control.watch import Topic


class Perform(msgspec.Struct, forbid_unknown_fields=True, tag_field="request", tag="perform"):
    """A request to perform one operation. The tag may be left out."""

    operation: str
    arguments: dict[str, Any] = {}
    """By name. Any: dispatch converts each to the type in the operation's signature."""
    on_behalf_of: Actor | None = msgspec.field(name="as", default=None)
    """None: the process at the other end, by its user id."""
    key: str | None = None
    """The idempotency key: a change that is requested again with it isn't made again (see
    `repeats`). None: each request is a new one."""


class Watch(msgspec.Struct, forbid_unknown_fields=True, tag_field="request", tag="watch"):
    """A request to watch: events follow as lines (see `watch`) until the connection is closed, and
    no further request is read."""

    topics: list[Topic]
    on_behalf_of: Actor | None = msgspec.field(name="as", default=None)


class _Tag(msgspec.Struct):
    request: str = "perform"


class Done(msgspec.Struct, tag_field="answer", tag="done"):
    """The result of an operation."""

    result: Any
    """A Value; msgspec has no name for a type that holds itself."""


class Refused(msgspec.Struct, tag_field="answer", tag="refused"):
    """The operation was refused or failed; see `OperationError`.

    Args:
        error: the English sentence.
        code: of the catalogue of errors.
    """

    error: str
    code: str
    facts: dict[str, str | int | tuple[str, ...]] = {}
    lines: tuple[str, ...] = ()


Answer = Done | Refused
Request = Perform | Watch

_tags = msgspec.json.Decoder(_Tag)
_performs = msgspec.json.Decoder(Perform)
_watches = msgspec.json.Decoder(Watch)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def read_request(line: bytes) -> Request:
    """Raises msgspec.MsgspecError when the line is no request."""
    if _tags.decode(line).request == "watch":
        return _watches.decode(line)
    return _performs.decode(line)


def read_answer(line: bytes) -> Answer:
    """Raises msgspec.MsgspecError when the line is no answer."""
    return _answers.decode(line)


def line_of(message: Request | Answer) -> bytes:
    """A message as a line of JSON. Raises msgspec.MsgspecError for values that JSON can't carry."""
    return msgspec.json.encode(message) + b"\n"


def result_of(answer: Done) -> Value:
    result: Value = answer.result
    return result
