"""The tables from which the portal is made, against what they speak of."""

from __future__ import annotations

import re
import string
from importlib.resources import files

import pytest
from served import Served

from softswitch.errors.texts import LANGUAGES
from softswitch.operations.arguments import parameters
from softswitch.operations.registry import OPERATIONS
from softswitch.portal.app import PAGES
from softswitch.portal.gateway import LIVE
from softswitch.portal.words import words
from softswitch.process.live import LIVE_OPERATIONS

TEMPLATES = files("softswitch.portal").joinpath("templates")
ALPHABETS = {"ka": r"[\u10d0-\u10ff]", "ru": r"[\u0400-\u04ff]", "fa": r"[\u0600-\u06ff]",
             "kk": r"[\u0400-\u04ff]", "en": r"[A-Za-z]"}  # fmt: skip


def sources() -> dict[str, str]:
    found, folders = {}, [TEMPLATES]
    while folders:
        for entry in folders.pop().iterdir():
            if entry.is_dir():
                folders.append(entry)
            else:
                found[entry.name] = entry.read_text("utf-8")
    return found


def test_live_operations_have_the_roles_that_the_switch_gives_them() -> None:
    only_live = {name: one.roles for name, one in LIVE_OPERATIONS.items() if name not in OPERATIONS}
    assert dict(LIVE) == only_live


def test_each_form_carries_arguments_of_its_operation() -> None:
    for page in PAGES:
        assert len({one.do for one in page.actions}) == len(page.actions), page.path
        for action in page.actions:
            operation = (OPERATIONS | dict(LIVE_OPERATIONS))[action.operation]
            known = parameters(operation.function)
            named = {*action.fields, *action.path, *action.fixed}
            assert named <= set(known), (page.path, action.operation)
            assert set(action.path.values()) <= set(re.findall(r"{(\w+)}", page.path)), page.path


def test_each_path_has_one_page() -> None:
    paths = [re.sub(r"{\w+}", "{}", page.path) for page in PAGES]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_same_texts_with_the_same_facts(language: str) -> None:
    def facts(text: object) -> set[str]:
        one = text if isinstance(text, str) else next(iter(dict(text).values()))  # type: ignore[call-overload]
        return {name for _, name, _, _ in string.Formatter().parse(one) if name}

    english, own = words("en"), words(language)
    assert set(own) == set(english)
    for name, text in own.items():
        assert facts(text) == facts(english[name]), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_is_in_its_own_alphabet(language: str) -> None:
    for name, text in words(language).items():
        for one in [text] if isinstance(text, str) else text.values():
            assert re.search(ALPHABETS[language], one) or not re.search(r"[A-Za-z]{4}", one), name


def test_templates_use_texts_that_there_are() -> None:
    known = set(words("en"))
    for name, source in sources().items():
        for found in re.findall(r"""\bt\('([a-z_]+\.[a-z_0-9]+)'[,)]""", source):
            assert found in known, (name, found)


def test_templates_switch_no_safety_off() -> None:
    for name, source in sources().items():
        for forbidden in ("|safe", "| safe", "autoescape", "hx-on", "js:", "<style", " style=",
                          "<script>", "onclick"):  # fmt: skip
            assert forbidden not in source, (name, forbidden)


def test_vendored_files_are_as_they_came() -> None:
    import hashlib

    static = files("softswitch.portal").joinpath("static")
    for line in static.joinpath("CHECKSUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256(static.joinpath(name).read_bytes()).hexdigest() == digest, name


def test_the_check_says_whether_the_portal_answers(portal: Served) -> None:
    def row() -> dict[str, object]:
        return next(one for one in portal.command("check") if one["check"] == "portal")

    assert row() == {"check": "portal", "ok": True, "detail": f"answers at {portal.url}"}
    portal.stop("portal")
    assert row()["ok"] is None
    portal.start("portal")
