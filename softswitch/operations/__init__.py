"""Use cases shared by every entrance: plain functions that take a Context and return plain rows."""
