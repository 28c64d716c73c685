"""Rooms of the switch as a process has them: with threads, chance and clocks."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Engine

from billing.stores.group_commit import GroupCommit
from billing.stores.store import Store
from softswitch.completion.queue import WaitingQueue
from softswitch.completion.store import CompletionStore
from softswitch.config.config import Config
from softswitch.mail.outbox import Outbox
from softswitch.mail.postman import Postman
from softswitch.operations.installation.setup import epoch_ms
from softswitch.process.chance import Chance
from softswitch.process.working_set import WorkingSet
from softswitch.recordings.desk import RecordingDesk
from softswitch.recordings.store import RecordingStore
from softswitch.services.self_service import SelfService
from softswitch.subscribers.directory import Directory
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import PinTries
from softswitch.subscribers.service_desk import ServiceDesk
from softswitch.subscribers.service_store import ServiceStore
from softswitch.voicemail.desk import VoicemailDesk
from softswitch.voicemail.shelf import Shelf
from softswitch.voicemail.store import VoicemailStore


def pin_guard(engine: Engine, log: Any) -> PinGuard:
    """All it knows is in the database, so it doesn't matter how many there are."""
    return PinGuard(PinTries(engine), asyncio.to_thread, epoch_ms, log)


def voicemail_desk(config: Config, engine: Engine, directory: Directory, log: Any) -> VoicemailDesk:
    return VoicemailDesk(
        VoicemailStore(engine),
        Shelf(config.voicemail_dir),
        config.voicemail,
        directory,
        pin_guard(engine, log),
        asyncio.to_thread,
        randbits=Chance().bits,
        wall_ms=epoch_ms,
        zone=config.switch.time_zone,
        log=log,
    )


def recording_desk(config: Config, engine: Engine, log: Any) -> RecordingDesk:
    return RecordingDesk(
        RecordingStore(engine),
        Shelf(config.recordings_dir),
        config.recording,
        asyncio.to_thread,
        randbits=Chance().bits,
        wall_ms=epoch_ms,
        log=log,
    )


def service_desk(engine: Engine, directory: Directory, log: Any) -> ServiceDesk:
    return ServiceDesk(ServiceStore(engine), directory, pin_guard(engine, log), asyncio.to_thread)


def self_service(
    config: Config,
    store: Store,
    directory_store: DirectoryStore,
    working_set: WorkingSet,
    money: GroupCommit,
    loop: asyncio.AbstractEventLoop,
    log: Any,
) -> SelfService:
    return SelfService(
        store,
        directory_store,
        working_set.directory,
        working_set.entitlements,
        money,
        pin_guard(store.engine, log),
        asyncio.to_thread,
        randbits=Chance().bits,
        wall_ms=epoch_ms,
        now=loop.time,
        zone=config.switch.time_zone,
    )


def waiting_queue(
    config: Config, engine: Engine, loop: asyncio.AbstractEventLoop, log: Any
) -> WaitingQueue:
    """With everyone who waited when the switch stopped."""
    kept = CompletionStore(engine, config.switch.node)
    queue = WaitingQueue(kept, asyncio.to_thread, loop, log)
    queue.restore(kept.load())
    return queue


def postman(config: Config, engine: Engine, log: Any) -> Postman:
    return Postman(
        config.mail, Outbox(engine), config.data_dir, config.switch.domain, epoch_ms, log
    )
