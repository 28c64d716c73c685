"""Refusals of the books and of the database, as errors of operations."""

from __future__ import annotations

from billing.facts.authorization import BillingError
from softswitch.control.errors import OperationError
from softswitch.errors.coded import CodedError


def refusal_of(error: Exception) -> OperationError:
    """The error of an operation whose command was refused."""
    if isinstance(error, CodedError):
        return OperationError.of(error)
    code = error.code if isinstance(error, BillingError) else "database_failed"
    return OperationError(code, reason=error)
