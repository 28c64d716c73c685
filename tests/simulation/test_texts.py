"""Texts through a whole switch: who gets them, from whom, and what the sender hears."""

import pytest
from exchange import Exchange

from sip.events import Received, Replied
from sip.standalone import StandaloneRequest
from softswitch.services.messaging import BURST, MAX_TEXT_BYTES

ANA, BEKA, GIA = "+995322000001", "+995322000002", "+995322000003"


class Texting:
    """A phone that also takes texts: what came, and what its own brought back."""

    def __init__(self, phone, answers: int = 200) -> None:
        self.phone = phone
        self.answers = answers
        self.got: list = []
        self.statuses: list[int] = []
        self.responses: list = []
        phone.endpoint._on_event = self._on_event

    def _on_event(self, event) -> None:
        match event:
            case Replied():
                event.on_reply(event)
            case Received(request, flow) if request.method == "MESSAGE":
                self.got.append(request)
                if self.answers:
                    self.phone.agent.stack.reply(request, flow, self.answers, self.phone.now)
            case _:
                self.phone._on_event(event)

    def text(self, number, body=b"hello", kind=b"text/plain", extra=(), from_=None, password=True):
        phone = self.phone
        claimed = from_ or f"<sip:{phone.login}@example.org>".encode()
        fields = ((b"Content-Type", kind), *extra) if kind else tuple(extra)
        wanted = StandaloneRequest(
            "MESSAGE", phone.flow, f"sip:{number}@example.org".encode(), claimed,
            f"<sip:{number}@example.org>".encode(), extra=fields, body=body,
            credentials=phone.credentials if password else None,
        )  # fmt: skip
        phone.agent.send_standalone(wanted, self._replied, phone.now)
        phone.endpoint.drain()

    def _replied(self, reply: Replied) -> None:
        self.statuses.append(reply.status)
        self.responses.append(reply.response)


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    yield made
    made.run(70.0)
    assert len(made.switch.agent.stack.layer) == 0
    assert made.log.errors == []
    assert made.switch.agent.counters.faults == 0
    made.close()


@pytest.fixture
def texting(exchange):
    lines = [exchange.line(number, exchange.account(0)) for number in (ANA, BEKA, GIA)]
    made = [Texting(exchange.phone(line, f"198.51.100.{line.id}")) for line in lines]
    for one in made:
        one.phone.register()
    exchange.run(1.0)
    return made


def test_a_text_reaches_every_phone_of_the_line_and_its_sender_is_told(exchange, texting):
    ana, beka, _ = texting
    line = exchange.directory.line_by_number(BEKA)
    other = Texting(exchange.phone(line, "198.51.100.77"))
    other.phone.register()
    exchange.run(1.0)
    ana.text(BEKA, "გამარჯობა".encode(), b"text/plain;charset=UTF-8;x=y")
    exchange.run(1.0)
    assert ana.statuses == [200]
    assert len(beka.got) == len(other.got) == 1
    request = beka.got[0]
    assert request.body.decode() == "გამარჯობა"
    assert request.get(b"content-type") == b"text/plain;charset=UTF-8"
    assert bytes(request.from_.uri) == b"sip:+995322000001@example.org"
    assert bytes(request.to.uri) == b"sip:+995322000002@example.org"
    assert request.max_forwards == 69


def test_A20_texts_within_the_network_are_free(exchange, texting):
    ana, beka, _ = texting  # with nothing on their balances
    ana.text(BEKA)
    exchange.run(1.0)
    assert ana.statuses == [200] and len(beka.got) == 1
    assert [exchange.store.ledger(account.id) for account in exchange.store.accounts()] == [
        [], [], [],
    ]  # fmt: skip


def test_one_phone_that_takes_it_is_enough(exchange, texting):
    ana, beka, _ = texting
    line = exchange.directory.line_by_number(BEKA)
    other = Texting(exchange.phone(line, "198.51.100.77"), answers=486)
    other.phone.register()
    exchange.run(1.0)
    exchange.wire.detach(beka.phone.address)
    ana.text(BEKA)
    exchange.run(5.0)
    assert ana.statuses == []
    other.answers = 200
    ana.text(BEKA, b"again")
    exchange.run(5.0)
    assert ana.statuses == [200]
    exchange.run(20.0)
    assert ana.statuses == [200, 480]


@pytest.mark.parametrize(
    ("answer", "status"), [(486, 480), (404, 480), (401, 480), (500, 480), (415, 415), (603, 603)]
)
def test_what_the_sender_hears_when_nobody_takes_it(exchange, texting, answer, status):
    ana, beka, _ = texting
    beka.answers = answer
    ana.text(BEKA)
    exchange.run(2.0)
    assert ana.statuses == [status]


def test_a_phone_that_says_nothing_is_given_up_after_20_seconds(exchange, texting):
    ana, beka, _ = texting
    beka.answers = 0
    ana.text(BEKA)
    exchange.run(19.9)
    assert ana.statuses == []
    exchange.run(0.3)
    assert ana.statuses == [480]


def test_a_lost_text_is_repeated_and_taken_once():
    exchange = Exchange(seed=5)
    lines = [exchange.line(number, exchange.account(0)) for number in (ANA, BEKA)]
    ana, beka = (Texting(exchange.phone(line, f"198.51.100.{line.id}")) for line in lines)
    for one in (ana, beka):
        one.phone.register()
    exchange.run(1.0)
    exchange.wire.loss = exchange.wire.duplicates = 0.25
    for number in range(40):
        ana.text(BEKA, b"%d" % number)
        exchange.run(5.0)
    exchange.run(60.0)
    assert ana.statuses.count(200) >= 38 and len(ana.statuses) == 40
    bodies = [request.body for request in beka.got]
    assert len(bodies) == len(set(bodies)) >= ana.statuses.count(200)
    assert exchange.log.errors == []
    exchange.close()


