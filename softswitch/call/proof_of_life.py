"""The journal of live calls: until when each paid leg has lived, and the dialogs of its ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from billing.facts.authorization import ProveAlive
from billing.stores.group_commit import PATIENCE_SECONDS
from billing.stores.store import StoreError
from softswitch.call import kept_dialogs

if TYPE_CHECKING:
    from billing.stores.group_commit import GroupCommit
    from softswitch.call.call import Call


async def prove_life(calls: Iterable[Call], money: GroupCommit) -> None:
    """Write down that calls live, and the dialogs of those whose legs have changed.

    Raises:
        StoreError: nothing was written.
    """
    lived: list[tuple[str, int]] = []
    dialogs: dict[str, bytes] = {}
    changed: list[Call] = []
    for call in calls:
        meters = [meter for meter in call.payers.meters if meter.open]
        lived += [(meter.key, meter.alive_at()) for meter in meters]
        encoded = kept_dialogs.changed(call.legs) if call.answered else None
        if encoded is not None:
            dialogs |= {meter.key: encoded for meter in meters}
            changed.append(call)
    if not lived:
        return
    try:
        await money.submit(ProveAlive(lived, dialogs), within_seconds=PATIENCE_SECONDS)
    except StoreError:
        for call in changed:
            kept_dialogs.not_stored(call.legs)
        raise
