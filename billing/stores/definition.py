"""Definitions: commands that are a statement or two of SQL, and need no decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from billing.facts.command import Command

Definitions = Mapping[type[Command[object]], Callable[..., object]]
"""For each command the function that does it. It takes the connection, the book and the command,
returns the command's answer, and raises a BillingError to refuse before it has written anything."""
