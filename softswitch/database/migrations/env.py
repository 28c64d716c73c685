"""Alembic's environment: it works over the connection that softswitch.database.schema hands it."""

from __future__ import annotations

from alembic import context

import softswitch.cluster.node_store
import softswitch.conference.rooms
import softswitch.database.audit
import softswitch.database.news
import softswitch.identity.passkeys
import softswitch.identity.resets
import softswitch.identity.sessions
import softswitch.identity.throttle
import softswitch.identity.tokens
import softswitch.identity.users
import softswitch.provisioning.devices
import softswitch.recordings.store
import softswitch.subscribers.announcements
import softswitch.subscribers.directory_store
import softswitch.subscribers.notice_ways
import softswitch.subscribers.offered_numbers
import softswitch.subscribers.payment_intents
import softswitch.subscribers.pin_tries
import softswitch.texting.batch_store
import softswitch.texting.carrier_store
import softswitch.texting.client_store
import softswitch.texting.contacts
import softswitch.texting.contracts
import softswitch.texting.conversations
import softswitch.texting.imports
import softswitch.texting.parts
import softswitch.texting.stops
import softswitch.texting.templates
import softswitch.webhooks.store
from billing.stores.schema import metadata
from softswitch.webhooks import triggers

assert softswitch.subscribers.directory_store.lines_table.metadata is metadata

connection = context.config.attributes["connection"]
# SQLite can't alter most of a table in place: batch mode copies it.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
    triggers.make(connection)
