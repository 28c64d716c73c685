"""Who is told who calls: lines, trunks inside our trust domain, and everybody else (RFC 3325)."""

from dataclasses import replace

import pytest
from exchange import Exchange
from phones import Behaviour
from world import SWITCH

from sip.message import Request
from sip.reading import parse_message
from softswitch.subscribers.supplementary import Setting, Supplementary

ANA, BEKA = "+995322000001", "+995322000002"
ABROAD = "+442012345678"


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    made.tariff(("44", 60_000, 60, 60), ("995", 60_000, 1, 1))
    for number, name in ((ANA, "Ana"), (BEKA, "")):
        line = made.line(number, made.account(100_000_000), display_name=name)
        made.phone(line, f"198.51.100.{line.id}").register()
    made.trunk("abroad", "203.0.113.1", "44").behaviour = Behaviour(rings=0.1, talks=1.0)
    made.run(1.0)
    made.wire.log = []
    yield made
    assert made.log.errors == []
    assert made.switch.agent.counters.faults == 0
    made.close()


def trust(exchange) -> None:
    exchange.directory.set_trunks([replace(t, trusted=True) for t in exchange.directory.trunks()])


def sent_to(exchange, phone) -> list[bytes]:
    return [data for _, source, to, data in exchange.wire.log
            if source == SWITCH and to == phone.address]  # fmt: skip


def invite_to(exchange, phone) -> Request:
    request = next(parse_message(data) for data in sent_to(exchange, phone)
                   if data.startswith(b"INVITE"))  # fmt: skip
    assert isinstance(request, Request)
    return request


def call(exchange, caller, number, **more) -> None:
    caller.call(number, **more)
    exchange.run(20.0)


WITHHELD = ((b"Privacy", b"id"),)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_line_calls_out(exchange, trusted):
    ana, _, abroad = exchange.phones
    if trusted:
        trust(exchange)
    call(exchange, ana, ABROAD)
    invite = invite_to(exchange, abroad)
    assert invite.get(b"from").startswith(b'"Ana" <sip:+995322000001@example.org>')
    expected = b"<sip:+995322000001@example.org>" if trusted else None
    assert invite.get(b"p-asserted-identity") == expected
    assert invite.get(b"privacy") is None


ANONYMITIES = [
    {"extra": WITHHELD},
    {"extra": ((b"privacy", b"USER;critical"),)},
    {"extra": ((b"Privacy", b"header"), (b"Privacy", b"id"))},
    {"from_": b'"Anonymous" <sip:anonymous@anonymous.invalid>'},
    {"from_": b"<sip:Anonymous@example.org>"},
]


@pytest.mark.parametrize("how", ANONYMITIES)
def test_a_withheld_number_reaches_a_trusted_trunk_as_asserted_and_private(exchange, how):
    ana, _, abroad = exchange.phones
    trust(exchange)
    call(exchange, ana, ABROAD, **how)
    invite = invite_to(exchange, abroad)
    assert invite.get(b"from").startswith(b'"Anonymous" <sip:anonymous@anonymous.invalid>;tag=')
    assert invite.get(b"p-asserted-identity") == b"<sip:+995322000001@example.org>"
    assert invite.get(b"privacy") == b"id"


@pytest.mark.parametrize("how", ANONYMITIES)
def test_nothing_of_a_withheld_number_reaches_anybody_else(exchange, how):
    ana, beka, abroad = exchange.phones
    beka.behaviour = Behaviour(rings=0.1, talks=1.0)
    call(exchange, ana, ABROAD, **how)
    call(exchange, ana, BEKA, **how)
    for phone in (abroad, beka):
        invite = invite_to(exchange, phone)
        assert invite.get(b"privacy") == b"id"
        assert invite.get(b"p-asserted-identity") is None
        for data in sent_to(exchange, phone):
            assert b"995322000001" not in data and b"Ana" not in data
            assert ana.address[0].encode() not in data
    assert {cdr.calling for cdr in exchange.cdrs} == {ANA}
    assert {cdr.presented for cdr in exchange.cdrs} == {None}


CLAIMS = tuple(
    (name, b"<sip:+995322000002@example.org>")
    for name in (b"P-Asserted-Identity", b"P-Preferred-Identity", b"Remote-Party-ID",
                 b"P-Charge-Info", b"Referred-By")
)  # fmt: skip


