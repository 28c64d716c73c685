"""How alembic reaches our database: over the connection that softswitch.schema hands it."""

from __future__ import annotations

from alembic import context

import softswitch.conference.rooms
import softswitch.news
import softswitch.pin_tries
import softswitch.recordings.store
import softswitch.store
from billing.schema import metadata

assert softswitch.store.lines_table.metadata is metadata

connection = context.config.attributes["connection"]
# SQLite can't alter most of a table in place: batch mode copies it.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
