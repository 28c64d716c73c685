"""What services say exists in every language."""

import ast
import re
from pathlib import Path

import pytest

import softswitch
from ivr_prompts.languages import LANGUAGES, texts

FOLDER = Path(softswitch.__file__).parent
SPEAKING = {"say", "ask", "collect"}


def spoken_ids():
    """Ids of prompts where something is said, or where a refusal names what is said of it."""
    for path in [p for p in FOLDER.rglob("*.py") if "cli" not in p.parts]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                said = [*node.args] if name in SPEAKING else []
                said += [k.value for k in node.keywords if k.arg == "says"]
                yield from ((path.name, token) for part in said for token in _constants(part))


def _constants(node):
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


IDS = sorted({said for said in spoken_ids() if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)+", said[1])})


def test_services_say_something():
    assert len(IDS) > 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_that_is_said_has_a_text(language):
    known = set(texts(language)) | {f"refused-{token}" for _, token in IDS}
    missing = [
        (file, token)
        for file, token in IDS
        if token not in known and f"refused-{token}" not in texts(language)
    ]
    assert missing == []
