"""Announcements to all subscribers, and the news of one: announcements and unread notices."""

from __future__ import annotations

from billing.facts.cdr import show_stamp
from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.errors.texts import LANGUAGES
from softswitch.identity.users import OWNER
from softswitch.operations.accounts.standing import who
from softswitch.operations.context import Context
from softswitch.operations.times import read_time
from softswitch.subscribers.announcements import (
    MAX_TEXT,
    Announcement,
    AnnouncementStore,
)

DEFAULT_DAYS = 7


def announcement_add(
    context: Context,
    en: str = "",
    ka: str = "",
    ru: str = "",
    fa: str = "",
    kk: str = "",
    begins_at: str | None = None,
    ends_at: str | None = None,
    by: str = "operator",
) -> Row:
    """Show a text to every subscriber, on each page of the cabinet.

    Args:
        en, ka, ru, fa, kk: the text in these languages; who reads another sees one that there is.
        begins_at: by default now.
        ends_at: by default a week after the beginning.
    """
    given = {"en": en, "ka": ka, "ru": ru, "fa": fa, "kk": kk}
    texts = {language: text.strip() for language, text in given.items() if text.strip()}
    if not texts:
        raise OperationError("announcement_empty", languages=LANGUAGES)
    for language, text in texts.items():
        if len(text) > MAX_TEXT or "\n" in text:
            raise OperationError("announcement_malformed", field=language, most=MAX_TEXT)
    zone, now = context.config.switch.time_zone, context.now_ms()
    begins = now if begins_at is None else read_time(begins_at, zone)
    ends = begins + DEFAULT_DAYS * 86_400_000 if ends_at is None else read_time(ends_at, zone)
    if ends <= max(begins, now):
        raise OperationError("announcement_over", ends_at=show_stamp(ends))
    store = AnnouncementStore(context.billing.engine)
    made = Announcement(0, texts, begins, ends, now, who(by))
    key = store.add(made)
    return _row(Announcement(key, texts, begins, ends, now, who(by)), now)


def announcement_list(context: Context) -> list[Row]:
    """All announcements, the newest first."""
    now = context.now_ms()
    return [_row(one, now) for one in AnnouncementStore(context.billing.engine).all()]


def announcement_remove(context: Context, announcement: int) -> Row:
    """Take an announcement away."""
    if not AnnouncementStore(context.billing.engine).remove(announcement):
        raise OperationError("announcement_not_found", announcement=announcement)
    return {"id": announcement, "result": "removed"}


def account_news(context: Context, account: str) -> Row:
    """What is new to a subscriber: the announcements that are shown now, with their texts by
    language, and the number of notices that the owner hasn't read (None for others)."""
    owner, now = context.account(account), context.now_ms()
    store = AnnouncementStore(context.billing.engine)
    actor = context.actor
    unread = store.unread(actor.user, owner.id, now) if actor.role == OWNER else None
    shown: list[Row] = [{"id": one.id, "texts": dict(one.texts)} for one in store.current(now)]
    return {"account": owner.id, "unread": unread, "announcements": shown}


def account_notices_read(context: Context, account: str) -> Row:
    """Note that the user has read every notice until now."""
    owner, now = context.account(account), context.now_ms()
    AnnouncementStore(context.billing.engine).read(context.actor.user, owner.id, now)
    return {"account": owner.id, "read_at": show_stamp(now)}


def _row(one: Announcement, now: int) -> Row:
    state = "ended" if one.ends_at <= now else "waiting" if one.begins_at > now else "shown"
    return {
        "id": one.id,
        "state": state,
        "texts": dict(one.texts),
        "begins_at": show_stamp(one.begins_at),
        "ends_at": show_stamp(one.ends_at),
        "made_at": show_stamp(one.made_at),
        "made_by": one.made_by,
    }
