"""Dialogs: the state that two user agents keep of each other (RFC 3261 section 12)."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

from msgspec import Struct, structs

from sip.errors import ParseError
from sip.fields import END
from sip.flow import Flow, host_address
from sip.message import Message, Request, Response
from sip.uri import Uri

DialogId = tuple[str, str | None, str | None]
"""Call-ID, local tag, remote tag."""


class Dialog(Struct, eq=False, kw_only=True):
    """State of a dialog; fields that are only sent are kept as they stand on the wire."""

    call_id: str
    local: bytes
    local_tag: str
    remote: bytes
    remote_tag: str | None
    remote_target: bytes
    route_set: tuple[bytes, ...]
    contact: bytes
    """Our Contact field value."""
    flow: Flow
    pinned: bool
    """Always reach the peer by the flow it used, whatever its Contact says (phones behind NAT lie
    in Contact without knowing it)."""
    follows_private: bool = False
    """Follow a Contact with a private address though the flow leads to a public one. Else the peer
    is held to be behind NAT, and is reached by the flow."""
    local_cseq: int = 0
    remote_cseq: int | None = None

    @property
    def id(self) -> DialogId:
        """The dialog identifier: Call-ID, local tag, remote tag."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @classmethod
    def from_request(
        cls,
        request: Request,
        flow: Flow,
        local_tag: str,
        contact: bytes,
        *,
        pinned: bool,
        follows_private: bool = False,
    ) -> Dialog:
        """The UAS side (RFC 3261 section 12.1.1)."""
        values = request.values
        return cls(
            call_id=request.call_id,
            local=values.get(b"to", b"") + b";tag=" + local_tag.encode(),
            local_tag=local_tag,
            remote=values.get(b"from", b""),
            remote_tag=request.from_tag,
            remote_target=target_of(request) or bytes(request.from_uri),
            route_set=_routes(request),
            contact=contact,
            flow=flow,
            pinned=pinned,
            follows_private=follows_private,
            remote_cseq=request.cseq.number,
        )

    def fork(self) -> Dialog:
        """Another early dialog of the same INVITE (section 13.2.2.4): the local side is the same,
        the peer isn't known yet."""
        return structs.replace(self, remote_tag=None, remote_cseq=None)

    def confirm(self, response: Response) -> None:
        """Learn the peer from a response to our INVITE (section 12.1.2)."""
        self.remote = response.values.get(b"to") or self.remote
        self.remote_tag = response.to_tag
        self.route_set = _routes(response)[::-1]
        self.remote_target = target_of(response) or self.remote_target

    def refresh_target(self, message: Message) -> None:
        """A re-INVITE or its 2xx may move the peer (section 12.2)."""
        self.remote_target = target_of(message) or self.remote_target

    def next_cseq(self) -> int:
        """The CSeq number of our next request in the dialog."""
        self.local_cseq += 1
        return self.local_cseq

    def next_hop(self) -> bytes:
        """The URI to send to (section 12.2.1.1 and 8.1.2)."""
        if self.route_set:
            return name_addr_uri(self.route_set[0])
        return self.remote_target

    def names_host(self, host: str) -> bool:
        """True if the peer's Contact or first route is this address: it announced that its
        requests come from there."""
        for uri in (self.remote_target, self.next_hop()):
            try:
                hop = numeric_hop(Uri.parse(uri))
            except ParseError:
                continue
            if hop is not None and hop[0] == host:
                return True
        return False

    def write(
        self,
        method: str,
        cseq: int,
        via: bytes,
        max_forwards: int = 70,
        lines: bytes = b"",
        body: bytes = b"",
    ) -> bytes:
        """A request of the dialog, with the fields that each one carries (12.2.1.1).

        None of these holds CR or LF: the peer's were read from a message, and ours were checked by
        :meth:`UserAgent.invite`.

        Args:
            lines: of its own fields, by :func:`sip.fields.lines_of`.
        """
        target, routes, name = self.remote_target, b"", method.encode()
        if self.route_set:
            target, routes = self._routed()
        call_id = self.call_id.encode("utf-8", "surrogateescape")
        return _REQUEST % (
            name, target, via, max_forwards, routes, self.local, self.remote, call_id, cseq, name,
            lines, len(body), body,
        )  # fmt: skip

    def _routed(self) -> tuple[bytes, bytes]:
        """Request-URI and Route lines of a request that goes by proxies."""
        target, routes = self.remote_target, self.route_set
        if not _is_loose(routes[0]):
            # A strict router: it wants itself in the Request-URI and the target last.
            target = name_addr_uri(routes[0])
            routes = (*routes[1:], b"<" + self.remote_target + b">")
        return target, b"".join([b"\r\nRoute: " + route for route in routes])


