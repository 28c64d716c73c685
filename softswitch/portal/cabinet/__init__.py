"""The cabinet: pages for subscribers and the people of their account."""

from __future__ import annotations

from softswitch.portal.cabinet import calls, home, lines, services
from softswitch.portal.routes import Page

PAGES: tuple[Page, ...] = (*home.PAGES, *calls.PAGES, *lines.PAGES, *services.PAGES)
