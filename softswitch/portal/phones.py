"""Phones and apps at the portal: requests become values, and the answers' effects are done.

What a phone asks is decided in `softswitch.provisioning`. Here it is read from HTTP, operations
that an answer needs are performed, and sightings and guesses are told to the switch in batches:
after a power cut every phone comes at once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import assert_never

import structlog
from starlette import requests, responses

from billing.stores.store import Store
from softswitch.config.config import Config
from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.operations.installation.setup import epoch_ms
from softswitch.portal.gateway import Gateway
from softswitch.provisioning.answering import THE_PORTAL, Provisioning
from softswitch.provisioning.device import Kind
from softswitch.provisioning.devices import DeviceStore
from softswitch.provisioning.exchange import (
    BUSY,
    NOT_FOUND,
    Arrived,
    Effect,
    Fetched,
    FirmwareFile,
    Outcome,
    Request,
    Response,
    Seen,
    Strike,
    Wanted,
)
from softswitch.provisioning.profile import profile_of
from softswitch.provisioning.tokens import TOKEN_LENGTH, token_of

MAX_BODY_BYTES = 1_000_000
FLUSH_SECONDS = 5.0
MAX_SIGHTINGS = 10_000
"""Devices whose sighting waits to be told; more are forgotten, and seen again tomorrow."""
MAX_STRIKES = 1_000
FIRMWARE_SECONDS = 60.0
"""How long the list of a model's firmware files is believed."""
NAMES_STATE = "client_certificate_names"
_log = structlog.get_logger()


class Firmware:
    """The folder of firmware: VENDOR/MODEL/FILE; a model's newest file is what its phones get."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._newest: dict[tuple[str, str], tuple[float, str | None]] = {}

    def newest(self, kind: Kind, model: str) -> str | None:
        """The name of the newest file for a model; None: there is none."""
        now = time.monotonic()
        looked_at, name = self._newest.get((kind, model), (-FIRMWARE_SECONDS, None))
        if now - looked_at >= FIRMWARE_SECONDS:
            name = self._look(kind, model)
            if len(self._newest) > MAX_SIGHTINGS:
                self._newest.clear()
            self._newest[kind, model] = (now, name)
        return name

    def _look(self, kind: str, model: str) -> str | None:
        if not model:
            return None
        try:
            files = [each for each in (self._folder / kind / model).iterdir() if each.is_file()]
        except OSError:
            return None
        newest = max(files, key=lambda each: each.stat().st_mtime, default=None)
        return None if newest is None else newest.name

    def file(self, path: str) -> Path | None:
        """A file by its path below the folder; None if there is none, or it leads elsewhere."""
        found = (self._folder / path).resolve()
        if not found.is_relative_to(self._folder.resolve()) or not found.is_file():
            return None
        return found


class PhoneDesk:
    """Serves phones and apps.

    Args:
        gateway: performs the operations that an answer needs.
    """

    def __init__(self, config: Config, gateway: Gateway) -> None:
        self._gateway = gateway
        self._store = Store(config.database.url)
        self._firmware = Firmware(config.provisioning.firmware_dir)
        self._provisioning = Provisioning(
            DeviceStore(self._store.engine),
            profile_of(config),
            realm=config.realm,
            fresh_token=lambda: token_of(secrets.token_bytes(2 * TOKEN_LENGTH)),
            firmware_of=self._firmware.newest,
        )
        self._threads = ThreadPoolExecutor(config.portal.workers, "phones")
        self._is_local = config.database_file is not None
        self._seen: dict[str, Seen] = {}
        self._strikes: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Tell what wasn't told yet, and close the database."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        await self._flush()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._store.close()

    async def respond(self, request: requests.Request) -> responses.Response:
        """The answer to an HTTP request."""
        asked = await _read(request)
        if asked is None:
            return _sent(NOT_FOUND)
        outcome = await self._answered(asked)
        if isinstance(outcome, Wanted):
            outcome = await self._performed(outcome)
        self._do(outcome.effects)
        match outcome:
            case Response():
                return _sent(outcome)
            case FirmwareFile(path):
                found = self._firmware.file(path)
                # Starlette serves parts (Range) to a phone whose download broke off.
                return _sent(NOT_FOUND) if found is None else responses.FileResponse(found)
            case _:
                assert_never(outcome)

    async def _answered(self, asked: Request) -> Outcome:
        """The entrance's answer. SQLite is asked in the loop itself: a look-up takes a fraction of
        a millisecond, while a thread may wait five for its turn."""
        if self._is_local:
            return self._provisioning.answer(asked)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._provisioning.answer, asked)

    async def _performed(self, wanted: Wanted) -> Response:
        try:
            result = await self._gateway.perform(wanted.actor, wanted.operation, wanted.arguments)
        except OperationError as error:
            return wanted.refused(error)
        except Exception:
            _log.exception("phone_not_served", operation=wanted.operation)
            return BUSY
        done = wanted.then(result)
        return Response(done.status, done.headers, done.body, (*wanted.effects, *done.effects))

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Seen(device_id):
                    if len(self._seen) < MAX_SIGHTINGS or device_id in self._seen:
                        self._seen[device_id] = effect
                case Strike(address):
                    if len(self._strikes) < MAX_STRIKES:
                        self._strikes.append(address)
                case Arrived(device_id, token_hash):
                    self._tell("device_arrived", {"device": device_id, "token_hash": token_hash})
                case Fetched(actor, line, text_ids):
                    taken = {"line": line, "text_ids": list(text_ids)}
                    self._start(self._told(actor, "device_texts_taken", taken))
                case _:
                    assert_never(effect)
        if self._flushing is None and (self._seen or self._strikes):
            self._flushing = asyncio.create_task(self._flush_later())

    def _tell(self, operation: str, arguments: Mapping[str, object]) -> None:
        self._start(self._told(THE_PORTAL, operation, arguments))

    def _start(self, telling: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(telling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, actor: Actor, operation: str, arguments: Mapping[str, object]) -> None:
        """Perform an operation whose answer nobody waits for. While the switch is away it is left:
        the device comes again."""
        try:
            await self._gateway.perform(actor, operation, arguments)
        except OperationError as error:
            _log.info("phone_not_noted", operation=operation, code=error.code)

    async def _flush_later(self) -> None:
        await asyncio.sleep(FLUSH_SECONDS)
        self._flushing = None
        await self._flush()

    async def _flush(self) -> None:
        """Tell the switch which devices were seen, and which addresses guessed."""
        seen, self._seen = self._seen, {}
        strikes, self._strikes = self._strikes, []
        if seen:
            sightings = [
                [each.device_id, each.at, each.address, each.agent] for each in seen.values()
            ]
            await self._told(THE_PORTAL, "device_seen", {"sightings": sightings})
        if strikes:
            await self._told(THE_PORTAL, "guard_strike", {"sources": strikes})


async def _read(request: requests.Request) -> Request | None:
    """A request as a value; None if its body is too long, or ended early."""
    body = b""
    if request.method not in ("GET", "HEAD"):
        try:
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    return None
        except requests.ClientDisconnect:
            return None
    return Request(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        peer=request.client.host if request.client is not None else "",
        secure=request.url.scheme == "https",
        certificate_names=request.scope.get(NAMES_STATE),
        now_ms=epoch_ms(),
    )


def _sent(response: Response) -> responses.Response:
    return responses.Response(response.body, response.status, dict(response.headers))
