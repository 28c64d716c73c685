"""The table of decisions against the types that commands declare."""

import inspect
import pkgutil
from importlib import import_module
from types import NoneType
from typing import get_args, get_type_hints

import pytest
from msgspec import Struct

import billing.facts
from billing.decisions.table import DECISIONS
from billing.facts.command import Command, SalesCommand
from billing.stores.definitions import DEFINITIONS

TABLE = {**DECISIONS, **DEFINITIONS}


def commands() -> list[type]:
    """All commands of billing."""
    modules = [
        import_module(f"billing.facts.{m.name}")
        for m in pkgutil.iter_modules(billing.facts.__path__)
    ]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Command)
    }
    return sorted(found - {Command, SalesCommand}, key=lambda kind: kind.__name__)


def test_every_command_is_decided_or_defined_once():
    assert set(commands()) == set(TABLE)
    assert not set(DECISIONS) & set(DEFINITIONS)


@pytest.mark.parametrize("command", commands(), ids=lambda kind: kind.__name__)
def test_the_function_of_a_command_takes_it_and_returns_its_answer(command):
    hints = get_type_hints(TABLE[command])
    returned = hints.pop("return")
    base = next(b for b in command.__orig_bases__ if b is not Struct)
    (answer,) = get_args(base)
    assert returned == (NoneType if answer is None else answer)
    assert command in hints.values()
