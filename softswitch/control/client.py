"""The control socket, the command line's side. It loads fast, since every command begins here."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from softswitch.control.actor import Actor
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Done, Perform, Refused, line_of, read_answer, result_of
from softswitch.control.values import Value

MAX_SOCKET_PATH = 100
"""sockaddr_un holds 108 octets; longer paths are opened through a descriptor of their folder."""


class NotRunning(Exception):
    """No switch can be reached through the socket. The message is one line."""


class Unreachable(NotRunning):
    """There is a switch, but it doesn't answer or access is denied."""


def call(
    path: Path,
    operation: str,
    arguments: Mapping[str, object],
    timeout_seconds: float = 120.0,
    actor: Actor | None = None,
    key: str | None = None,
) -> Value:
    """Have the running switch perform an operation and return its result.

    Args:
        actor: on whose behalf; None: the user of this process.
        key: the idempotency key of the caller.

    Raises NotRunning or Unreachable, or OperationError with the switch's own message."""
    request = line_of(Perform(operation, dict(arguments), actor, key))
    try:
        with _connect(path, timeout_seconds) as connection, connection.makefile("rb") as answers:
            connection.sendall(request)
            line = answers.readline()
    except TimeoutError:
        raise Unreachable(f"the switch doesn't answer on {path}") from None
    except ConnectionError as error:
        raise Unreachable(f"the switch broke off on {path}: {error}") from None
    if not line:
        raise Unreachable(f"the switch broke off on {path}")
    try:
        answer = read_answer(line)
    except msgspec.MsgspecError as error:
        raise Unreachable(f"the switch on {path} answers in another version: {error}") from None
    match answer:
        case Done():
            return result_of(answer)
        case Refused(code=code, facts=facts, lines=lines):
            raise OperationError(code, lines, **facts)


def is_running(path: Path) -> bool:
    """True if a switch accepts connections on the socket."""
    try:
        _connect(path, 2.0).close()
    except NotRunning:
        return False
    return True


def _connect(path: Path, timeout_seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_seconds)
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ConnectionRefusedError(f"{path} is no socket")
        with short_name(path) as name:
            connection.connect(name)
    except OSError as error:
        connection.close()
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            raise NotRunning(f"no switch is running here ({path})") from None
        raise Unreachable(
            f"the switch can't be reached on {path}: {error.strerror or error}"
        ) from None
    return connection


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name of the socket that fits into sockaddr_un."""
    name = str(path.absolute())
    if len(os.fsencode(name)) <= MAX_SOCKET_PATH:
        yield name
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
