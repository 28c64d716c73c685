"""Calls, and stretches of calls, in which the switch itself is one of the parties."""
