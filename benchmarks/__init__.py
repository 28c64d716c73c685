"""Measurements of the switch on this machine; see README.md."""