@pytest.mark.parametrize("trusted", [True, False])
def test_what_a_line_claims_of_itself_goes_nowhere(exchange, trusted):
    ana, _, abroad = exchange.phones
    if trusted:
        trust(exchange)
    call(exchange, ana, ABROAD, extra=CLAIMS, from_=b'"Beka" <sip:995322000002@example.org>')
    invite = invite_to(exchange, abroad)
    assert b"995322000002" not in bytes(invite) and b"Beka" not in bytes(invite)
    assert invite.from_.uri.user == ANA
    assert exchange.cdrs[0].calling == ANA and exchange.cdrs[0].account == 1


ASSERTED = ((b"P-Asserted-Identity", b'"Bob" <sip:+442071234567@carrier.example>'),)
NAME_FIRST = ((b"P-Asserted-Identity", b"<sip:bob.smith@carrier.example>, , <tel:+442071234567>"),)
NAME_ALONE_FIRST = (
    (b"P-Asserted-Identity", b"<sip:bob.smith@carrier.example>"),
    (b"P-Asserted-Identity", b"<sip:+442071234567@carrier.example;user=phone>"),
)


@pytest.mark.parametrize(
    ("trusted", "extra", "shown", "calling"),
    [
        (True, ASSERTED, "+442071234567", "+442071234567"),
        (True, ASSERTED + WITHHELD, None, "+442071234567"),
        (True, NAME_FIRST, "+442071234567", "+442071234567"),
        (True, NAME_ALONE_FIRST, "+442071234567", "+442071234567"),
        (True, (), "+441111111111", "+441111111111"),
        (False, ASSERTED, "+441111111111", "+441111111111"),
        (False, ASSERTED + WITHHELD, None, "+441111111111"),
    ],
)
def test_a_trunk_calls_a_line(exchange, trusted, extra, shown, calling):
    _, beka, abroad = exchange.phones
    beka.behaviour = Behaviour(rings=0.1, talks=1.0)
    if trusted:
        trust(exchange)
    call(exchange, abroad, BEKA, extra=extra, from_=b"<sip:+441111111111@carrier.example>")
    invite = invite_to(exchange, beka)
    assert invite.from_.uri.user == (shown or "anonymous")
    assert invite.get(b"p-asserted-identity") is None
    assert (exchange.cdrs[0].calling, exchange.cdrs[0].presented) == (calling, shown)
    if shown is None:
        assert not any(b"4411111" in data or b"4420712" in data
                       for data in sent_to(exchange, beka))  # fmt: skip


def test_an_anonymous_from_with_an_asserted_identity_is_withheld(exchange):
    _, beka, abroad = exchange.phones
    beka.behaviour = Behaviour(rings=0.1, talks=1.0)
    trust(exchange)
    call(exchange, abroad, BEKA, extra=ASSERTED, from_=b"<sip:anonymous@anonymous.invalid>")
    assert invite_to(exchange, beka).from_.uri.user == "anonymous"
    assert exchange.cdrs[0].calling == "+442071234567"


@pytest.mark.parametrize("trusted", [True, False])
def test_a_withheld_call_that_a_phone_sends_on_stays_withheld(exchange, trusted):
    ana, beka, abroad = exchange.phones
    if trusted:
        trust(exchange)
    beka.behaviour = Behaviour(rings=0.1, answer=302, redirect=ABROAD)
    call(exchange, ana, BEKA, extra=WITHHELD)
    invite = invite_to(exchange, abroad)
    assert invite.from_.uri.user == "anonymous"
    assert invite.get(b"privacy") == b"id"
    expected = b"<sip:+995322000001@example.org>" if trusted else None
    assert invite.get(b"p-asserted-identity") == expected
    if not trusted:
        assert not any(b"995322000001" in data for data in sent_to(exchange, abroad))


