"""The portal's socket: for the switch's group, and only on behalf of somebody."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from softswitch.control import client
from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform
from softswitch.control.values import Value
from softswitch.control.watch import WatchHub
from softswitch.operations.registry import OPERATIONS
from softswitch.process.live import LIVE_OPERATIONS
from softswitch.process.portal_socket import HOST_OPERATIONS, portal_server
from softswitch.process.watching import check_watch

NINO = Actor("nino", "admin")


async def perform(request: Perform, _: int) -> Value:
    await asyncio.sleep(0)
    assert request.on_behalf_of is not None
    return f"{request.operation} by {request.on_behalf_of.user}"


async def ask(path: Path, operation: str, actor: Actor | None) -> Value:
    return await asyncio.to_thread(client.call, path, operation, {}, actor=actor)


def test_the_group_may_ask_on_behalf_of_somebody_and_nothing_of_the_host(tmp_path: Path) -> None:
    async def converse() -> None:
        path = tmp_path / "portal.sock"
        server = portal_server(path, perform, WatchHub(), check_watch)
        await server.start()
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert await ask(path, "account_show", NINO) == "account_show by nino"
        with pytest.raises(OperationError) as refused:
            await ask(path, "account_show", None)
        assert refused.value.code == "actor_missing"
        for operation in HOST_OPERATIONS:
            with pytest.raises(OperationError) as refused:
                await ask(path, operation, NINO)
            assert refused.value.code == "operation_of_host"
        await server.close()

    asyncio.run(converse())


def test_what_is_closed_there_is_an_operation() -> None:
    assert {**OPERATIONS, **LIVE_OPERATIONS}.keys() >= HOST_OPERATIONS
