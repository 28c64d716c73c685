"""Calls and stretches of calls in which the switch itself is the party that speaks."""
