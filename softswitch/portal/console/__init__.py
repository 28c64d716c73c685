"""The console: pages for the operator's staff."""

from __future__ import annotations

from softswitch.portal.console import board
from softswitch.portal.routes import Page

PAGES: tuple[Page, ...] = (*board.PAGES,)
