"""The catalogue of errors against the code that raises them."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

import softswitch
from softswitch.control.errors import OperationError
from softswitch.errors.catalogue import CATALOGUE
from softswitch.errors.entry import HTTP_STATUS
from softswitch.errors.texts import texts
from softswitch.subscribers.refusal import Refusal

ROOMS = Path(softswitch.__file__).parent
BILLING = ROOMS.parent / "billing"
CODED = {"OperationError": 0, "FieldError": 0, "ServiceError": 0, "ReachError": 0, "WeakPin": 0}
"""Exceptions with a code, and which argument it is."""
OF_REFUSAL = {"cause", "ended_by", "says"}
"""Arguments of a refusal that are no facts."""


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for folder in (ROOMS, BILLING):
        for path in sorted(folder.rglob("*.py")):
            if path.parent != ROOMS / "errors":
                yield path, ast.parse(path.read_text("utf-8"))


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Where an error is made, its code and the names of its facts."""
    for path, tree in trees():
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not isinstance(
                call.func, ast.Name | ast.Attribute
            ):
                continue
            name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            at = 1 if name == "Refusal" else CODED.get(name)
            if at is None or len(call.args) <= at or not isinstance(call.args[at], ast.Constant):
                continue
            code = call.args[at]
            assert isinstance(code, ast.Constant) and isinstance(code.value, str)
            facts = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
            facts -= OF_REFUSAL if name == "Refusal" else set()
            yield f"{path.relative_to(ROOMS.parent)}:{call.lineno}", code.value, facts


def test_each_error_that_is_raised_has_an_entry_that_names_its_facts() -> None:
    sites = list(raised())
    assert len(sites) > 300
    assert [site for site in sites if site[1] not in CATALOGUE] == []
    for where, code, facts in sites:
        named = placeholders(CATALOGUE[code].text) | placeholders(texts("en").get(code, ""))
        assert named == facts, (where, code)


def test_each_entry_of_the_catalogue_is_used() -> None:
    texts = {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(set(CATALOGUE) - texts) == []


def test_each_sentence_is_one_line_without_a_full_stop() -> None:
    for code, entry in CATALOGUE.items():
        assert entry.text.strip() == entry.text, code
        assert entry.text, code
        assert "\n" not in entry.text, code
        assert not entry.text.endswith("."), code
        assert entry.kind in HTTP_STATUS, code


def test_a_code_that_the_catalogue_has_not_got_fails_at_once() -> None:
    with pytest.raises(KeyError, match="no_such_code"):
        OperationError("no_such_code")


def test_a_sentence_whose_fact_is_missing_fails_at_once() -> None:
    with pytest.raises(KeyError, match="line"):
        OperationError("line_not_found")


def test_an_error_has_a_sentence_a_kind_a_field_and_facts() -> None:
    error = OperationError("not_one_of", field="kind", choices=("geo", "mobile"), value="x")
    assert str(error) == "kind must be geo or mobile, not 'x'"
    assert (error.code, error.kind, error.field) == ("not_one_of", "invalid", "kind")
    assert error.facts == {"field": "kind", "choices": ("geo", "mobile"), "value": "x"}


def test_amounts_are_integers_that_the_sentence_writes_as_amounts() -> None:
    error = OperationError(
        "order_not_affordable",
        cost_micros=12_500_000,
        available_micros=3_000_000,
        currency="GEL",
        account=7,
    )
    assert error.facts["cost_micros"] == 12_500_000
    assert error.message == "the order costs 12.50 GEL; account 7 has 3.00 available"
    assert HTTP_STATUS[error.kind] == 402


def test_other_facts_are_kept_as_their_text() -> None:
    error = OperationError("date_past", what="the day", date=date(2026, 5, 31))
    assert error.facts["date"] == "2026-05-31"


def test_the_rule_of_a_refusal_is_its_sentence() -> None:
    refusal = Refusal(480, "callee_status", state="suspended")
    assert refusal.rule == "routing: the called line is suspended"
    assert str(refusal) == "480 Temporarily Unavailable (routing: the called line is suspended)"
    assert (refusal.code, refusal.kind, refusal.cause) == ("callee_status", "unavailable", 18)
