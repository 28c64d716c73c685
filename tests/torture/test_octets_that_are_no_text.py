"""Calls whose fields and descriptions hold what can be sent, but hardly meant."""

import pytest
from exchange import Exchange
from phones import Behaviour
from retyped import SDP, plain, typed
from world import SWITCH

TRUNK = ("203.0.113.80", 5060)
CALLED = "sip:+995322000001@example.org"
ODD = "ODD"
"""Stands for octets that are no UTF-8."""


def invite(body: str = SDP, uri: str = CALLED, **fields: str) -> bytes:
    head = plain(
        "INVITE", "Content-Type: application/sdp", "Content-Length: {l}", uri=uri, **fields
    )
    return typed(head, body).replace(ODD.encode(), b"\xfe\xff\x80")


def address(said: str) -> str:
    return SDP.replace("c=IN IP4 203.0.113.20", f"c=IN {said}")


STRANGE = {
    "a user that is no text": invite(From="<sip:%ff%fe@example.net>;tag=1"),
    "a name that is no text": invite(From=f'"{ODD}" <sip:123@example.net>;tag=1'),
    "a NUL in a name": invite(From='"a\\\x00b" <sip:123@example.net>;tag=1'),
    "a line in a user": invite(From="<sip:a%0d%0aX-Evil:%201@example.net>;tag=1"),
    "a number that is no text": invite(uri="sip:%ff%fe@example.org"),
    "a line in a number": invite(uri="sip:+99532%0d%0a@example.org"),
    "a Call-ID that is no text": invite(Call_ID=ODD),
    "a Call-ID of great length": invite(Call_ID="x" * 8000),
    "a program that is no text": invite(User_Agent=ODD),
    "a codec that is no text": invite(SDP.replace("31 H261", f"0 {ODD}").replace("m=video", "b=x")),
    "a codec of great length": invite(
        SDP.replace("m=video", "b=x").replace("31 H", "0 " + "H" * 400)
    ),
    "no codec": invite(SDP.replace("0 8", "200 201")),
    "sound at a name": invite(address("IP4 host.example.org")),
    "sound for everybody": invite(address("IP4 255.255.255.255")),
    "sound for a group": invite(address("IP4 224.2.1.1/127")),
    "sound at no address": invite(address("IP4 999.1.1.1")),
    "sound at an address of another link": invite(address("IP6 fe80::1%eth0")),
    "sound nowhere": invite(address("IP4 -")),
    "reports at port 0": invite(SDP + "a=rtcp:0\n"),
    "a contact that is no address": invite(Contact="<sip:x@999.999.999.999:99>"),
    "a contact for everybody": invite(Contact="<sip:x@255.255.255.255>"),
    "a contact in the other family": invite(Contact="<sip:x@[2001:db8::1]>"),
    "a contact with headers": invite(Contact="<sip:x@203.0.113.80?Route=%3Csip:y%3E>"),
    "a route that is no address": invite(Record_Route="<sip:999.9.9.9;lr>"),
    "a route that can't be read": invite(Record_Route=f"{ODD}, <>, more"),
    "an identity that can't be read": invite(P_Asserted_Identity="<sip:" + ODD),
}  # fmt: skip


@pytest.fixture
def exchange():
    made = Exchange(seed=5118)
    made.tariff(("995", 60_000, 1, 1))
    made.trunk("carrier", TRUNK[0])
    phone = made.phone(made.line("+995322000001", made.account(0)), "198.51.100.1")
    phone.behaviour = Behaviour(rings=0.5, talks=5.0)
    phone.register()
    made.run(1.0)
    yield made
    made.close()


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE)
def test_a_strange_call_ends_and_is_written_down(exchange, data):
    exchange.wire.log = []
    exchange.wire.send(data, TRUNK, SWITCH)
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == []
    assert exchange.switch.agent.counters.faults == 0
    (cdr,) = exchange.store.cdrs()
    for text in (cdr.calling, cdr.called, cdr.called_dialled, cdr.sip_call_id, cdr.codec or ""):
        assert text.isprintable() and len(text) <= 255
    sent = {target for _, source, target, _ in exchange.wire.log if source == SWITCH}
    assert sent <= {TRUNK, ("198.51.100.1", 5060), ("203.0.113.20", 5060)}
    sound = {target[0] for _, source, target, _ in exchange.wire.log if source[0] == SWITCH[0]}
    assert sound <= {TRUNK[0], "198.51.100.1", "203.0.113.20"}
