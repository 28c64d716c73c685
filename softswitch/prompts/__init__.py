"""Recordings of what the switch says: where they come from, and which of them are there."""
