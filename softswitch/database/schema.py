"""The database's schema: which version it has, and bringing it up to date."""

from __future__ import annotations

from sqlalchemy import Engine, String, column, inspect, select, table

CURRENT = "0068"
"""The newest revision in migrations/; a test compares it with alembic's own answer."""


def version(engine: Engine) -> str | None:
    """The database's revision, or None when it has no tables yet."""
    engine = engine.execution_options(reading=True)  # waits for no writer
    if not inspect(engine).has_table("alembic_version"):
        return None
    query = select(column("version_num", String)).select_from(table("alembic_version"))
    with engine.connect() as connection:
        return connection.execute(query).scalar_one_or_none()


def migrate(engine: Engine) -> bool:
    """Bring the database to CURRENT; True if there was anything to do."""
    if version(engine) == CURRENT:
        return False
    # Alembic takes longer to load than most commands to run.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "softswitch.database:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True
