"""Requests outside a dialog: authenticated, and handed to the room that serves them."""
