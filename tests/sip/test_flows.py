"""Registrations over connections and several flows of a phone (RFC 5626); literal seconds."""

import math

import pytest

from sip.errors import SipError
from sip.flow import Flow
from sip.reading import parse_message
from sip.registrar import Registrar, RegistrarLimits

LISTENING = ("192.0.2.1", 5060)
URN = '"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'


def tcp(port, host="192.0.2.9", transport="tcp"):
    return Flow(transport, LISTENING, (host, port))


class Office:
    """A registrar and the phones of one address of record."""

    def __init__(self):
        self.registrar = Registrar(RegistrarLimits())
        self.cseq = 0

    def register(self, contact, flow, now=0.0, *fields):
        self.cseq += 1
        lines = [
            "REGISTER sip:example.org SIP/2.0", "Via: SIP/2.0/TCP a;branch=z9hG4bK1",
            "From: <sip:ana@example.org>;tag=1", "To: <sip:ana@example.org>", "Call-ID: 1",
            f"CSeq: {self.cseq} REGISTER", f"Contact: {contact}", *fields, "", "",
        ]  # fmt: skip
        request = parse_message("\r\n".join(lines).encode())
        return self.registrar.register("ana", request, flow, now)

    def outbound(self, reg_id, flow, now=0.0, instance=URN, contact="<sip:ana@10.0.0.5>"):
        return self.register(
            f"{contact};+sip.instance={instance};reg-id={reg_id}",
            flow,
            now,
            "Supported: path, outbound",
        )

    def flows(self, now=1.0):
        return [binding.flow for binding in self.registrar.lookup("ana", now)]

    def reached(self, now=1.0):
        return [binding.flow for binding in self.registrar.reach("ana", now)]


@pytest.fixture
def office():
    return Office()


def test_a_phone_is_reached_by_the_connection_it_registered_on(office):
    office.register("<sip:ana@10.0.0.5:5060;transport=tcp>", tcp(40_000))
    assert office.flows() == [tcp(40_000)]
    assert office.registrar.patience(tcp(40_000)) == math.inf


def test_a_binding_is_gone_with_its_connection(office):
    office.register("<sip:ana@10.0.0.5:5060;transport=tcp>", tcp(40_000))
    office.register("<sip:ana@10.0.0.6:5060;transport=tcp>", tcp(40_001))
    changed = office.registrar.drop_flow(tcp(40_000), 1.0)
    assert [b.contact for b in changed["ana"].removed] == [b"sip:ana@10.0.0.5:5060;transport=tcp"]
    assert office.flows() == [tcp(40_001)]
    assert office.registrar.patience(tcp(40_000)) is None
    assert office.registrar.drop_flow(tcp(40_000), 1.0) == {}


def test_a_phone_without_nat_is_dialled_by_its_contact_instead(office):
    office.register("<sip:ana@192.0.2.9:5070;transport=tcp>", tcp(40_000))
    office.registrar.drop_flow(tcp(40_000), 1.0)
    assert office.flows() == [Flow("tcp", LISTENING, ("192.0.2.9", 5070), "192.0.2.9")]


@pytest.mark.parametrize(
    ("contact", "transport"),
    [
        ("<sip:ana@198.51.100.1:5060;transport=tcp>", "tcp"),  # somebody else's host
        ("<sip:ana@192.0.2.9:5060>", "tcp"),  # it doesn't say that it listens
        ("<sip:ana@192.0.2.9:5061;transport=tls>", "tls"),  # nobody's name to check
        ("<sip:ana@df7jal23ls0d.invalid;transport=ws>", "ws"),
    ],
)
def test_nobody_else_is_dialled(office, contact, transport):
    office.register(contact, tcp(40_000, transport=transport))
    office.registrar.drop_flow(tcp(40_000, transport=transport), 1.0)
    assert office.flows() == []


