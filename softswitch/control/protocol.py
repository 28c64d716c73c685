"""The control socket's messages: one line of JSON each way.

A request is `{"operation": NAME, "arguments": {...}, "as": ACTOR}`, where `as` may be left out;
the answer `{"result": ...}` or `{"error": MESSAGE, "code": CODE, "facts": {...}, "lines": [...]}`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from softswitch.control.actor import Actor
from softswitch.control.values import Value


class Perform(msgspec.Struct, forbid_unknown_fields=True, tag_field="request", tag="perform"):
    """A request to perform one operation. The tag may be left out."""

    operation: str
    arguments: dict[str, Any] = {}
    """By name. Any: dispatch converts each to the type in the operation's signature."""
    on_behalf_of: Actor | None = msgspec.field(name="as", default=None)
    """None: the process at the other end, by its user id."""


class Done(msgspec.Struct, tag_field="answer", tag="done"):
    """What the operation returned."""

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

_requests = msgspec.json.Decoder(Perform)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def read_request(line: bytes) -> Perform:
    """Raises msgspec.MsgspecError when the line is no request."""
    return _requests.decode(line)


def read_answer(line: bytes) -> Answer:
    """Raises msgspec.MsgspecError when the line is no answer."""
    return _answers.decode(line)


def line_of(message: Perform | Answer) -> bytes:
    """A message as it is sent. Raises msgspec.MsgspecError for values that JSON can't carry."""
    return msgspec.json.encode(message) + b"\n"


def result_of(answer: Done) -> Value:
    result: Value = answer.result
    return result
