"""BYEs for calls whose switch died, sent from their stored dialogs by another switch, or by the
same one after a restart.

A phone believes them, since Call-ID, tags and CSeq are those of its dialog. A phone that can be
reached by the connection of the dead switch alone hears nothing: behind an edge proxy, over UDP and
over TCP at an address of its own it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from billing.facts.live_call import StoredDialogs
from sip import stored_dialog
from sip.credentials import Credentials
from sip.dialog import Dialog
from sip.endpoint import Listen
from sip.fields import Fields
from sip.flow import Flow
from sip.stack import Stack

REASON: Fields = ((b"Reason", b'Q.850;cause=41;text="Temporary failure"'),)


@dataclass(frozen=True, slots=True)
class Farewell:
    """The BYE of one end of a call.

    Args:
        trunk: the trunk that asked for credentials at the INVITE, and may again; None: none did.
    """

    dialog: Dialog
    trunk: str | None


def farewells(calls: Iterable[StoredDialogs], sockets: Sequence[Listen]) -> Iterator[Farewell]:
    """The BYEs of calls, one for each end that this switch has a socket for. Several payers of one
    call have the same ends."""
    seen: set[tuple[object, ...]] = set()
    for call in calls:
        for end in stored_dialog.decode(call.dialogs):
            dialog = end.dialog()
            if dialog.id in seen or not _moved(dialog, sockets):
                continue
            seen.add(dialog.id)
            yield Farewell(dialog, call.trunk if end.authenticates else None)


def say_bye(
    stack: Stack,
    farewell: Farewell,
    credentials_of: Callable[[str], Credentials | None],
    now: float,
) -> None:
    """Queue the BYE of one end."""
    credentials = None if farewell.trunk is None else credentials_of(farewell.trunk)
    stack.send_bye(farewell.dialog, credentials, REASON, now)


def _moved(dialog: Dialog, sockets: Sequence[Listen]) -> bool:
    """Have a dialog go on by a socket of ours; False if there is none of its kind."""
    flow = dialog.flow
    fitting = [socket for socket in sockets if _fits(socket, flow)]
    if not fitting:
        return False
    own = (fitting[0].host, fitting[0].port)
    for socket in fitting:
        if (socket.host, socket.port) == flow.local:
            own = flow.local
    dialog.flow = flow._replace(local=own)
    if flow.transport == "tcp" and flow.name is None:
        # The connection is gone. The peer is where its Contact or the first proxy says, if that is
        # an address that leads anywhere; else a connection to where it came from is tried.
        dialog.pinned = False
        dialog.flow = dialog.flow._replace(name=flow.remote[0])
    return True


def _fits(socket: Listen, flow: Flow) -> bool:
    is_v6 = ":" in flow.remote[0]
    return socket.transport == flow.transport and (":" in socket.host) == is_v6
