"""Lines of the log that belong to a call have its id as `call`, so that they are found with it."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3] / "softswitch"
ROOMS = ("call", "conference", "services", "voicemail", "recordings")
"""The rooms that a call passes while it lives."""
OF_NO_CALL = {
    "a tone can't be played",  # a file of the configuration
    "messages can't be kept",  # the whole shelf
    "trunk answers",  # a trunk's health
    "a message waits for the next start",  # after the call; the message's row has its id
    "a message was cut short",
    "a recording waits for the next start",  # likewise
    "a recording was cut short",
    "a sound can't be fetched",  # the shelf's store; its id is in the line
}
LEVELS = {"info", "warning", "error", "exception"}


def logged() -> list[tuple[str, str, set[str]]]:
    """File, event and names of the facts of each line that is logged."""
    found = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in LEVELS
                    and node.args
                    and isinstance(node.args[0], ast.Constant)
                    and isinstance(node.args[0].value, str)
                ):
                    facts = {keyword.arg or "" for keyword in node.keywords}
                    found.append((path.name, node.args[0].value, facts))
    return found


def test_every_line_about_a_call_has_its_id():
    lines = logged()
    assert len(lines) > 30
    assert [
        (file, event)
        for file, event, facts in lines
        if "call" not in facts and event not in OF_NO_CALL
    ] == []


def test_no_exception_is_without_need():
    assert {event for _, event, _ in logged()} >= OF_NO_CALL
