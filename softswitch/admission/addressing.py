"""Request addressing: is a request meant for this switch at all (RFC 3261 section 8.2.2.1)?

The switch is a user agent and no proxy: a request of a line to another host is refused, and no
request is ever forwarded by its Request-URI or Route. Strangers are challenged first, so that they
don't learn our names by asking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address

from sip.dialog import name_addr_uri, wants_sips
from sip.errors import SipError
from sip.flow import Flow
from sip.message import Request
from sip.uri import Uri
from softswitch.subscribers.refusal import Refusal

SIPS_NOT_ALLOWED = b'380 softswitch "SIPS Not Allowed"'
"""The Warning of RFC 5630."""


@lru_cache(maxsize=1024)
def host_key(host: str) -> str:
    """A host in the form in which hosts are compared: lower case, without a root dot, IPv6 in its
    shortest form."""
    name = host.strip("[]").lower()
    if ":" in name:
        try:
            return str(ip_address(name))
        except ValueError:
            return name
    return name.removesuffix(".")


def no_address(_host: str) -> bool:
    """False for every host: all sockets are bound to an address that is known by name."""
    return False


class Addressing:
    """The hosts by which the switch is called.

    Args:
        own: names and addresses: the domain, its aliases, sockets, advertised addresses.
        is_local: True if this machine has an address, for sockets that are bound to all of them.
    """

    def __init__(self, own: Iterable[str], is_local: Callable[[str], bool] = no_address) -> None:
        self._own = frozenset(map(host_key, own))
        self._is_local = is_local

    def check(self, request: Request, flow: Flow) -> None:
        """Refuse a request of a line that is addressed to another host.

        Trunks aren't checked: a carrier writes its own domain into Request-URIs.

        Raises:
            Refusal: 404, the Request-URI's host is another; 403, a Route leads elsewhere.
            ParseError: 400, a Route can't be read.
        """
        uri = request.uri
        named = uri.host in self._own  # as nearly always, and spelled as it is kept
        if not named and not uri.is_emergency and not self._is_ours(uri.host, request, flow):
            raise Refusal(404, "address_unknown", host=uri.host)
        if b"route" not in request.values:
            return  # as nearly always
        for route in request.get_list(b"route"):
            if not self._is_ours(Uri.parse(name_addr_uri(route)).host, request, flow):
                raise Refusal(403, "route_elsewhere")

    def _is_ours(self, host: str, request: Request, flow: Flow) -> bool:
        key = host_key(host)
        return (
            not key  # a tel: URI has none
            or key in self._own
            or key == host_key(flow.local[0])
            or key in _proxy_names(request, flow)
            or self._is_local(key)
        )


def _proxy_names(request: Request, flow: Flow) -> tuple[str, ...]:
    """The hosts of a proxy in front of us, by which the phones behind it may address us: its source
    address and its Via. Empty for a request that came straight from a phone."""
    if len(request.get_list(b"via")) < 2:
        return ()
    return host_key(flow.remote[0]), host_key(request.sent_by[0])


def check_way(request: Request, flow: Flow) -> None:
    """Refuse a `sips:` request that arrived unencrypted, before credentials are asked for.

    Raises:
        SipError: 480.
    """
    if not flow.secure and wants_sips(request):
        raise SipError(480, headers=((b"Warning", SIPS_NOT_ALLOWED),))
