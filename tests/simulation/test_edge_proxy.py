"""Phones behind NAT and an edge proxy, the edge and the switch: four addresses."""

import re
import zlib

import pytest
from exchange import Exchange
from test_guarded_switch import ANA, Stranger
from world import SWITCH, WireSocket

from sip.flow import Flow

EDGE = ("192.0.2.5", 5060)
HOME = "203.0.113.7"
"""The public address of the NAT in front of two phones."""
SCANNER = ("203.0.113.66", 5060)


class EdgeProxy:
    """What Kamailio does with `force_rport`, `record_route` and `add_path_received`."""

    def __init__(self, exchange):
        self.wire = exchange.wire
        self.wire.attach(EDGE, self._receive)
        self._callers = {}
        endpoint = exchange.switch.endpoint
        self.wire.attach(
            SWITCH, lambda data, source: endpoint.arrived(data, Flow("udp", SWITCH, source))
        )

    def _receive(self, data, source):
        text = data.decode("latin-1")
        if source == SWITCH:
            target, text = self._from_switch(text)
        else:
            target, text = SWITCH, self._to_switch(text, source)
        self.wire.send(text.encode("latin-1"), EDGE, target)

    def _to_switch(self, text, source):
        if text.startswith("SIP/2.0"):
            return re.sub(r"\r\nVia: [^\r]*", "", text, count=1)
        host, port = source
        self._callers[self._call_id(text)] = source
        line, _, rest = text.partition("\r\n")
        rest = re.sub(r"\r\nRoute: [^\r]*", "", "\r\n" + rest)
        rest = re.sub(
            r"(\r\nVia: [^\r]*?);rport", rf"\1;received={host};rport={port}", rest, count=1
        )
        own = f"\r\nVia: SIP/2.0/UDP {EDGE[0]};branch=z9hG4bKedge{zlib.crc32(text.encode())}"
        if line.startswith("REGISTER"):
            own += f"\r\nPath: <sip:{EDGE[0]};lr;received=sip:{host}:{port}>"
        elif line.startswith("INVITE"):
            own += f"\r\nRecord-Route: <sip:{EDGE[0]};lr>"
        return line + own + rest

    def _from_switch(self, text):
        if text.startswith("SIP/2.0"):
            text = re.sub(r"\r\nVia: [^\r]*", "", text, count=1)
            via = re.search(r"\r\nVia: [^\r]*received=([0-9.]+);rport=([0-9]+)", text)
            return (via[1], int(via[2])), text
        route = re.search(r"\r\nRoute: [^\r]*received=sip:([0-9.]+):([0-9]+)", text)
        target = (route[1], int(route[2])) if route else self._callers[self._call_id(text)]
        self._callers[self._call_id(text)] = target
        line, _, rest = text.partition("\r\n")
        rest = re.sub(r"\r\nRoute: [^\r]*", "", "\r\n" + rest)
        own = f"\r\nVia: SIP/2.0/UDP {EDGE[0]};branch=z9hG4bKedge{zlib.crc32(text.encode())}"
        if line.startswith("INVITE"):
            own += f"\r\nRecord-Route: <sip:{EDGE[0]};lr>"
        return target, line + own + rest

    @staticmethod
    def _call_id(text):
        return re.search(r"\r\nCall-ID: ([^\r]*)", text)[1]


class Beyond(Stranger):
    """A stranger whose messages pass the edge."""

    def say(self, method, user=ANA, *fields, **more):
        sent = self.exchange.switch.endpoint.arrived
        self.exchange.switch.endpoint.arrived = lambda data, flow: self.exchange.wire.send(
            data.replace(b";branch", b";rport;branch"), self.address, EDGE
        )
        try:
            super().say(method, user, *fields, **more)
        finally:
            self.exchange.switch.endpoint.arrived = sent


@pytest.fixture
def exchange():
    made = Exchange(seed=7, config=f'edges = ["{EDGE[0]}"]\n')
    made.tariff(("995", 60_000, 1, 1))
    EdgeProxy(made)
    yield made
    made.run_until_idle()
    assert made.log.errors == []
    made.close()


def phone(exchange, number, port):
    """A phone that is called by its private address and seen by its public one."""
    line = exchange.line(f"+99532200000{number}", exchange.account(1_000_000))
    made = exchange.phone(line, HOME)
    exchange.wire.detach(made.address)
    made.endpoint._datagrams.clear()
    made.address = (HOME, port)
    made.flow = Flow("udp", made.address, EDGE)
    made.endpoint.attach(made.address, WireSocket(exchange.wire, made.address))
    exchange.wire.attach(
        made.address,
        lambda data, source: made.endpoint.receive(data, Flow("udp", made.address, source)),
    )
    made._next_port += 1000 * number
    private = f"10.0.0.{number}"
    made.agent.stack._sent_by = lambda flow: (private, 5060)
    written = made._sdp
    made._sdp = lambda *told: written(*told).replace(HOME.encode(), private.encode())
    return made


