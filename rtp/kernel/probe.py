"""A probe of the kernel tier: the program is really loaded, and one packet passes it."""

from __future__ import annotations

import os
import socket
import struct

from rtp.kernel.flows import Flow
from rtp.kernel.tier import KernelTier, KernelUnavailable
from rtp.source import Counted

HOST = "127.0.0.1"
WAIT_SECONDS = 0.5
"""A packet on the loopback interface is there when it was sent."""
MAX_TRIES = 64
"""Ports tried; others may be in use."""


def probe(tier: KernelTier, ports: tuple[int, int]) -> None:
    """Have one packet forwarded on the loopback interface.

    Raises:
        KernelUnavailable: it didn't come, or not as it should have.
    """
    try:
        with _bound() as sender, _bound() as receiver, _media_socket(ports) as media:
            _pass_one(tier, sender, media, receiver)
    except OSError as error:
        raise KernelUnavailable(f"trying it on the loopback interface: {error}") from None


def try_machine(ports: tuple[int, int]) -> str:
    """Load, try and unload; how the program was attached.

    Raises:
        KernelUnavailable: it doesn't work here.
    """
    tier = KernelTier(ports)
    try:
        probe(tier, ports)
        return tier.method
    finally:
        tier.close()


def _pass_one(
    tier: KernelTier, sender: socket.socket, media: socket.socket, receiver: socket.socket
) -> None:
    here, peer, target = media.getsockname(), sender.getsockname(), receiver.getsockname()
    flow = Flow(here, peer, here, target, None, 8000)
    installed = tier.install(flow, Counted(0, 0, 0.0, 0, 0, 0, 0), 0)
    if installed is None:
        raise KernelUnavailable(tier.refused)
    packet = struct.pack(">BBHII", 0x80, 0, 1, 160, 1) + os.urandom(16)
    try:
        sender.sendto(packet, here)
        came, source = receiver.recvfrom(2048)
    except TimeoutError:
        raise KernelUnavailable("a packet on the loopback interface wasn't forwarded") from None
    finally:
        counted = tier.remove(installed)
    if came != packet or source != here or counted.packets != 1:
        raise KernelUnavailable("a packet on the loopback interface was forwarded spoiled")


def _bound(port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(WAIT_SECONDS)
    try:
        made.bind((HOST, port))
    except OSError:
        made.close()
        raise
    return made


def _media_socket(ports: tuple[int, int]) -> socket.socket:
    """On one of the ports that the program looks at."""
    for port in range(ports[0], min(ports[1], ports[0] + MAX_TRIES)):
        try:
            return _bound(port)
        except OSError:
            continue
    raise OSError(f"none of {MAX_TRIES} media ports from {ports[0]} on is free")
