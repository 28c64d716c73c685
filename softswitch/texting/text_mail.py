"""The mail about a text that came to a rented number (E5, E12)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from softswitch.mail.letter import MAX_KEY, MAX_SUBJECT, Mail
from softswitch.mail.outbox import queue
from softswitch.subscribers import notice_ways
from softswitch.subscribers.subscriber_store import fields_table
from softswitch.texting.message import StoredText

_WORDS: Mapping[str, tuple[str, str]] = {
    "en": ("Text to {number}", "From: {sender}"),
    "ka": ("ტექსტი ნომერზე {number}", "გამგზავნი: {sender}"),
    "ru": ("Сообщение на номер {number}", "Отправитель: {sender}"),
    "fa": ("پیامک به {number}", "فرستنده: {sender}"),
    "kk": ("{number} нөміріне хабарлама", "Жіберуші: {sender}"),
}


class TextMail:
    """Queues a mail to the account's address for each text, in the account's language.

    Args:
        operator: who signs.
        language: of accounts that chose none.
    """

    def __init__(self, operator: str, language: str) -> None:
        self._operator = operator
        self._language = language

    def __call__(self, connection: Connection, stored: StoredText) -> None:
        """Queue the mail in the transaction that stores the text; an account without an address, or
        that has chosen no mail about texts, gets none."""
        facts = stored.text
        assert facts.account_id is not None
        if not notice_ways.by_mail(notice_ways.ways_of(connection, facts.account_id)["texts"]):
            return
        wanted = fields_table.c.account_id == facts.account_id
        query = select(fields_table.c.name, fields_table.c.value).where(wanted)
        fields = {row.name: row.value for row in connection.execute(query)}
        email = fields.get("email")
        if not email:
            return
        subject, sender = _WORDS.get(fields.get("language", self._language), _WORDS["en"])
        lines = (
            sender.format(sender=_printable(facts.sender) or "-"),
            "",
            facts.body.decode("utf-8", "replace"),
            "",
            self._operator,
            "",
        )
        key = f"text:{stored.id}"[:MAX_KEY]
        title = _printable(subject.format(number=facts.recipient))[:MAX_SUBJECT]
        queue(connection, Mail(key, email, title, "\n".join(lines)), facts.created_at)


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))
