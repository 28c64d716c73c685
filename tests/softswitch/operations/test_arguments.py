"""Arguments that came over the socket: each is of its type, or the answer names it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from softswitch.cli import operations as names
from softswitch.control.errors import OperationError
from softswitch.operations.accounts import documents, requests
from softswitch.operations.arguments import Function, parameters, read_arguments
from softswitch.operations.lines import lines, services
from softswitch.operations.registry import OPERATIONS
from softswitch.process.live import LIVE_OPERATIONS


def test_arguments_are_read_by_their_types():
    read = read_arguments(documents.document_refuse, {"document": 7, "reason": "blurred"})
    assert read == {"document": 7, "reason": "blurred"}
    fields = {"account": "1", "kind": "correction", "text": "x", "fields": {"name": "Nino"}}
    assert read_arguments(requests.request_open, fields) == fields


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        (lines.line_show, {"number": "1", "price": "0"}, "line_show has no argument 'price'"),
        (lines.line_show, {}, "line_show needs the argument 'number'"),
        (documents.document_content, {"document": "7"}, "'document' of document_content"),
        (lines.line_show, {"number": None}, "Expected `str`, got `null`"),
        (services.line_service_set, {"number": "1", "service": "dnd", "value": "on"}, "'value'"),
    ],
)
def test_what_is_unknown_missing_or_of_another_type_is_named(
    operation: Function, arguments: Mapping[str, object], message: str
):
    with pytest.raises(OperationError, match=message) as refused:
        read_arguments(operation, arguments)
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "operation", [item.function for item in (*OPERATIONS.values(), *LIVE_OPERATIONS.values())]
)
def test_every_operation_has_types_that_a_request_can_be_read_by(operation: Function):
    for kind, _ in parameters(operation).values():
        assert "Any" not in str(kind)


def test_an_operation_that_the_running_switch_does_otherwise_takes_the_same():
    for name in OPERATIONS.keys() & LIVE_OPERATIONS.keys():
        assert parameters(OPERATIONS[name].function) == parameters(LIVE_OPERATIONS[name].function)


def test_the_command_line_has_only_the_names_of_operations():
    assert names.lines.line_add.__name__ == "line_add"
