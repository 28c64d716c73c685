"""Operations as tests do them: refused ones, and those of a later time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.scheduled.due import DueSettings, due_settings, run_due


def refused(operation: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    """The one line with the reason of a refusal."""
    with pytest.raises(OperationError) as caught:
        operation(*arguments, **named)
    assert "\n" not in caught.value.message
    return caught.value.message


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def later(context: Context, text: str, settings: DueSettings | None = None) -> None:
    """It is that time now, and what was due by then was done."""
    context.now_ms = lambda: at(text)
    chosen = settings or due_settings(context.config)
    zone = context.config.switch.time_zone
    report = run_due(context.billing, context.apply, at(text), zone, chosen)
    assert report.failures == []
