"""Mailboxes of lines: what they take, what they hold, and where it is kept."""
