"""Nothing on the wire makes the switch send to an address that somebody put there."""

import pytest
from exchange import Exchange
from phones import Behaviour
from retyped import SDP, plain, typed
from world import SWITCH

STRANGER = ("203.0.113.66", 5060)
TRUNK = ("203.0.113.80", 5060)
PHONE = ("198.51.100.1", 5060)
VICTIM = "203.0.113.99"
CALLED = "sip:+995322000001@example.org"

LURES = {
    "a Route": {"Route": f"<sip:{VICTIM};lr>"},
    "a strict Route": {"Route": f"<sip:{VICTIM}>, <sip:{VICTIM};lr>"},
    "a Record-Route": {"Record_Route": f"<sip:{VICTIM};lr>"},
    "a foreign Request-URI": {"uri": f"sip:+995322000001@{VICTIM}"},
    "a maddr": {"uri": f"{CALLED};maddr={VICTIM}"},
    "a Via": {"Via": f"SIP/2.0/UDP {VICTIM};branch=z9hG4bKlure"},
    "a Via with maddr": {"Via": f"SIP/2.0/UDP h;maddr={VICTIM};branch=z9hG4bKlure"},
    "a Via with received": {"Via": f"SIP/2.0/UDP h;received={VICTIM};rport=53;branch=z9hG4bKlure"},
    "a Contact": {"Contact": f"<sip:x@{VICTIM}>"},
    "a Contact with headers": {"Contact": f"<sip:x@{VICTIM}?Route=%3Csip:{VICTIM}%3E>"},
    "a Path": {"Path": f"<sip:{VICTIM};lr>"},
    "a Refer-To": {"Refer_To": f"<sip:x@{VICTIM}>"},
    "a Reply-To": {"Reply_To": f"<sip:x@{VICTIM}>", "Alert_Info": f"<http://{VICTIM}/ring>"},
}
METHODS = (
    "INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "REFER", "BYE", "CANCEL", "NOTIFY",
    "PUBLISH", "UPDATE", "PRACK", "INFO",
)  # fmt: skip


@pytest.fixture
def exchange():
    made = Exchange(seed=30)
    made.tariff(("995", 60_000, 1, 1))
    made.trunk("carrier", TRUNK[0])
    phone = made.phone(made.line("+995322000001", made.account(0)), PHONE[0])
    phone.behaviour = Behaviour(rings=0.2, talks=2.0)
    phone.register()
    made.run(1.0)
    made.wire.log = []
    yield made
    assert made.log.errors == []
    made.close()


def targets(exchange) -> set:
    """Where the switch sent something to."""
    return {target for _, source, target, _ in exchange.wire.log if source == SWITCH}


def lure(method: str, given: dict[str, str], number: int) -> bytes:
    fields = {
        "Via": f"SIP/2.0/UDP h;branch=z9hG4bK{method}{number}",
        "Call_ID": f"{method}{number}",
    }
    fields |= {"uri": CALLED, **given}
    return typed(
        plain(method, "Content-Length: {l}", "Content-Type: application/sdp", **fields), SDP
    )


@pytest.mark.parametrize("method", METHODS)
def test_strangers_are_answered_and_nobody_else_hears_of_it(exchange, method):
    for number, given in enumerate(LURES.values()):
        exchange.wire.send(lure(method, given, number), STRANGER, SWITCH)
        exchange.run(1.0)
    exchange.run(40.0)
    assert targets(exchange) == {STRANGER}


@pytest.mark.parametrize("name", LURES)
def test_a_call_from_a_trunk_rings_our_phone_and_nobody_else(exchange, name):
    """Only its own dialog goes to where its Contact and Record-Route say, which is how trunks with
    several hosts work."""
    exchange.wire.send(lure("INVITE", LURES[name], 1), TRUNK, SWITCH)
    exchange.run_until_idle()
    dialog = {(VICTIM, 5060), ("203.0.113.20", 5060)}
    assert targets(exchange) <= {TRUNK, PHONE} | dialog
    sent = [data for _, source, target, data in exchange.wire.log if target == (VICTIM, 5060)]
    assert {data.partition(b" ")[0] for data in sent} <= {b"BYE"}
    if "Contact" not in name and "Record" not in name:
        assert sent == []
    invites = [data for _, source, _, data in exchange.wire.log
               if source == SWITCH and data.startswith(b"INVITE")]  # fmt: skip
    assert invites and all(VICTIM.encode() not in data for data in invites)
