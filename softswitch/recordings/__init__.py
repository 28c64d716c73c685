"""Calls recorded for their lines."""
