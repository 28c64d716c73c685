"""The logger that all rooms use."""

from __future__ import annotations

from typing import Protocol


class Log(Protocol):
    """The part of a structlog logger that the switch uses: an event and its facts by name."""

    def info(self, event: str, /, **facts: object) -> object: ...

    def warning(self, event: str, /, **facts: object) -> object: ...

    def error(self, event: str, /, **facts: object) -> object: ...

    def exception(self, event: str, /, **facts: object) -> object: ...
