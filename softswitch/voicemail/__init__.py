"""Voicemail: recorded messages and greetings of mailboxes, their files and their rows."""
