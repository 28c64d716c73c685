"""Texts: stored and forwarded between lines, carriers and businesses, priced and charged."""
