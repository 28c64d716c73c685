"""Machines of a test's own: network namespaces joined by cables (pairs of veth)."""

import contextlib
import ctypes
import itertools
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

_letters = itertools.cycle("abcdefghijklmnopqrstuvwxyz")
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Machines:
    """Namespaces by name; gone at the end, with all that is in them."""

    def __init__(self):
        if shutil.which("ip") is None:
            pytest.skip("no ip(8) here: apt-get install iproute2")
        self._stamp = f"sw{os.getpid()}{next(_letters)}"
        self._names = []
        self._cables = 0

    def add(self, name):
        if self._ip("netns", "add", self._full(name), check=False).returncode:
            self.remove()
            pytest.skip("network namespaces can't be made here (CAP_SYS_ADMIN is needed)")
        self._names.append(name)
        with self.on(name):
            for which in ("all", "default"):
                # Don't wait a second for duplicate address detection.
                Path(f"/proc/sys/net/ipv6/conf/{which}/accept_dad").write_text("0")
        self.ip(name, "link", "set", "lo", "up")

    def remove(self):
        for name in self._names:
            self._ip("netns", "del", self._full(name), check=False)
        self._names.clear()

    def cable(self, one, its_addresses, other, others_addresses):
        """Join two; the interface of each is named after the other."""
        self._cables += 1
        ends = [f"{self._stamp}c{self._cables}{end}" for end in "ab"]
        self._ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for end, name, peer, addresses in (
            (ends[0], one, other, its_addresses),
            (ends[1], other, one, others_addresses),
        ):
            self._ip("link", "set", end, "netns", self._full(name))
            known = self.ip(name, "-o", "link").stdout
            called = peer if f" {peer}@" not in known else f"{peer}2"
            self.ip(name, "link", "set", end, "name", called)
            for address in addresses:
                nodad = ["nodad"] if ":" in address else []
                self.ip(name, "address", "add", address, "dev", called, *nodad)
            self.ip(name, "link", "set", called, "up")

    def knows(self, name, host, neighbour):
        """Whether one of them has found a neighbour, who is called from `host` meanwhile: the first
        packets on a new cable may wait for that, or be lost."""
        with self.udp(name, host) as made, contextlib.suppress(OSError):
            made.sendto(b"", (neighbour, 9))
        return "lladdr" in self.ip(name, "neighbour", "show", neighbour).stdout

    def ip(self, name, *arguments, check=True):
        """ip(8) on one of them."""
        return self._ip("-n", self._full(name), *arguments, check=check)

    def tc(self, name, *arguments):
        """tc(8) on one of them."""
        return self._run("tc", "-n", self._full(name), *arguments)

    @contextlib.contextmanager
    def on(self, name):
        """Sockets and processes that begin in here are on that machine."""
        with open("/proc/self/ns/net", "rb") as home, self._open(name) as there:
            _enter(there)
            try:
                yield
            finally:
                _enter(home)

    def run(self, name, *command):
        """A program on one of them, to its end."""
        with self.on(name):
            return self._run(*command)

    def udp(self, name, host, port=0):
        """A socket on one of them."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with self.on(name):
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            made.bind((host, port))
        except OSError:
            made.close()
            raise
        return made

    def _open(self, name):
        return open(f"/run/netns/{self._full(name)}", "rb")

    def _full(self, name):
        return f"{self._stamp}-{name}"

    def _ip(self, *arguments, check=True):
        return self._run("ip", *arguments, check=check)

    @staticmethod
    def _run(*command, check=True):
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=20)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