def test_after_a_restart_connections_are_gone(office):
    office.register("<sip:ana@192.0.2.9:5070;transport=tcp>", tcp(40_000))
    office.register("<sip:ana@10.0.0.5;transport=tcp>", tcp(40_001))
    office.register("<sip:ana@10.0.0.6>", Flow("udp", LISTENING, ("192.0.2.9", 5060)))
    again = Registrar(RegistrarLimits())
    again.restore(office.registrar.all(1.0))
    assert {binding.contact for binding in again.lookup("ana", 1.0)} == {
        b"sip:ana@192.0.2.9:5070;transport=tcp",
        b"sip:ana@10.0.0.6",
    }
    assert all(binding.flow.can_reopen for binding in again.lookup("ana", 1.0))


def test_the_connection_that_a_phone_left_behind_is_named(office):
    contact = "<sip:ana@10.0.0.5;transport=tcp>"
    office.register(contact, tcp(40_000))
    assert office.register(contact, tcp(40_001)).released == (tcp(40_000),)
    assert office.register(contact, tcp(40_001)).released == ()
    assert office.register("*", tcp(40_001), 1.0, "Expires: 0").released == (tcp(40_001),)


def test_a_connection_with_another_line_on_it_is_not_left_behind(office):
    office.register("<sip:ana@10.0.0.5;transport=tcp>", tcp(40_000))
    other = parse_message(
        b"REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\n"
        b"From: <sip:b@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: 2\r\n"
        b"CSeq: 1 REGISTER\r\nContact: <sip:b@10.0.0.5>\r\n\r\n"
    )
    office.registrar.register("beka", other, tcp(40_000), 0.0)
    contact = "<sip:ana@10.0.0.5;transport=tcp>"
    assert office.register(contact, tcp(40_001)).released == ()
    assert set(office.registrar.drop_flow(tcp(40_000), 1.0)) == {"beka"}


def test_expired_bindings_need_no_connection(office):
    office.register("<sip:ana@10.0.0.5;transport=tcp>;expires=60", tcp(40_000))
    assert [binding.flow for binding in office.registrar.expire(61.0)] == [tcp(40_000)]
    assert office.registrar.patience(tcp(40_000)) is None


# Outbound


def test_outbound_is_confirmed_with_a_timer(office):
    fields = office.registrar.ok_fields(office.outbound(1, tcp(40_000)), 0.0)
    assert fields == [
        (
            b"Contact",
            b"<sip:ana@10.0.0.5>;expires=3600"
            b';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>";reg-id=1',
        ),
        (b"Require", b"outbound"),
        (b"Flow-Timer", b"90"),
    ]
    assert office.registrar.patience(tcp(40_000)) == 120


def test_two_flows_of_a_phone_are_kept_and_it_rings_once(office):
    office.outbound(1, tcp(40_000), 0.0)
    office.outbound(2, tcp(40_001), 0.5)
    assert len(office.flows()) == 2
    assert office.reached() == [tcp(40_001)]
    office.registrar.drop_flow(tcp(40_001), 1.0)
    assert office.reached() == [tcp(40_000)]


def test_a_flow_that_comes_again_takes_its_own_place(office):
    office.outbound(1, tcp(40_000))
    registration = office.outbound(1, tcp(40_002))
    assert office.flows() == [tcp(40_002)]
    assert registration.released == (tcp(40_000),)


def test_two_phones_of_a_line_both_ring(office):
    office.outbound(1, tcp(40_000))
    office.outbound(1, tcp(40_001), instance='"<urn:uuid:other>"', contact="<sip:ana@10.0.0.6>")
    assert len(office.reached()) == 2


def test_one_flow_can_be_given_up(office):
    office.outbound(1, tcp(40_000))
    office.outbound(2, tcp(40_001))
    office.register(
        f"<sip:ana@10.0.0.5>;+sip.instance={URN};reg-id=1;expires=0",
        tcp(40_001),
        1.0,
        "Supported: outbound",
    )
    assert office.flows() == [tcp(40_001)]


@pytest.mark.parametrize(
    ("contact", "field"),
    [
        (f"<sip:ana@10.0.0.5>;+sip.instance={URN};reg-id=1", "Supported: path"),
        ("<sip:ana@10.0.0.5>;reg-id=1", "Supported: outbound"),
        (f"<sip:ana@10.0.0.5>;+sip.instance={URN};reg-id=0", "Supported: outbound"),
        (f"<sip:ana@10.0.0.5>;+sip.instance={URN};reg-id=1_0", "Supported: outbound"),
        (f"<sip:ana@10.0.0.5>;+sip.instance={URN}", "Supported: outbound"),
    ],
)
def test_without_all_of_it_a_registration_is_an_ordinary_one(office, contact, field):
    registration = office.register(contact, tcp(40_000), 0.0, field)
    assert not registration.outbound
    names = [name for name, _ in office.registrar.ok_fields(registration, 0.0)]
    assert names == [b"Contact"]


