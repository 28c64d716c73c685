"""Conferences: dial-in rooms, and those that a phone makes of its calls (A4 to A8)."""
