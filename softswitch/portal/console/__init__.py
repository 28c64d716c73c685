"""The console: pages for the operator's staff."""

from __future__ import annotations

from softswitch.portal.console import (
    board,
    bulk,
    calls,
    customer,
    fraud,
    reviews,
    search,
    single,
    tariffs,
    till,
)
from softswitch.portal.console.lists import LISTS
from softswitch.portal.routes import Page

PAGES: tuple[Page, ...] = (
    *board.PAGES,
    *calls.PAGES,
    *(one.page() for one in LISTS),
    *search.PAGES,
    *customer.PAGES,
    *reviews.PAGES,
    *tariffs.PAGES,
    *single.PAGES,
    *till.PAGES,
    *bulk.PAGES,
    *fraud.PAGES,
)
