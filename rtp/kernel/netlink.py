"""rtnetlink messages, as far as the relay asks: which way to a peer, what kind of interface, and
the older way to attach a program (RFC 3549; linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h).

A message is a header, a fixed structure that depends on its type, and attributes, each of them a
length, a kind and a value, filled up to four octets.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from rtp.kernel.flows import packed

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ROUTE = struct.Struct("=BBBBBBBBI")
_LINK = struct.Struct("=BxHiII")
_TRAFFIC = struct.Struct("=BxHiIII")
_ERROR = struct.Struct("=i")

ERROR, DONE = 2, 3
NEW_LINK, DELETED_LINK, GET_LINK = 16, 17, 18
NEW_ROUTE, GET_ROUTE = 24, 26
NEW_QDISC = 36
NEW_FILTER, DELETE_FILTER, GET_FILTER = 44, 45, 46

_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _DUMP, _CREATE = 0x1, 0x4, 0x200, 0x300, 0x400
_KIND_MASK = 0x3FFF

GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""The multicast groups for changes of links, and of addresses and routes of both families."""

_DESTINATION, _ROUTE_SOURCE, _OUT_INTERFACE = 1, 2, 4
_INTERFACE_NAME = 3
_TC_KIND, _TC_OPTIONS = 1, 2
_BPF_FD, _BPF_NAME, _BPF_FLAGS = 6, 7, 8
_DIRECT_ACTION = 1
_CLSACT, _CLSACT_HANDLE, _INGRESS = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF2
_ALL_PROTOCOLS = 0x0300
"""ETH_P_ALL in the wire's order."""

UNICAST, LOCAL = 1, 2
"""Kinds of routes."""
ETHERNET, LOOPBACK_KIND = 1, 772
"""Kinds of interfaces that have an Ethernet header before IP."""


class NetlinkError(OSError):
    """The kernel refused."""


class Route(NamedTuple):
    """Which way a packet would go."""

    kind: int
    interface: int


class Link(NamedTuple):
    """An interface."""

    number: int
    kind: int
    name: str


class Filter(NamedTuple):
    """A program attached by clsact."""

    interface: int
    information: int
    handle: int
    name: str


class Message(NamedTuple):
    """One of the kernel's."""

    kind: int
    sequence: int
    body: bytes


# Requests


def ask_route(sequence: int, destination: str, source: str) -> bytes:
    """A request for the interface that leads to `destination`, for packets from `source`."""
    to, by = packed(destination), packed(source)
    bits = 8 * len(to)
    family = 2 if len(to) == 4 else 10
    body = _ROUTE.pack(family, bits, bits, 0, 0, 0, 0, 0, 0)
    body += _attribute(_DESTINATION, to) + _attribute(_ROUTE_SOURCE, by)
    return _message(GET_ROUTE, _REQUEST, sequence, body)


def ask_link(sequence: int, index: int) -> bytes:
    """A request for an interface by its index."""
    return _message(GET_LINK, _REQUEST, sequence, _LINK.pack(0, 0, index, 0, 0))


def add_clsact(sequence: int, interface: int) -> bytes:
    """A request for the queue that filters are attached to; answered by EEXIST if it is there."""
    body = _TRAFFIC.pack(0, 0, interface, _CLSACT_HANDLE, _CLSACT, 0)
    body += _attribute(_TC_KIND, b"clsact\0")
    flags = _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE
    return _message(NEW_QDISC, flags, sequence, body)


def add_filter(sequence: int, interface: int, program: int, name: str) -> bytes:
    """Attach a program to what comes in, under a priority that the kernel chooses."""
    body = _TRAFFIC.pack(0, 0, interface, 0, _INGRESS, _ALL_PROTOCOLS)
    options = (
        _attribute(_BPF_FD, struct.pack("=I", program))
        + _attribute(_BPF_NAME, name.encode("ascii") + b"\0")
        + _attribute(_BPF_FLAGS, struct.pack("=I", _DIRECT_ACTION))
    )
    body += _attribute(_TC_KIND, b"bpf\0") + _attribute(_TC_OPTIONS, options)
    flags = _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE
    return _message(NEW_FILTER, flags, sequence, body)


def ask_filters(sequence: int, interface: int) -> bytes:
    """All that is attached to what comes in."""
    body = _TRAFFIC.pack(0, 0, interface, 0, _INGRESS, 0)
    return _message(GET_FILTER, _REQUEST | _DUMP, sequence, body)


def remove_filter(sequence: int, found: Filter) -> bytes:
    """A request that removes a filter."""
    body = _TRAFFIC.pack(0, 0, found.interface, found.handle, _INGRESS, found.information)
    body += _attribute(_TC_KIND, b"bpf\0")
    return _message(DELETE_FILTER, _REQUEST | _ACKNOWLEDGE, sequence, body)


def ask_links(sequence: int) -> bytes:
    """A request for all interfaces."""
    return _message(GET_LINK, _REQUEST | _DUMP, sequence, _LINK.pack(0, 0, 0, 0, 0))


def is_dump(request: bytes) -> bool:
    """True if a request has many answers, and then DONE."""
    return int(_HEADER.unpack_from(request)[2]) & _DUMP == _DUMP


def _message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


# Answers


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram.

    Raises:
        NetlinkError: one of them is a refusal.
    """
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        body = data[at + _HEADER.size : at + length]
        if kind == ERROR:
            (number,) = _ERROR.unpack_from(body)
            if number:
                raise NetlinkError(-number, os.strerror(-number))
        yield Message(kind, sequence, body)
        at += length + -length % 4


def route(body: bytes) -> Route:
    """The route that an answer's body describes."""
    kind = _ROUTE.unpack_from(body)[7]
    interface = _attributes(body[_ROUTE.size :]).get(_OUT_INTERFACE, bytes(4))
    return Route(kind, struct.unpack("=I", interface)[0])


def link(body: bytes) -> Link:
    """The interface that an answer's body describes."""
    _, kind, index, _, _ = _LINK.unpack_from(body)
    name = _attributes(body[_LINK.size :]).get(_INTERFACE_NAME, b"?")
    return Link(index, kind, _text(name))


def filter_(body: bytes) -> Filter | None:
    """None for one without a program."""
    _, _, interface, handle, _, information = _TRAFFIC.unpack_from(body)
    attributes = _attributes(body[_TRAFFIC.size :])
    name = _attributes(attributes.get(_TC_OPTIONS, b"")).get(_BPF_NAME)
    if attributes.get(_TC_KIND) != b"bpf\0" or name is None:
        return None
    return Filter(interface, information, handle, _text(name))


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _KIND_MASK] = data[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")
