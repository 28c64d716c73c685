"""Addresses of this machine, for a switch that listens on all of them."""

from __future__ import annotations

import socket


def is_local_address(host: str) -> bool:
    """True if this machine has the address: only then can a socket be bound to it. False for a
    name, which is not looked up, since a stranger's request may carry any."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((host, 0))
            except OSError:
                return False
            return True
    return False
