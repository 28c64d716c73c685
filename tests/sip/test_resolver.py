"""Names by a name server on loopback: answers, time to live, failures, and nobody waits."""

import asyncio
import random

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import uvloop
from stations import run

from sip.locating import Reach
from sip.resolver import Resolver
from sip.uri import Uri

LOOPS = pytest.mark.parametrize("loops", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
ZONE = """
example.org. 60 IN NAPTR 10 50 "s" "SIP+D2T" "" _sip._tcp.example.org.
example.org. 60 IN NAPTR 20 50 "s" "SIP+D2U" "" _sip._udp.example.org.
_sip._tcp.example.org. 60 IN SRV 10 0 5070 a.example.org.
_sip._udp.example.org. 60 IN SRV 10 0 5060 a.example.org.
_sip._udp.example.org. 60 IN SRV 20 0 5062 b.example.org.
a.example.org. 60 IN A 192.0.2.1
b.example.org. 60 IN A 192.0.2.2
b.example.org. 60 IN AAAA 2001:db8::2
zero.example.org. 0 IN A 192.0.2.3
alias.example.org. 60 IN CNAME a.example.org.
"""


class NameServer(asyncio.DatagramProtocol):
    """Answers from a zone; `broken` answers nothing, `rcode` all alike."""

    def __init__(self, zone):
        self.records = [line.split(None, 4) for line in zone.strip().splitlines()]
        self.asked = []
        self.broken = False
        self.rcode = None

    @classmethod
    async def start(cls, zone=ZONE):
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(
            lambda: cls(zone), local_addr=("127.0.0.1", 0)
        )
        server.transport = transport
        server.address = transport.get_extra_info("sockname")
        return server

    def datagram_received(self, data, addr):
        query = dns.message.from_wire(data)
        (question,) = query.question
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {question.name.to_text(omit_final_dot=True)}")
        if not self.broken:
            self.transport.sendto(self.answer(query, question, kind).to_wire(), addr)

    def answer(self, query, question, kind):
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.rcode is not None:
            response.set_rcode(self.rcode)
            return response
        name = question.name.to_text().lower()
        there = False
        for owner, ttl, _, found, data in self.records:
            if owner == name:
                there = True
                if found in (kind, "CNAME"):
                    rrset = dns.rrset.from_text(owner, int(ttl), "IN", found, data)
                    _add(response.answer, rrset)
                    if found == "CNAME":
                        self._follow(response, data, kind)
        if not there:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    def _follow(self, response, target, kind):
        for owner, ttl, _, found, data in self.records:
            if (owner, found) == (target, kind):
                _add(response.answer, dns.rrset.from_text(owner, int(ttl), "IN", found, data))


def _add(answer, rrset):
    for known in answer:
        if known.match(rrset.name, rrset.rdclass, rrset.rdtype, rrset.covers):
            known.update(rrset)
            return
    answer.append(rrset)


class Asker:
    """A resolver whose clock can be set forward."""

    def __init__(self, server, transports=("udp", "tcp"), versions=(4,)):
        self.loop = asyncio.get_running_loop()
        self.ahead = 0.0
        self.failures = []
        self.resolver = Resolver(
            self,
            lambda: Reach(transports, versions),
            random.Random(1).randrange,
            lambda host, why: self.failures.append((host, why)),
            [server.address],
        )

    def time(self):
        return self.loop.time() + self.ahead

    def __getattr__(self, name):
        return getattr(self.loop, name)

    async def find(self, uri, seconds=5.0):
        return show(await self.resolver.find(Uri.parse(uri.encode()), seconds))

    def known(self, uri):
        found = self.resolver.known(Uri.parse(uri.encode()))
        return None if found is None else show(found)

    async def settle(self):
        while self.resolver._asking:
            await asyncio.wait(self.resolver._asking.values())
            await asyncio.sleep(0)


def show(targets):
    return [f"{t.transport} {t.host}:{t.port}" for t in targets]


@LOOPS
def test_a_domain_becomes_targets_in_the_zones_order(loops):
    async def test():
        server = await NameServer.start()
        asker = Asker(server)
        assert await asker.find("sip:example.org") == [
            "tcp 192.0.2.1:5070",
            "udp 192.0.2.1:5060",
            "udp 192.0.2.2:5062",
        ]
        assert server.asked == [
            "NAPTR example.org",
            "SRV _sip._tcp.example.org",
            "A a.example.org",
            "SRV _sip._udp.example.org",
            "A b.example.org",
        ]

    run(test(), loops)


def test_aliases_and_both_ip_versions():
    async def test():
        asker = Asker(await NameServer.start(), versions=(6, 4))
        assert await asker.find("sip:alias.example.org:5080") == ["udp 192.0.2.1:5080"]
        assert await asker.find("sip:b.example.org:5080") == [
            "udp 2001:db8::2:5080",
            "udp 192.0.2.2:5080",
        ]

    run(test())


def test_answers_are_kept_as_long_as_they_hold_and_used_while_asked_anew():
    async def test():
        server = await NameServer.start()
        asker = Asker(server)
        first = await asker.find("sip:a.example.org:5060")
        asker.ahead = 59
        assert asker.known("sip:a.example.org:5060") == first
        assert len(server.asked) == 1
        server.records = [["a.example.org.", "60", "IN", "A", "192.0.2.9"]]
        asker.ahead = 61
        assert asker.known("sip:a.example.org:5060") == first  # nobody waits
        await asker.settle()
        assert asker.known("sip:a.example.org:5060") == ["udp 192.0.2.9:5060"]
        assert len(server.asked) == 2

    run(test())


def test_a_time_to_live_of_nothing_is_not_believed():
    async def test():
        server = await NameServer.start()
        asker = Asker(server)
        for _ in range(50):
            assert await asker.find("sip:zero.example.org:5060") == ["udp 192.0.2.3:5060"]
        assert len(server.asked) == 1
        asker.ahead = 5.1
        asker.known("sip:zero.example.org:5060")
        await asker.settle()
        assert len(server.asked) == 2

    run(test())


def test_what_is_not_there_is_remembered_for_a_while():
    async def test():
        server = await NameServer.start()
        asker = Asker(server)
        assert await asker.find("sip:nobody.invalid:5060") == []
        assert asker.failures == [("nobody.invalid", "the name isn't known")]
        for _ in range(20):
            assert asker.known("sip:nobody.invalid:5060") == []
        assert server.asked == ["A nobody.invalid"]
        asker.ahead = 31
        asker.known("sip:nobody.invalid:5060")
        await asker.settle()
        assert len(server.asked) == 2

    run(test())


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_when_name_servers_fail_old_answers_do(rcode):
    async def test():
        server = await NameServer.start()
        asker = Asker(server)
        first = await asker.find("sip:a.example.org:5060")
        server.rcode = rcode
        asker.ahead = 100
        for _ in range(3):
            assert asker.known("sip:a.example.org:5060") == first
            await asker.settle()
        assert len(server.asked) < 10
        server.rcode = None
        asker.ahead = 110
        asker.known("sip:a.example.org:5060")
        await asker.settle()
        assert asker.known("sip:a.example.org:5060") == first

    run(test())


def test_a_name_server_that_says_nothing_holds_nobody_up(monkeypatch):
    monkeypatch.setattr("sip.resolver.QUESTION_SECONDS", 0.3)

    async def test():
        server = await NameServer.start()
        server.broken = True
        asker = Asker(server)
        started = asker.loop.time()
        assert asker.known("sip:a.example.org:5060") is None
        assert await asker.find("sip:a.example.org:5060", 0.1) == []
        assert asker.loop.time() - started < 0.25
        await asker.settle()
        assert asker.failures[0][0] == "a.example.org"
        server.broken = False
        asker.ahead = 6
        asker.known("sip:a.example.org:5060")
        await asker.settle()
        assert asker.known("sip:a.example.org:5060") == ["udp 192.0.2.1:5060"]

    run(test())


def test_many_calls_ask_once():
    async def test():
        server = await NameServer.start()
        asker = Asker(server)
        found = await asyncio.gather(*(asker.find("sip:a.example.org:5060") for _ in range(50)))
        assert found == [["udp 192.0.2.1:5060"]] * 50
        assert len(server.asked) == 1

    run(test())


def test_names_of_this_machine_that_the_dns_does_not_know():
    async def test():
        asker = Asker(await NameServer.start())
        assert await asker.find("sip:localhost:5060") == ["udp 127.0.0.1:5060"]

    run(test())


@pytest.mark.parametrize("host", ["x" * 70 + ".example.org", "a..example.org", ".".join("a" * 200)])
def test_names_that_cannot_be_are_nobody(host):
    async def test():
        asker = Asker(await NameServer.start())
        uri = Uri("sip", None, None, host, 5060, {}, None)
        assert await asker.resolver.find(uri, 5) == []

    run(test())


def test_a_zone_without_end_ends():
    zone = "\n".join(
        f'loop.example.org. 60 IN NAPTR {n} 1 "s" "SIP+D2U" "" s{n}.example.org.\n'
        + "\n".join(f"s{n}.example.org. 60 IN SRV 1 1 5060 h{n}-{m}.example.org." for m in range(8))
        for n in range(8)
    )

    async def test():
        server = await NameServer.start(zone)
        asker = Asker(server)
        assert await asker.find("sip:loop.example.org") == []
        assert len(server.asked) <= 41
        assert "leads to more than 40" in asker.failures[0][1]

    run(test())


def test_answers_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("sip.resolver.MAX_ANSWERS", 10)

    async def test():
        names = [f"n{number}.example.org" for number in range(30)]
        hosts = [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")]
        zone = "\n".join(f"{name}. 60 IN {kind} {host}" for name in names for kind, host in hosts)
        asker = Asker(await NameServer.start(zone))
        for name in names:
            await asker.find(f"sip:{name}:5060")
        assert len(asker.resolver._answers) <= 10

    run(test())
