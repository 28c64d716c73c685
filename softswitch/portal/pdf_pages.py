"""PDF in a process of its own: it takes half a second of computing, in which no page would come."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache

from softswitch.papers.pdf import render


@cache
def _workers() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


async def rendered(html: str) -> bytes:
    """A page of our own as PDF.

    Raises:
        PdfMissing: what makes PDF isn't installed.
    """
    return await asyncio.get_running_loop().run_in_executor(_workers(), render, html)


def close() -> None:
    """End the process, if there is one."""
    if _workers.cache_info().currsize:
        _workers().shutdown(wait=False, cancel_futures=True)
        _workers.cache_clear()
