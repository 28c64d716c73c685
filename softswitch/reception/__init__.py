"""Requests outside a dialog: authenticated, and passed to the room that serves them."""
