"""Decisions: the working set of a batch, and the functions that decide commands in it."""
