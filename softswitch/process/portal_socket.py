"""The portal's socket: requests that name the person behind them, and nothing of the host.

A portal that runs as another user of the switch's group can do what its users may do: it has no
request of its own, and none that works on the machine below the switch.
"""

from __future__ import annotations

from pathlib import Path

from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform, Watch
from softswitch.control.server import ControlServer, MayWatch, Performer
from softswitch.control.values import Value
from softswitch.control.watch import WatchHub

MODE = 0o660
"""The switch's user and its group."""
HOST_OPERATIONS = frozenset({"account_authenticate", "node_recover", "prompt_reload"})
"""Operations for who runs the host; logins are checked by the portal itself."""


def portal_server(
    path: Path, perform: Performer, hub: WatchHub, may_watch: MayWatch
) -> ControlServer:
    """The server of the portal's socket."""
    return ControlServer(path, vouched(perform), hub, vouched_watch(may_watch), MODE)


def vouched(perform: Performer) -> Performer:
    """A performer of requests on behalf of somebody alone."""

    async def performed(request: Perform, user_id: int) -> Value:
        if request.on_behalf_of is None:
            raise OperationError("actor_missing")
        if request.operation in HOST_OPERATIONS:
            raise OperationError("operation_of_host", operation=request.operation)
        return await perform(request, user_id)

    return performed


def vouched_watch(may_watch: MayWatch) -> MayWatch:
    """Likewise of watches."""

    def check(request: Watch, user_id: int) -> None:
        if request.on_behalf_of is None:
            raise OperationError("actor_missing")
        may_watch(request, user_id)

    return check
