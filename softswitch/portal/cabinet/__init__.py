"""The cabinet: pages for subscribers and the people of their account."""

from __future__ import annotations

from softswitch.portal.cabinet import (
    bulk,
    bulk_batches,
    bulk_contacts,
    calls,
    completions,
    conference,
    devices,
    greetings,
    home,
    lines,
    messages,
    money,
    notices,
    numbers,
    packages,
    phone,
    profile,
    recordings,
    requests,
    services,
    shop,
    voicemail,
)
from softswitch.portal.routes import Page

PAGES: tuple[Page, ...] = (
    *home.PAGES,
    *calls.PAGES,
    *money.PAGES,
    *notices.PAGES,
    *packages.PAGES,
    *requests.PAGES,
    *messages.PAGES,
    *profile.PAGES,
    *lines.PAGES,
    *devices.PAGES,
    *services.PAGES,
    *voicemail.PAGES,
    *greetings.PAGES,
    *recordings.PAGES,
    *conference.PAGES,
    *completions.PAGES,
    *phone.PAGES,
    *shop.PAGES,
    *numbers.PAGES,
    *bulk.PAGES,
    *bulk_contacts.PAGES,
    *bulk_batches.PAGES,
)
