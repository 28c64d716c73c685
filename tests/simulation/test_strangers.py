"""Whoever has proven nothing gets nothing passed on, whatever the method: new ones fail closed."""

import re

import pytest
from exchange import Exchange
from world import SWITCH

from sip.reading import parse_message

STRANGER = ("203.0.113.66", 5060)
EXPECTED = {
    "REGISTER": 401, "INVITE": 401, "SUBSCRIBE": 401, "MESSAGE": 401, "OPTIONS": 200, "BYE": 405,
    "INFO": 405, "PRACK": 405, "UPDATE": 405, "REFER": 401, "NOTIFY": 501, "PUBLISH": 501,
    "KTHXBYE": 501, "CANCEL": 481,
}  # fmt: skip


def request(method: str, tag: str = "") -> bytes:
    lines = [
        f"{method} sip:+995322000001@example.org SIP/2.0",
        f"Via: SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bKx{method}{tag}",
        "Max-Forwards: 70",
        "From: <sip:995322000001@example.org>;tag=1",
        f"To: <sip:+995322000001@example.org>{tag}",
        f"Call-ID: {method}@203.0.113.66",
        f"CSeq: 1 {method}",
        "Contact: <sip:995322000001@203.0.113.66>",
        "Event: dialog",
        "Refer-To: <sip:+442012345678@example.org>",
        "Subscription-State: active",
    ]
    if method == "MESSAGE":
        lines += ["Content-Type: text/plain", "", "hello"]
        return "\r\n".join(lines).encode()
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("995", 60_000, 1, 1))
    for host in ("198.51.100.1", "198.51.100.2"):
        line = made.directory.line_by_number("+995322000001")
        line = line or made.line("+995322000001", made.account(10_000_000))
        made.phone(line, host).register()
    made.run(2.0)
    made.wire.log = []
    yield made
    made.run(70.0)
    left = made.left()
    assert left == dict.fromkeys(left, 0)
    assert made.log.errors == []
    assert made.switch.agent.counters.faults == 0
    made.close()


def ask(exchange, data: bytes) -> list:
    """What the switch sends because of it, to whom."""
    answers = []
    exchange.wire.attach(STRANGER, lambda got, _: answers.append(parse_message(got)))
    exchange.wire.send(data, STRANGER, SWITCH)
    exchange.run(3.0)
    sent = [(to, got) for _, source, to, got in exchange.wire.log if source == SWITCH]
    assert all(to == STRANGER for to, _ in sent)
    return answers


@pytest.mark.parametrize(("method", "status"), EXPECTED.items())
def test_outside_a_dialog(exchange, method, status):
    assert [answer.status for answer in ask(exchange, request(method))] == [status]


@pytest.mark.parametrize("method", [m for m in EXPECTED if m != "CANCEL"])
def test_inside_a_dialog_that_there_is_not(exchange, method):
    assert [answer.status for answer in ask(exchange, request(method, ";tag=2"))] == [481]


@pytest.mark.parametrize("who", ["who calls", "who is called"])
@pytest.mark.parametrize("method", [m for m in EXPECTED if m not in ("OPTIONS", "CANCEL")])
def test_not_an_octet_tells_whether_a_line_is_there(exchange, method, who):
    """Nor does the domain: see test_foreign_hosts."""

    def octets(number: bytes) -> bytes:
        heard = []
        exchange.wire.attach(STRANGER, lambda got, _: heard.append(got))
        data = request(method)
        first, others = data.split(b"\r\n", 1)
        if who == "who calls":
            others = others.replace(b"995322000001", number)
        else:
            first = first.replace(b"995322000001", number)
        exchange.wire.send(first + b"\r\n" + others, STRANGER, SWITCH)
        exchange.run(1.0)
        (answer,) = heard
        answer = re.sub(rb'nonce="[^"]+"', b"", answer)
        return answer.replace(number, b"number") if who == "who calls" else answer

    assert octets(b"995322000001") == octets(b"995322000009")


def test_an_ack_is_never_answered(exchange):
    assert ask(exchange, request("ACK")) == []
    assert ask(exchange, request("ACK", ";tag=2")) == []