@pytest.mark.parametrize(
    "asserted",
    [b"<sip:%0d%0aX-Evil:1@carrier>", b"<tel:+442071234567>", b"<sip:@carrier>", b"nonsense",
     b"<sip:" + b"9" * 300 + b"@carrier>", b'"\xff\xfe" <sip:bob@carrier>'],
)  # fmt: skip
def test_an_asserted_identity_that_is_no_number_harms_nothing(exchange, asserted):
    _, beka, abroad = exchange.phones
    beka.behaviour = Behaviour(rings=0.1, talks=1.0)
    trust(exchange)
    call(exchange, abroad, BEKA, extra=((b"P-Asserted-Identity", asserted),))
    received = [data for data in sent_to(exchange, beka) if data.startswith(b"INVITE")]
    for data in received:
        parse_message(data).validate()
        assert b"X-Evil" not in data


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("how", ANONYMITIES)
def test_help_always_learns_who_calls(exchange, how, trusted):
    ana, _, abroad = exchange.phones
    if trusted:
        trust(exchange)
    call(exchange, ana, "112", **how)
    invite = invite_to(exchange, abroad)
    assert invite.get(b"from").startswith(b'"Ana" <sip:+995322000001@example.org>')
    assert invite.get(b"privacy") is None
    assert exchange.cdrs[0].presented == ANA


def test_help_learns_of_a_transferred_caller_who_withheld_the_number(exchange):
    ana, beka, abroad = exchange.phones
    ana.call(BEKA, extra=WITHHELD)
    exchange.run(3.0)
    beka.refer(beka.talking[0], b"<sip:112@example.org>")
    exchange.run(5.0)
    assert invite_to(exchange, abroad).from_.uri.user == ANA
    for talk in list(ana.talking):
        ana.hang_up(talk)
    exchange.run(5.0)


def shown_to(exchange, phone) -> str:
    """The number in the newest INVITE."""
    invites = [data for data in sent_to(exchange, phone) if data.startswith(b"INVITE")]
    return parse_message(invites[-1]).from_.uri.user


def test_who_was_transferred_to_is_named_when_the_call_is_transferred_again(exchange):
    """Ana calls Beka, who transfers her abroad; Ana hands that person on to Cira, who sees the
    number abroad and not Beka's."""
    ana, beka, _ = exchange.phones
    cira = exchange.phone(exchange.line("+995322000003", exchange.account(0)), "198.51.100.3")
    cira.register()
    exchange.trunk("abroad", "203.0.113.1", "44")
    session = ana.call(BEKA)
    exchange.run(3.0)
    beka.refer(beka.talking[0], f"<sip:{ABROAD}@example.org>".encode())
    exchange.run(0.5)
    exchange.phones[2].behaviour = Behaviour(rings=0.1)
    exchange.run(3.0)
    ana.refer(session, b"<sip:+995322000003@example.org>")
    exchange.run(3.0)
    assert len(cira.talking) == 1
    assert shown_to(exchange, cira) == ABROAD
    cira.hang_up(cira.talking[0])
    exchange.run(5.0)


def test_a_caller_who_left_is_not_named_any_more(exchange):
    """Ana calls Beka and puts Cira in her own place; Beka hands Cira on to Dato."""
    ana, beka, _ = exchange.phones
    cira, dato = (
        exchange.phone(exchange.line(f"+99532200000{n}", exchange.account(10_000_000)),
                       f"198.51.100.{n}")
        for n in (3, 4)
    )  # fmt: skip
    for phone in (cira, dato):
        phone.register()
    exchange.tariff(("on_net", 0, 1, 1), ("44", 60_000, 60, 60))
    session = ana.call(BEKA)
    exchange.run(3.0)
    ana.refer(session, b"<sip:+995322000003@example.org>")
    exchange.run(3.0)
    assert len(cira.talking) == len(beka.talking) == 1
    beka.refer(beka.talking[0], b"<sip:+995322000004@example.org>")
    exchange.run(3.0)
    assert len(dato.talking) == 1 and shown_to(exchange, dato) == "+995322000003"
    dato.hang_up(dato.talking[0])
    exchange.run(5.0)


def test_a_line_that_always_withholds_its_number_does_so_when_it_is_handed_on(exchange):
    ana = exchange.phones[0]
    line = exchange.directory.line_by_number(BEKA)
    services = Supplementary({"withhold_number": Setting(True)})
    exchange.directory.put_lines([replace(line, services=services)])
    cira = exchange.phone(exchange.line("+995322000003", exchange.account(0)), "198.51.100.3")
    cira.register()
    session = ana.call(BEKA)
    exchange.run(3.0)
    ana.refer(session, b"<sip:+995322000003@example.org>")
    exchange.run(3.0)
    assert len(cira.talking) == 1 and shown_to(exchange, cira) == "anonymous"
    cira.hang_up(cira.talking[0])
    exchange.run(5.0)
