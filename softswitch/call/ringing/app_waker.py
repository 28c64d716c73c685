"""Waking apps that sleep when a call comes: a push message, then a wait for the app to register.

The app registers again once the push service has woken it, and the call that waits rings it as any
phone that registers late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from sip.registrar import Binding
    from softswitch.admission.caller_id import Identity
    from softswitch.subscribers.device_credentials import PushAddress
    from softswitch.subscribers.directory import Line
    from softswitch.trace.log import Log

Post = Callable[[str, bytes], Awaitable[int]]
"""Sends JSON to a URL and returns the status of the answer. Raises OSError with the reason."""

INCOMING_CALL = "NotifyIncomingCall"
"""The verb of the push gateway (Acrobits PNM) for a call; that for a text is another."""
MAX_UNDER_WAY = 200
"""Push messages that wait for the gateway; beyond it calls ring without one."""


async def nothing_posted(url: str, body: bytes) -> int:
    """Raise OSError: this switch has no way to a push gateway."""
    raise OSError(f"{url} can't be reached from here")


class AppWaker:
    """Sends the push messages of calls.

    Args:
        url: of the push gateway; "": no app is woken.
        seconds: how long a call waits for a woken app where no other phone rings.
    """

    __slots__ = ("_log", "_loop", "_post", "_seconds", "_under_way", "_url")

    def __init__(
        self, url: str, seconds: float, post: Post, loop: asyncio.AbstractEventLoop, log: Log
    ) -> None:
        self._url = url
        self._seconds = seconds
        self._post = post
        self._loop = loop
        self._log = log
        self._under_way: set[asyncio.Task[None]] = set()

    def wait_seconds(self, line: Line) -> float:
        """How long a call to a line waits for its apps; 0: it has none that can be woken."""
        return self._seconds if self._url and line.has_apps_to_wake else 0.0

    def wake(
        self, line: Line, bindings: Iterable[Binding], identity: Identity, call_id: str
    ) -> None:
        """Send a push message to each app of a line that isn't registered."""
        if not self._url or not line.has_apps_to_wake:
            return
        registered = {binding.username for binding in bindings}
        for device in line.devices:
            if device.username in registered:
                continue
            for address in device.push_addresses:
                if len(self._under_way) >= MAX_UNDER_WAY:
                    self._failed(call_id, line, "too many at once")
                    return
                body = push_body(address, identity)
                task = self._loop.create_task(self._send(call_id, line, body))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _send(self, call_id: str, line: Line, body: bytes) -> None:
        try:
            status = await self._post(self._url, body)
        except OSError as error:
            self._failed(call_id, line, str(error))
            return
        if not 200 <= status < 300:
            self._failed(call_id, line, f"the gateway says {status}")

    def _failed(self, call_id: str, line: Line, why: str) -> None:
        self._log.warning("app not woken", call=call_id, line=line.number, why=why)


def push_body(address: PushAddress, identity: Identity) -> bytes:
    """A push message for a call, which shows the caller id that the phone would be shown."""
    return msgspec.json.encode(
        {
            "verb": INCOMING_CALL,
            "AppId": address.app,
            "DeviceToken": address.token,
            "Selector": address.selector,
            "UserName": identity.presented or "",
            "DisplayName": identity.display_name,
        }
    )
