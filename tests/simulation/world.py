"""Virtual time and a lossy wire: a day of traffic in seconds, and the same again from its seed."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable
from typing import Any

Address = tuple[str, int]
SWITCH: Address = ("192.0.2.1", 5060)


class _NoSelector(selectors.BaseSelector):
    """Never waits: when nothing is ready, virtual time jumps to the next timer instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._map: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj, events, data=None):
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._map[fileobj] = key
        return key

    def unregister(self, fileobj):
        return self._map.pop(fileobj)

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("the simulation waits for something that never comes")
        if timeout > 0:
            self._loop.advance(timeout)
        return []

    def get_map(self):
        return self._map


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number that jumps to the next deadline."""

    def __init__(self, start: float = 1000.0) -> None:
        self._virtual_now = start
        super().__init__(_NoSelector(self))

    def time(self) -> float:
        return self._virtual_now

    def advance(self, seconds: float) -> None:
        self._virtual_now += seconds

    def _write_to_self(self) -> None:
        """Do nothing: there is no other thread to wake the loop."""


class Wire:
    """An in-memory network of datagrams that loses, delays, repeats and reorders by a seed."""

    def __init__(
        self,
        loop: VirtualLoop,
        rng: random.Random,
        *,
        loss: float = 0.0,
        duplicates: float = 0.0,
        delay: tuple[float, float] = (0.005, 0.020),
    ) -> None:
        self._loop = loop
        self._rng = rng
        self.loss = loss
        self.duplicates = duplicates
        self.delay = delay
        self._under_way: dict[float, list[tuple[bytes, Address, Address]]] = {}
        """Datagrams by the time of their arrival. Of those that arrive at one instant the first
        sent is the first there; timers of the loop would come in any order."""
        self._receivers: dict[Address, Callable[[bytes, Address], None]] = {}
        self._hosts: dict[str, Callable[[int, bytes, Address], None]] = {}
        self.sent = 0
        self.lost = 0
        self.log: list[tuple[float, Address, Address, bytes]] | None = None
        self.drops: Callable[[bytes, Address, Address], bool] = lambda data, source, target: False
        """Chooses what is lost, beside what chance takes."""

    def attach(self, address: Address, receiver: Callable[[bytes, Address], None]) -> None:
        self._receivers[address] = receiver

    def attach_host(self, host: str, receiver: Callable[[int, bytes, Address], None]) -> None:
        """Whatever goes to a port of this host that nobody else has; the port comes first."""
        self._hosts[host] = receiver

    def receiver(self, address: Address) -> Callable[[bytes, Address], None] | None:
        return self._receivers.get(address)

    def detach(self, address: Address) -> None:
        self._receivers.pop(address, None)

    def send(self, data: bytes, source: Address, target: Address) -> None:
        self.sent += 1
        if self.log is not None:
            self.log.append((self._loop.time(), source, target, data))
        if self._rng.random() < self.loss or self.drops(data, source, target):
            self.lost += 1
            return
        copies = 2 if self._rng.random() < self.duplicates else 1
        for _ in range(copies):
            at = self._loop.time() + self._rng.uniform(*self.delay)
            if at not in self._under_way:
                self._under_way[at] = []
                self._loop.call_at(at, self._arrive, at)
            self._under_way[at].append((data, source, target))

    def _arrive(self, at: float) -> None:
        for data, source, target in self._under_way.pop(at):
            self._deliver(data, source, target)

    def _deliver(self, data: bytes, source: Address, target: Address) -> None:
        receiver = self._receivers.get(target)
        if receiver is not None:
            receiver(data, source)
        elif (host := self._hosts.get(target[0])) is not None:
            host(target[1], data, source)


class WireSocket:
    """The UDP socket of an endpoint in the simulation."""

    def __init__(self, wire: Wire, local: Address) -> None:
        self._wire = wire
        self._local = local

    def sendto(self, data: bytes, addr: Address) -> None:
        self._wire.send(data, self._local, addr)

    def close(self) -> None:
        self._wire.detach(self._local)
