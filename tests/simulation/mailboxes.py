"""Mailboxes of simulated lines."""

from __future__ import annotations

from dataclasses import replace

from softswitch.subscribers.directory import Line, Waiting
from softswitch.subscribers.mailbox import VoiceMailbox


def give_mailbox(exchange, line: Line, **settings) -> Line:
    """Open a mailbox, on disk and for the running switch."""
    line = replace(line, mailbox=VoiceMailbox(**settings), waiting=Waiting(0, 0))
    exchange.messages.save(line.id, line.mailbox)
    exchange.directory.put_lines([line])
    return line