_REQUEST = (
    b"%s %s SIP/2.0\r\nVia: %s\r\nMax-Forwards: %d%s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s"
    b"\r\nCSeq: %d %s" + END
)


def _routes(message: Message) -> tuple[bytes, ...]:
    if b"record-route" not in message.values:
        return ()
    return tuple(message.get_list(b"record-route"))


def target_of(message: Message) -> bytes | None:
    """The URI of a message's Contact, if it has exactly one."""
    target = message.plain_target
    if target is not None:
        return target.encode("ascii")
    contacts = message.contacts
    return bytes(_without_headers(contacts[0].uri)) if len(contacts) == 1 else None


def request_uri(target: bytes) -> bytes:
    """A URI as a Request-URI, where no headers may stand (section 19.1.1). What a phone asks for
    there, such as a Route, is ignored: section 19.1.5 leaves it to us."""
    if b"?" not in target:
        return target
    try:
        return bytes(_without_headers(Uri.parse(target)))
    except ParseError:
        return target


def _without_headers(uri: Uri) -> Uri:
    return uri if uri.headers is None else structs.replace(uri, headers=None)


def wants_sips(request: Request) -> bool:
    """True if the sender wants every hop encrypted (section 26.2.2) or can be reached by nothing
    less: our Contact is then a `sips:` URI, too (section 12.1.1)."""
    if b"sips:" not in request.raw.lower():  # nearly always
        return False
    if request.raw_uri[:5].lower() == b"sips:":
        return True
    return any(contact.uri.scheme == "sips" for contact in request.contacts)


def name_addr_uri(value: bytes) -> bytes:
    """The URI inside a Route or Record-Route element, which always stands in <>."""
    start, end = value.find(b"<"), value.rfind(b">")
    return value[start + 1 : end] if 0 <= start < end else value


def _is_loose(route: bytes) -> bool:
    """True if a route's URI has the lr parameter (section 19.1.1); a URI that can't be read
    counts as loose."""
    try:
        return "lr" in Uri.parse(name_addr_uri(route)).params
    except ParseError:
        return True


def numeric_hop(uri: Uri) -> tuple[str, int] | None:
    """Host and port of a URI that needs no name resolution; None if it does."""
    return (uri.host, uri.port or 5060) if _is_numeric(uri.host) else None


@lru_cache(maxsize=1024)
def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


PRIVATE_NETWORKS = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10"),
    )
)
"""RFC 1918, RFC 6598, RFC 4193 and link-local addresses."""


def may_follow(hop: tuple[str, int], flow: Flow) -> bool:
    """True if a request may be sent where a peer's Contact or Record-Route points: to one host
    that the flow's socket can reach, never to a multicast or broadcast address."""
    address = host_address(hop[0])
    return address is not None and (address.version == 6) == (":" in flow.local[0])


def is_behind_nat(hop: tuple[str, int], flow: Flow) -> bool:
    """True if a peer names a private address but is reached at a public one."""
    return _is_private(hop[0]) is True and _is_private(flow.remote[0]) is False


@lru_cache(maxsize=1024)  # each request of a dialog asks
def _is_private(host: str) -> bool | None:
    """True if an address is private; None if it is none that can be sent to."""
    address = host_address(host)
    if address is None:
        return None
    return any(address in network for network in PRIVATE_NETWORKS)
