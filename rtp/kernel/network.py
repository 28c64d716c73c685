"""The machine's interfaces and routes, and programs attached to them."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from rtp.kernel import netlink, system
from rtp.kernel.netlink import Filter, Link, Route

_RECEIVE_OCTETS = 65_536
_ANSWER_SECONDS = 2.0
_OWN_NAME = "softswitch-relay:"
"""Filters of ours, with the process that they belong to."""


class Network:
    """Asks the kernel, and hears what changes."""

    def __init__(self) -> None:
        self._asking = _netlink_socket(0)
        self._asking.settimeout(_ANSWER_SECONDS)
        self._hearing = _netlink_socket(netlink.GROUPS)
        self._hearing.setblocking(False)
        self._sequence = 0
        self.changes_fd = self._hearing.fileno()
        """Readable when something changed."""

    def close(self) -> None:
        """Close the netlink sockets."""
        self._asking.close()
        self._hearing.close()

    def changed(self) -> bool:
        """Forget what `changes_fd` said; whether it was anything."""
        found = False
        while True:
            try:
                self._hearing.recv(_RECEIVE_OCTETS)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # so much changed that not all could be told
                    return True
            found = True

    def route(self, destination: str, source: str) -> Route | None:
        """Which way packets go; None if there is none."""
        try:
            for message in self._ask(netlink.ask_route(self._next(), destination, source)):
                if message.kind == netlink.NEW_ROUTE:
                    return netlink.route(message.body)
        except OSError:
            pass
        return None

    def link(self, index: int) -> Link | None:
        """An interface, if it is there."""
        try:
            for message in self._ask(netlink.ask_link(self._next(), index)):
                if message.kind == netlink.NEW_LINK:
                    return netlink.link(message.body)
        except OSError:
            pass
        return None

    # clsact, which outlives its process

    def add_filter(self, interface: int, program: int) -> None:
        """Attach a program under this process's name."""
        with contextlib.suppress(FileExistsError):
            self._do(netlink.add_clsact(self._next(), interface))
        self._do(netlink.add_filter(self._next(), interface, program, f"{_OWN_NAME}{os.getpid()}"))

    def remove_filters(self, interface: int) -> None:
        """Detach what this process attached."""
        for found in self._filters(interface):
            if found.name == f"{_OWN_NAME}{os.getpid()}":
                self._do(netlink.remove_filter(self._next(), found))

    def remove_leftovers(self) -> int:
        """Detach what processes of ours left that aren't there any more; how many."""
        count = 0
        for interface in self._links():
            for found in self._filters(interface.number):
                if found.name.startswith(_OWN_NAME) and not _is_worker(found.name):
                    self._do(netlink.remove_filter(self._next(), found))
                    count += 1
        return count

    def _links(self) -> list[Link]:
        answers = self._ask(netlink.ask_links(self._next()))
        return [netlink.link(m.body) for m in answers if m.kind == netlink.NEW_LINK]

    def _filters(self, interface: int) -> list[Filter]:
        try:
            answers = list(self._ask(netlink.ask_filters(self._next(), interface)))
        except OSError:
            return []  # it has no clsact
        found = [netlink.filter_(m.body) for m in answers if m.kind == netlink.NEW_FILTER]
        return [filter_ for filter_ in found if filter_ is not None]

    # Asking

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _do(self, request: bytes) -> None:
        """Ask for something, and wait until it is done.

        Raises:
            OSError: it isn't; of the class that belongs to its number.
        """
        try:
            for _ in self._ask(request):
                pass
        except netlink.NetlinkError as error:
            raise OSError(error.errno, error.strerror) from None

    def _ask(self, request: bytes) -> Iterator[netlink.Message]:
        """The answers to one request: one, or all of a dump."""
        self._asking.send(request)
        while True:
            for message in netlink.messages(self._asking.recv(_RECEIVE_OCTETS)):
                if message.sequence != self._sequence:
                    continue  # of a request that was given up
                if message.kind in (netlink.DONE, netlink.ERROR):
                    return
                yield message
                if not netlink.is_dump(request):
                    return


def _netlink_socket(groups: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    made = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    made.bind((0, groups))
    return made


def _is_worker(name: str) -> bool:
    """True if the process that a filter belongs to still lives, and is one of ours."""
    try:
        command = Path("/proc", name.removeprefix(_OWN_NAME), "cmdline").read_bytes()
    except OSError:
        return False
    return b"rtp.worker" in command


# Attaching


class Tcx:
    """Attachment by links, which vanish with their process (Linux 6.6 and later)."""

    name = "tcx"

    def __init__(self, network: Network) -> None:
        self._links: dict[int, int] = {}

    def attach(self, interface: int, program: int) -> None:
        """Attach a program to an interface. Raises OSError."""
        self._links[interface] = system.attach_tcx(program, interface)

    def detach(self, interface: int) -> None:
        """Detach the program from an interface."""
        os.close(self._links.pop(interface))


class Clsact:
    """Attachment by filters, which stay until they are removed."""

    name = "clsact"

    def __init__(self, network: Network) -> None:
        self._network = network
        network.remove_leftovers()

    def attach(self, interface: int, program: int) -> None:
        """Attach a program to an interface. Raises OSError."""
        self._network.add_filter(interface, program)

    def detach(self, interface: int) -> None:
        """Detach the program from an interface."""
        with contextlib.suppress(OSError):  # the interface may be gone, and all that was on it
            self._network.remove_filters(interface)
