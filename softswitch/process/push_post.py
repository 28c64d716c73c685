"""Push messages to the gateway that wakes apps: requests in threads of their own, so that a slow
gateway keeps nothing else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from softswitch.webhooks.posting import Network, PostingError, post

THREADS = 8


class PushPost:
    """Sends push messages.

    Args:
        allowed: networks that aren't public in which the gateway may be.
    """

    def __init__(self, allowed: Collection[Network] = ()) -> None:
        self._allowed = allowed
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="push")

    async def __call__(self, url: str, body: bytes) -> int:
        """The status of the gateway's answer. Raises OSError with the reason."""
        send = partial(post, url, {}, body, self._allowed)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, send)
        except PostingError as error:
            raise OSError(str(error)) from None

    def close(self) -> None:
        """End the threads; what is under way is given up."""
        self._executor.shutdown(wait=False, cancel_futures=True)
