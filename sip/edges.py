"""Trusted edge proxies: SIP proxies in front of the switch, such as Kamailio.

Behind an edge all phones come from one address. The edge writes the real source of each request
into the phone's Via, below its own (`received`, `rport`: RFC 3261 section 18.2.1, RFC 3581), and
into the Path of a registration, if it is configured to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import unquote

from sip.errors import ParseError
from sip.flow import Address, Flow, host_address
from sip.headers import split_list
from sip.uri import Uri

MAX_EDGES = 8
"""Edges that a request may pass one after another."""
MAX_KNOWN = 10_000
HEAD_BYTES = 16_384
_VIA = re.compile(rb"\r\n(?:via|v)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_SENT_BY = re.compile(
    rb"[ \t]*SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*[A-Za-z]+[ \t]+(\[[0-9A-Fa-f:.]+\]|[^\s;:,]+)"
    rb"(?:[ \t]*:[ \t]*([0-9]{1,5}))?"
)
_RECEIVED = re.compile(rb";[ \t]*received[ \t]*=[ \t]*\[?([0-9A-Fa-f:.]+)", re.IGNORECASE)
_RPORT = re.compile(rb";[ \t]*rport[ \t]*=[ \t]*([0-9]{1,5})", re.IGNORECASE)
_RECEIVED_URI = re.compile(r';[ \t]*received[ \t]*=[ \t]*"?([^;>"\s]+)', re.IGNORECASE)
_DEFAULT_PORT = 5060


class Edges:
    """The addresses of trusted edges."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._networks = tuple(networks)
        self.exist = bool(self._networks)
        """False: each message comes from its sender. An attribute, since every datagram asks."""
        self._hosts: set[str] = set()
        self._known: dict[str, bool] = {}

    def add(self, host: str) -> None:
        """Trust one more host; only where there are edges at all."""
        self._hosts.add(host)
        self._known.clear()

    def trusts(self, host: str) -> bool:
        """True if a numeric host is one of the edges."""
        if not self.exist:
            return False
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            address = host_address(host)
            known = host in self._hosts or (
                address is not None and any(address in network for network in self._networks)
            )
            self._known[host] = known
        return known

    def behind(self, data: bytes, flow: Flow) -> Flow:
        """The flow of a message with the address beyond the edges that it passed; the flow as it is
        if it came from no edge, or from the edge itself."""
        if not self.trusts(flow.remote[0]):
            return flow
        for via in _vias(data)[1 : MAX_EDGES + 1]:
            found = _source(via)
            if found is None:
                return flow
            if not self.trusts(found[0]):
                return flow._replace(beyond=found)
        return flow

    def registered(self, flow: Flow, path: Iterable[bytes]) -> Flow:
        """The flow of a registration that was kept, with the address beyond its edge by its Path
        (the `received` parameter of the edge's URI)."""
        if flow.beyond is not None or not self.trusts(flow.remote[0]):
            return flow
        for hop in path:
            found = _received(hop)
            if found is not None and not self.trusts(found[0]):
                return flow._replace(beyond=found)
        return flow


def _vias(data: bytes) -> list[bytes]:
    end = data.find(b"\r\n\r\n")
    head = data[: min(end if end >= 0 else len(data), HEAD_BYTES)]
    try:
        return [via for value in _VIA.findall(head) for via in split_list(value)]
    except ParseError:
        return []


def _source(via: bytes) -> Address | None:
    """The address of a Via's sender: as its receiver noted it last, else as the Via itself has
    it."""
    sent_by = _SENT_BY.match(via)
    if sent_by is None:
        return None
    noted = _RECEIVED.findall(via)
    ports = _RPORT.findall(via)
    host = (noted[-1] if noted else sent_by[1].strip(b"[]")).decode("ascii", "replace")
    port = int(ports[-1] if ports else sent_by[2] or _DEFAULT_PORT)
    address = host_address(host)
    return None if address is None else (str(address), port)


def _received(hop: bytes) -> Address | None:
    """The `received` parameter of a Path element: a URI, as a rule with its specials escaped."""
    try:
        found = _RECEIVED_URI.search(hop.decode("latin-1"))
        if found is None:
            return None
        uri = Uri.parse(unquote(found[1]).encode("latin-1"))
    except (ParseError, UnicodeEncodeError):
        return None
    address = host_address(uri.host)
    return None if address is None else (str(address), uri.port or _DEFAULT_PORT)
