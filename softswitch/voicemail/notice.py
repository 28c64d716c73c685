"""The mail about a new message."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from softswitch.config.voicemail import FOLDER
from softswitch.mail.letter import Attachment, Mail

if TYPE_CHECKING:
    from softswitch.subscribers.directory import Line
    from softswitch.voicemail.store import Message


def notice(line: Line, email: str, message: Message, duration_ms: int, zone: str) -> Mail:
    """The mail, with the message as a WAV file and the caller's number as far as the line may see
    it."""
    at = datetime.fromtimestamp(message.received_at / 1000, ZoneInfo(zone))
    caller = message.calling or "an unknown number"
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    text = (
        f"From: {caller}\n"
        f"To: {line.number}\n"
        f"Received: {at:%Y-%m-%d %H:%M:%S %Z}\n"
        f"Length: {minutes}:{seconds:02d}\n"
    )
    name = f"message-{at:%Y%m%d-%H%M%S}.wav"
    return Mail(
        f"voicemail:{message.id}",
        email,
        f"Voice message from {caller}",
        text,
        Attachment(f"{FOLDER}/{message.id}.wav", name, "audio/wav"),
    )
