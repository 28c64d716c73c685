"""Alembic migrations of the whole database: billing's tables and the directory's."""
