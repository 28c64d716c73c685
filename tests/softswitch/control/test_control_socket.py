"""The control socket: requests, errors, access, and what is told when no switch runs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from softswitch.control import client as control_client
from softswitch.control.client import NotRunning, Unreachable
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform
from softswitch.control.server import AlreadyRunning, ControlServer
from softswitch.control.values import Value
from softswitch.control.watch import WatchHub
from softswitch.process.watching import check_watch


async def perform(request: Perform, user_id: int) -> Value:
    """Some operations of a switch."""
    await asyncio.sleep(0)
    match request.operation:
        case "double":
            return int(request.arguments["number"]) * 2
        case "greet":
            return {"greeting": f"გამარჯობა {request.arguments['name']}"}
        case "who":
            return user_id
        case "refuse":
            raise OperationError("line_not_found", ("line 2: wrong",), line="9")
        case "fail":
            raise ZeroDivisionError
        case _:
            raise OperationError("operation_unknown", operation=request.operation)


async def _ask(path: Path, operation: str, **arguments: Any) -> Any:
    return await asyncio.to_thread(control_client.call, path, operation, arguments, 5.0)


async def _serving(path: Path) -> ControlServer:
    server = ControlServer(path, perform, WatchHub(), check_watch)
    await server.start()
    return server


def test_operations_run_in_the_switch(tmp_path: Path) -> None:
    async def converse() -> None:
        path = tmp_path / "control.sock"
        server = await _serving(path)
        assert await _ask(path, "double", number=21) == 42
        assert await _ask(path, "greet", name="Ana") == {"greeting": "გამარჯობა Ana"}
        with pytest.raises(OperationError) as refused:
            await _ask(path, "refuse")
        assert refused.value.message == "there is no line '9'; `softswitch line list` shows them"
        assert (refused.value.code, refused.value.facts) == ("line_not_found", {"line": "9"})
        assert refused.value.lines == ("line 2: wrong",)
        with pytest.raises(OperationError, match="fail failed inside the switch"):
            await _ask(path, "fail")
        with pytest.raises(OperationError, match="there is no operation 'dance'"):
            await _ask(path, "dance")
        assert await _ask(path, "double", number=4) == 8
        await server.close()

    asyncio.run(converse())


def test_the_kernel_tells_which_user_asks(tmp_path: Path) -> None:
    async def converse() -> None:
        path = tmp_path / "control.sock"
        server = await _serving(path)
        assert await _ask(path, "who") == os.getuid()
        await server.close()

    asyncio.run(converse())


def test_only_the_owner_may_open_it_and_it_goes_when_the_switch_ends(tmp_path: Path) -> None:
    async def converse() -> None:
        path = tmp_path / "control.sock"
        server = await _serving(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await asyncio.to_thread(control_client.is_running, path)
        await server.close()
        assert not path.exists()
        assert not control_client.is_running(path)

    asyncio.run(converse())


def test_two_switches_do_not_share_a_folder(tmp_path: Path) -> None:
    async def converse() -> None:
        path = tmp_path / "control.sock"
        server = await _serving(path)
        with pytest.raises(AlreadyRunning, match="running already"):
            await ControlServer(path, perform, WatchHub(), check_watch).start()
        assert await _ask(path, "double", number=1) == 2
        await server.close()

    asyncio.run(converse())


def test_a_socket_left_by_a_crash_is_nobody(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with pytest.raises(NotRunning, match="no switch is running here") as caught:
        control_client.call(path, "double", {"number": 1})
    assert not isinstance(caught.value, Unreachable)

    async def converse() -> None:
        server = await _serving(path)
        assert await _ask(path, "double", number=1) == 2
        await server.close()

    asyncio.run(converse())


def test_a_switch_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(Unreachable, match="doesn't answer"):
            control_client.call(path, "double", {"number": 1}, timeout_seconds=0.05)


def test_paths_longer_than_a_socket_address(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20)
    folder.mkdir(parents=True)

    async def converse() -> None:
        server = await _serving(folder / "control.sock")
        assert await _ask(folder / "control.sock", "double", number=3) == 6
        await server.close()

    asyncio.run(converse())


def test_garbage_is_answered_with_an_error(tmp_path: Path) -> None:
    async def converse() -> None:
        path = tmp_path / "control.sock"
        server = await _serving(path)
        reader, writer = await asyncio.open_unix_connection(str(path))
        for garbage in (
            b"hello\n",
            b"[]\n",
            b"{}\n",
            b'{"operation":"double","arguments":[]}\n',
            b'{"operation":"double","arguments":{"number":1},"price":"0"}\n',
        ):
            writer.write(garbage)
            assert "error" in json.loads(await reader.readline())
        writer.close()
        assert await _ask(path, "double", number=2) == 4
        await server.close()

    asyncio.run(converse())
