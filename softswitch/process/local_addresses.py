"""Which addresses this machine has, for a switch that listens on all of them."""

from __future__ import annotations

import socket


def is_local_address(host: str) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it. A name is none;
    nothing is looked up for what stands in a stranger's request."""
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