CLAIMS = (
    (b"P-Asserted-Identity", b"<sip:+995322000003@example.org>"),
    (b"P-Preferred-Identity", b"<sip:+995322000003@example.org>"),
    (b"Remote-Party-ID", b"<sip:+995322000003@example.org>"),
    (b"Diversion", b"<sip:+995322000003@example.org>"),
    (b"X-Sender", b"gia"),
)


def test_whoever_the_sender_claims_to_be_the_text_is_from_its_line(exchange, texting):
    ana, beka, _ = texting
    ana.text(BEKA, from_=b'"Gia" <sip:995322000003@example.org>', extra=CLAIMS)
    exchange.run(1.0)
    assert ana.statuses == [200]
    assert bytes(beka.got[0].from_.uri) == b"sip:+995322000001@example.org"
    assert b"Gia" not in bytes(beka.got[0]) and b"995322000003" not in bytes(beka.got[0])
    assert b"X-Sender" not in bytes(beka.got[0])


def test_a_sender_who_withholds_its_number_is_anonymous(exchange, texting):
    ana, beka, _ = texting
    ana.text(BEKA, extra=((b"Privacy", b"id"),))
    exchange.run(1.0)
    assert beka.got[0].from_.uri.host == "anonymous.invalid"
    assert b"995322000001" not in bytes(beka.got[0])


@pytest.mark.parametrize(
    ("number", "status"),
    [("+442012345678", 404), ("112", 404), ("*97", 404), ("nobody", 404), ("+995322009999", 404)],
)
def test_texts_go_to_lines_only(exchange, texting, number, status):
    ana = texting[0]
    trunk = Texting(exchange.trunk("gateway", "203.0.113.1"))
    ana.text(number)
    exchange.run(2.0)
    assert ana.statuses == [status] and trunk.got == []


def test_a_trunk_sends_none(exchange, texting):
    trunk = Texting(exchange.trunk("gateway", "203.0.113.1"))
    trunk.text(BEKA)
    exchange.run(2.0)
    assert trunk.statuses == [403] and texting[1].got == []


@pytest.mark.parametrize("source", ["203.0.113.9", "198.51.100.1"])
def test_without_credentials_nothing_is_passed_on(exchange, texting, source):
    stranger = Texting(exchange.phone(exchange.directory.line_by_number(ANA), source))
    stranger.text(BEKA, password=False)
    exchange.run(2.0)
    assert stranger.statuses == [401] and texting[1].got == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * MAX_TEXT_BYTES, b"text/plain", 200),
        (b"x" * (MAX_TEXT_BYTES + 1), b"text/plain", 413),
        (b"<isComposing/>", b"application/im-iscomposing+xml", 200),
        (b"From: Gia", b"message/cpim", 415),
        (b"<script>", b"text/html", 415),
        (b"x", b"application/sdp", 415),
        (b"x", b"", 415),
    ],
)
def test_content(exchange, texting, body, kind, status):
    ana, beka, _ = texting
    ana.text(BEKA, body, kind)
    exchange.run(2.0)
    assert ana.statuses == [status]
    assert len(beka.got) == (status == 200)
    if status == 415:
        accepted = ana.responses[0].get(b"accept")
        assert accepted == b"text/plain, application/im-iscomposing+xml, message/imdn+xml"


def test_content_that_is_packed_does_not_pass(exchange, texting):
    ana = texting[0]
    ana.text(BEKA, extra=((b"Content-Encoding", b"gzip"),))
    exchange.run(1.0)
    assert ana.statuses == [415]


def test_a_line_sends_so_many_texts_and_no_more(exchange, texting):
    ana, _, gia = texting
    for _ in range(BURST + 5):
        ana.text(BEKA)
    exchange.run(0.3)
    assert ana.statuses.count(480) == 5
    assert {r.get(b"retry-after") for r in ana.responses if r.status == 480} == {b"10"}
    gia.text(BEKA)
    exchange.run(1.0)
    assert gia.statuses == [200]
    exchange.run(10.0)
    ana.text(BEKA)
    exchange.run(1.0)
    assert ana.statuses[-1] == 200


def test_a_line_that_is_not_registered_or_suspended_gets_none(exchange, texting):
    from dataclasses import replace

    ana = texting[0]
    exchange.line("+995322000009", exchange.account(0))
    ana.text("+995322000009")
    line = exchange.directory.line_by_number(BEKA)
    exchange.directory.put_lines([replace(line, status="suspended")])
    ana.text(BEKA)
    exchange.run(1.0)
    assert ana.statuses == [480, 480] and texting[1].got == []


def test_a_suspended_line_sends_none(exchange, texting):
    from dataclasses import replace

    line = exchange.directory.line_by_number(ANA)
    exchange.directory.put_lines([replace(line, status="suspended")])
    texting[0].text(BEKA)
    exchange.run(1.0)
    assert texting[0].statuses == [403]


def test_ones_own_other_phones_get_it_and_the_sending_one_does_not(exchange, texting):
    ana = texting[0]
    ana.text(ANA)
    exchange.run(1.0)
    assert ana.statuses == [480] and ana.got == []
    other = Texting(exchange.phone(exchange.directory.line_by_number(ANA), "198.51.100.77"))
    other.phone.register()
    exchange.run(1.0)
    ana.text(ANA)
    exchange.run(1.0)
    assert ana.statuses[-1] == 200
    assert (len(other.got), len(ana.got)) == (1, 0)