def test_both_sides_of_a_call_are_heard(exchange):
    ana, beka = phone(exchange, 1, 50_001), phone(exchange, 2, 50_002)
    for made in (ana, beka):
        made.register()
    exchange.run(1)
    sources = {b.flow.peer for b in exchange.switch.registrar.all(exchange.switch.wall_seconds())}
    assert sources == {(HOME, 50_001), (HOME, 50_002)}
    session = ana.call("+995322000002")
    exchange.run(60)  # a phone sends a packet every 5 s
    assert (len(ana.talking), len(beka.talking)) == (1, 1)
    assert ana.heard >= 8 and beka.heard >= 8
    ana.hang_up(session)
    exchange.run(2)
    assert [cdr.sip_status for cdr in exchange.cdrs] == [200]
    assert beka.talking == []


def test_a_scanner_behind_the_edge_is_banned_and_nobody_else(exchange):
    scanner = Beyond(exchange, SCANNER)
    assert scanner.guess(ANA, "wrong") == 403  # so that it is really there
    scanner.say("OPTIONS", ANA, "User-Agent: friendly-scanner")
    assert scanner.listen() == []
    assert {ban.source for ban in exchange.switch.guard.bans(exchange.loop.time())} == {SCANNER[0]}
    exchange.line("+995322000001", exchange.account(1_000_000))
    owner = Beyond(exchange, (HOME, 50_001))
    assert owner.guess(ANA, "secret") == 200


def test_wrong_passwords_lock_out_their_sender_and_not_the_owner_behind_the_same_edge(exchange):
    exchange.line("+995322000001", exchange.account(1_000_000))
    guesser, owner = Beyond(exchange, SCANNER), Beyond(exchange, (HOME, 50_001))
    assert owner.guess(ANA, "secret") == 200
    assert {guesser.guess(ANA, f"wrong{n}") for n in range(12)} == {403}
    assert guesser.guess(ANA, "secret") == 403
    assert owner.guess(ANA, "secret") == 200


def test_fifty_attackers_behind_the_edge_are_banned_one_by_one_and_no_phone_notices(exchange):
    logins = [f"9953220000{place:02}" for place in range(1, 21)]
    owners = [Beyond(exchange, (f"203.0.113.{place}", 50_000)) for place in range(101, 121)]
    for login in logins:
        exchange.line(f"+{login}", exchange.account(1_000_000))

    def registered():
        return {owner.guess(login, "secret") for owner, login in zip(owners, logins, strict=True)}

    assert registered() == {200}
    guessers = [Beyond(exchange, (f"203.0.113.{place}", 5060)) for place in range(1, 26)]
    scanners = [Beyond(exchange, (f"203.0.113.{place}", 5060)) for place in range(26, 51)]
    for scanner in scanners:
        scanner.guess(ANA, "wrong")
        scanner.say("OPTIONS", ANA, "User-Agent: friendly-scanner")
    for place, guesser in enumerate(guessers):
        for turn in range(60):
            guesser.guess(logins[(place + turn) % len(logins)], f"wrong{turn}")
    banned = {ban.source for ban in exchange.switch.guard.bans(exchange.loop.time())}
    assert banned >= {scanner.address[0] for scanner in scanners}
    assert not banned & {EDGE[0], *(owner.address[0] for owner in owners)}
    # A guesser who knows a password by now is refused all the same; the owners never are.
    assert {guesser.guess(logins[0], "secret") for guesser in guessers} <= {403, None}
    assert registered() == {200}


def test_a_flood_behind_the_edge_leaves_the_edge_and_others_alone(exchange):
    exchange.line("+995322000001", exchange.account(1_000_000))
    flooder, owner = Beyond(exchange, SCANNER), Beyond(exchange, (HOME, 50_001))
    for _ in range(3_000):
        flooder.say("OPTIONS")
    flooder.listen(0.5)
    assert exchange.switch.guard.counters.over_rate > 1_000
    assert owner.guess(ANA, "secret") == 200


def test_another_phone_behind_the_same_edge_can_not_hang_up(exchange):
    ana, beka = phone(exchange, 1, 50_001), phone(exchange, 2, 50_002)
    for made in (ana, beka):
        made.register()
    exchange.run(1)
    session = ana.call("+995322000002")
    exchange.run(2)
    dialog = session.dialog
    tag = dialog.remote.decode()
    thief = Beyond(exchange, SCANNER)
    lines = [
        f"BYE sip:{SWITCH[0]} SIP/2.0", "Via: SIP/2.0/UDP 203.0.113.66;rport;branch=z9hG4bKthief",
        f"From: {dialog.local.decode()}", f"To: {tag}", f"Call-ID: {dialog.call_id}",
        "CSeq: 99 BYE", "Max-Forwards: 70", "Content-Length: 0", "", "",
    ]  # fmt: skip
    exchange.wire.send("\r\n".join(lines).encode(), SCANNER, EDGE)
    assert [answer.status for answer in thief.listen(1)] == [403]
    assert len(ana.talking) == 1
    ana.hang_up(session)