def test_a_proxy_that_cannot_keep_flows_is_refused(office):
    via = "Via: SIP/2.0/TCP proxy;branch=z9hG4bK2"
    contact = f"<sip:ana@10.0.0.5>;+sip.instance={URN};reg-id=1"
    with pytest.raises(SipError) as caught:
        office.register(contact, tcp(40_000), 0.0, "Supported: outbound", via)
    assert caught.value.status == 439
    path = "Path: <sip:token@proxy;lr;ob>"
    registration = office.register(contact, tcp(40_000), 0.0, "Supported: outbound", via, path)
    assert registration.outbound


def test_dialogs_of_a_phone_follow_it_to_its_new_flow(office):
    office.outbound(1, tcp(40_000))
    assert office.outbound(1, tcp(40_000), 10.0).moved == ()
    assert office.outbound(1, tcp(41_000), 20.0).moved == ((tcp(40_000), tcp(41_000)),)
    # Its second flow is one more, not another.
    assert office.outbound(2, tcp(42_000), 30.0).moved == ()
    other = URN.replace("e128", "e129")
    assert office.outbound(1, tcp(43_000), 40.0, instance=other).moved == ()
    # Who goes away goes nowhere.
    gone = office.register("<sip:ana@10.0.0.5>;expires=0;+sip.instance=" + URN, tcp(44_000), 50.0)
    assert gone.moved == ()


def test_a_phone_whose_connection_broke_is_known_again_when_it_comes_back(office):
    office.outbound(1, tcp(40_000))
    lost = office.registrar.drop_flow(tcp(40_000), 10.0)["ana"]
    assert lost.moved == () and len(lost.removed) == 1
    other = URN.replace("e128", "e129")
    assert office.outbound(1, tcp(41_000), 20.0, instance=other).moved == ()
    assert office.outbound(1, tcp(42_000), 30.0).moved == ((tcp(40_000), tcp(42_000)),)
    assert office.outbound(1, tcp(43_000), 40.0).moved == ((tcp(42_000), tcp(43_000)),)


def test_a_lost_connection_is_remembered_as_long_as_it_would_have_been_registered(office):
    office.outbound(1, tcp(40_000))
    office.registrar.drop_flow(tcp(40_000), 10.0)
    office.registrar.expire(3599.0)
    assert len(office.registrar._lost["ana"]) == 1
    office.registrar.expire(3601.0)
    assert office.registrar._lost == {}
    assert office.outbound(1, tcp(42_000), 3602.0).moved == ()


def test_no_more_lost_connections_are_remembered_than_phones_may_register(office):
    for number in range(50):
        urn = f'"<urn:uuid:00000000-0000-1000-8000-{number:012}>"'
        office.outbound(1, tcp(40_000 + number), instance=urn)
        office.registrar.drop_flow(tcp(40_000 + number), 1.0)
    assert len(office.registrar._lost["ana"]) == 10


def test_dialogs_go_to_the_phones_other_flow_when_one_breaks(office):
    office.outbound(1, tcp(40_000))
    office.outbound(2, tcp(41_000))
    assert office.registrar.drop_flow(tcp(40_000), 1.0)["ana"].moved == (
        (tcp(40_000), tcp(41_000)),
    )


def test_a_flow_that_another_phone_of_the_line_uses_is_not_left(office):
    """Both are behind one proxy: which dialog is whose can't be told by the flow."""
    proxy = Flow("udp", LISTENING, ("192.0.2.50", 5060))
    office.register(f"<sip:a@10.0.0.5>;+sip.instance={URN}", proxy)
    office.register("<sip:a@10.0.0.6>", proxy)
    away = office.register(f"<sip:a@10.0.0.5>;+sip.instance={URN}", tcp(40_000))
    assert away.moved == ()
