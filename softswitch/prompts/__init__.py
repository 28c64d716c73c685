"""Recordings of prompts: their sources, and the index of those that exist."""
