"""Where a phone is for this node."""

from ipaddress import ip_network

import pytest
from msgspec.structs import replace

from sip.edges import Edges
from sip.endpoint import Listen
from sip.flow import Flow
from sip.registrar import Binding
from softswitch.cluster.binding_rows import StoredBinding
from softswitch.cluster.reaching import Reach

HERE, THERE, EDGE, PHONE = "192.0.2.1", "192.0.2.2", "192.0.2.100", "203.0.113.7"
PATH = (b"<sip:192.0.2.100:5062;transport=tcp;lr;received=sip:203.0.113.7:40000>",)


def binding(transport, local, remote, path=PATH):
    flow = Flow(transport, (local, 5060), (remote, 5060))
    return Binding("ana", b"sip:ana@10.0.0.1", "c", 1, 1.0, 9e9, flow, None, "", 0.0, path)


def reach(open_flows=(), edges=EDGE, transports=("udp", "tcp")):
    networks = [ip_network(edges)] if edges else []
    listening = [Listen(transport, HERE, 5060) for transport in transports]
    return Reach("one", Edges(networks), lambda: listening, lambda flow: flow in open_flows)


def here(stored, node="two", **more):
    return reach(**more).here(StoredBinding(stored, node)).flow


def test_a_phone_of_another_node_is_reached_by_the_edge_from_our_own_socket():
    flow = here(binding("udp", THERE, EDGE))
    assert flow == Flow("udp", (HERE, 5060), (EDGE, 5060), None, (PHONE, 40_000))


def test_over_tcp_a_connection_of_our_own_to_the_address_in_path():
    flow = here(binding("tcp", THERE, EDGE))
    assert flow == Flow("tcp", (HERE, 5060), (EDGE, 5062), EDGE, (PHONE, 40_000))
    assert flow.can_reopen


@pytest.mark.parametrize(
    "stored",
    [
        binding("udp", THERE, PHONE, ()),
        binding("udp", THERE, EDGE, ()),
        binding("udp", THERE, PHONE),
    ],
)
def test_without_a_trusted_edge_and_its_path_a_phone_elsewhere_has_no_flow_of_ours(stored):
    assert here(stored).local == ("0.0.0.0", 0)


def test_without_a_socket_of_that_transport_there_is_no_flow():
    assert here(binding("tcp", THERE, EDGE), transports=("udp",)).local == ("0.0.0.0", 0)


@pytest.mark.parametrize("node", ["one", ""])
def test_our_own_phones_are_where_they_registered(node):
    assert here(binding("udp", HERE, PHONE, ()), node).remote == (PHONE, 5060)


def test_after_a_restart_a_phone_on_tcp_is_reached_by_its_contact_if_that_can_be():
    stored = replace(binding("tcp", HERE, PHONE, ()), contact=b"sip:ana@203.0.113.7;transport=tcp")
    assert here(stored, "one", open_flows=[stored.flow]) == stored.flow
    assert here(stored, "one").name == PHONE
