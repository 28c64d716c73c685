"""What the portal tells of devices: tokens handed over, used, and when a device was seen.

The portal reads the database and writes nothing; these operations write for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from softswitch.control.errors import OperationError
from softswitch.control.values import Row
from softswitch.operations.context import Context
from softswitch.operations.devices.devices import device_store, own_device
from softswitch.provisioning.devices import HandOver, Sighting

MAX_SIGHTINGS = 10_000


def device_hand_over(
    context: Context,
    device: str,
    presented: str,
    token_hash: str,
    secrets: Mapping[str, Mapping[str, str]],
    mac: str | None = None,
) -> Row:
    """Note the token that a device is about to be given, in exchange for the one it presented.

    Args:
        presented, token_hash: hashes of the two tokens.
        secrets: HA1 by username and column.
        mac: the phone's, to which its one-time token is bound from now on.
    """
    given = HandOver(device, presented, mac, token_hash, secrets)
    lines = device_store(context).hand_over(given, context.now_ms())
    if lines is None:
        raise OperationError("device_token_spent", device=device)
    context.changes.lines |= lines
    return {"device": device}


def device_arrived(context: Context, device: str, token_hash: str) -> Row:
    """Note that a device has used the token it was handed: its earlier token and passwords are
    void."""
    found = own_device(context, device)
    lines = device_store(context).arrived(found.id, token_hash)
    context.changes.lines |= lines or frozenset()
    return {"device": found.id, "changed": lines is not None}


def device_seen(context: Context, sightings: Sequence[tuple[str, int, str, str]]) -> Row:
    """Note when devices came, from which address, with which User-Agent."""
    noted = [Sighting(*each) for each in sightings[:MAX_SIGHTINGS]]
    device_store(context).seen(noted)
    return {"devices": len(noted)}
