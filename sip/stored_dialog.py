"""Dialogs as a database keeps them, so that another process can send their BYE."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

import msgspec
from msgspec import Struct

from sip.dialog import Dialog
from sip.flow import Address, Flow

CSEQ_ROOM = 1 << 20
"""What is added to a stored CSeq number, since requests may have followed without being stored. A
number may be higher than the last by any amount (RFC 3261 section 12.2.2)."""


class StoredDialog(Struct, frozen=True, array_like=True):
    """The state of a dialog that a request within it needs.

    Args:
        call_id: as octets, for a peer may choose any.
        authenticates: True if its INVITE was sent with credentials, which aren't stored.
    """

    call_id: bytes
    local: bytes
    local_tag: str
    remote: bytes
    remote_tag: str | None
    remote_target: bytes
    route_set: tuple[bytes, ...]
    contact: bytes
    local_cseq: int
    transport: str
    local_address: Address
    remote_address: Address
    host_name: str | None
    beyond: Address | None
    pinned: bool
    follows_private: bool
    authenticates: bool

    def dialog(self) -> Dialog:
        """The dialog, whose next CSeq number is higher than any that was used."""
        dialog = Dialog(
            call_id=self.call_id.decode("utf-8", "surrogateescape"),
            local=self.local,
            local_tag=self.local_tag,
            remote=self.remote,
            remote_tag=self.remote_tag,
            remote_target=self.remote_target,
            route_set=self.route_set,
            contact=self.contact,
            flow=Flow(
                self.transport,
                self.local_address,
                self.remote_address,
                self.host_name,
                self.beyond,
            ),
            pinned=self.pinned,
            follows_private=self.follows_private,
        )
        dialog.local_cseq = self.local_cseq + CSEQ_ROOM
        return dialog


_kept = attrgetter(
    "local", "local_tag", "remote", "remote_tag", "remote_target", "route_set", "contact",
    "local_cseq", "flow.transport", "flow.local", "flow.remote", "flow.name", "flow.beyond",
    "pinned", "follows_private",
)  # fmt: skip


def stored(dialog: Dialog, authenticates: bool) -> StoredDialog:
    """A dialog as it stands now."""
    call_id = dialog.call_id.encode("utf-8", "surrogateescape")
    return StoredDialog(*(call_id, *_kept(dialog), authenticates))


_encoder = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder(tuple[StoredDialog, ...]).decode


def encode(dialogs: Iterable[StoredDialog]) -> bytes:
    """Dialogs as octets for a column."""
    return _encoder.encode(tuple(dialogs))


def decode(octets: bytes) -> tuple[StoredDialog, ...]:
    """The dialogs of a column; empty if another version of the switch wrote it in another shape."""
    try:
        return _decode(octets)
    except msgspec.MsgspecError:
        return ()
