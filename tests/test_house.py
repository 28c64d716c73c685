"""Limits of the house, which may only be tightened: the length of functions and files, the number
of written `Any`, and the public names without a docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ("sip", "rtp", "billing", "smpp", "ivr_prompts", "softswitch")

MAX_BODY_LINES = 60
MAX_FILE_LINES = 600
LONGER_FILES: dict[str, int] = {}
"""Files that still break the limit, and how long they may be; none may be added."""
LONGER_FUNCTIONS: dict[str, int] = {}
"""Functions that still break the limit, and how long they may be; none may be added."""

WRITTEN_ANY = 25
"""Each that stays has its reason beside it. This number may only fall."""

WITHOUT_DOCSTRING = {"sip": 0, "rtp": 0, "billing": 0, "smpp": 0}
"""Public classes, functions and methods without a docstring. These numbers may only fall."""
OVERRIDES = {"touches", "relieved_account"}
"""Methods of every billing command; `Command` says once what they are."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product by its path; migrations are as they were released."""
    paths = (path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py")))
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
        if "migrations/versions" not in str(path)
    }


def functions(tree: ast.AST, within: str = "") -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        name = f"{within}{getattr(node, 'name', '')}"
        if isinstance(node, Function):
            yield name, node
        scope = f"{name}." if isinstance(node, Function | ast.ClassDef) else within
        yield from functions(node, scope)


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def over(lengths: dict[str, int], limit: int, known: dict[str, int]) -> dict[str, int]:
    """The lengths over the limit, or over what is known of them."""
    return {name: n for name, n in lengths.items() if n > known.get(name, limit)}


def test_a_functions_body_has_at_most_60_lines() -> None:
    lengths = {
        f"{path}:{name}": body_lines(function)
        for path, tree in modules().items()
        for name, function in functions(tree)
    }
    assert over(lengths, MAX_BODY_LINES, LONGER_FUNCTIONS) == {}


def test_a_file_has_at_most_600_lines() -> None:
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in modules()}
    assert over(lengths, MAX_FILE_LINES, LONGER_FILES) == {}


def test_the_number_of_written_any_only_falls() -> None:
    written = {
        path: sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree))
        for path, tree in modules().items()
    }
    found = {path: n for path, n in written.items() if n}
    assert sum(found.values()) <= WRITTEN_ANY, found


def _without_docstring(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, Function)
                and not inner.name.startswith("_")
                and inner.name not in OVERRIDES
                and not any(isinstance(d, ast.Attribute) for d in inner.decorator_list)  # setters
                and ast.get_docstring(inner) is None
            )


def test_public_names_of_the_libraries_have_docstrings() -> None:
    for package, allowed in WITHOUT_DOCSTRING.items():
        missing = [
            f"{path}:{name}"
            for path, tree in modules().items()
            if path.startswith(f"{package}/")
            for name in _without_docstring(tree)
        ]
        assert len(missing) <= allowed, missing
