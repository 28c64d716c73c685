"""Texts through a whole switch: who gets them, from whom, and what the sender hears."""

import pytest
from exchange import Exchange

from sip.events import Received, Replied
from sip.standalone import StandaloneRequest
from softswitch.texting import store
from softswitch.texting.line_admission import BURST, MAX_TEXT_BYTES
from softswitch.texting.message import State, Text

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
    assert request.max_forwards == 70
    assert request.get(b"date") is None


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
    assert ana.statuses == [200, 202]


@pytest.mark.parametrize(
    ("answer", "status"), [(486, 202), (404, 202), (401, 202), (500, 202), (415, 415), (603, 603)]
)
def test_what_the_sender_hears_when_nobody_takes_it(exchange, texting, answer, status):
    ana, beka, _ = texting
    beka.answers = answer
    ana.text(BEKA)
    exchange.run(2.0)
    assert ana.statuses == [status]


def test_a_text_to_a_phone_that_says_nothing_is_kept_after_20_seconds(exchange, texting):
    ana, beka, _ = texting
    beka.answers = 0
    ana.text(BEKA)
    exchange.run(19.9)
    assert ana.statuses == []
    exchange.run(0.3)
    assert ana.statuses == [202]


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
    assert set(ana.statuses) <= {200, 202}
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
        (b"From: Gia", b"message/cpim", 400),
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
        assert accepted == (
            b"text/plain, application/im-iscomposing+xml, message/imdn+xml, message/cpim"
        )


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


def test_a_line_that_is_suspended_gets_none(exchange, texting):
    from dataclasses import replace

    ana = texting[0]
    line = exchange.directory.line_by_number(BEKA)
    exchange.directory.put_lines([replace(line, status="suspended")])
    ana.text(BEKA)
    exchange.run(1.0)
    assert ana.statuses == [480] and texting[1].got == []


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
    assert ana.statuses == [202] and ana.got == []
    other = Texting(exchange.phone(exchange.directory.line_by_number(ANA), "198.51.100.77"))
    other.phone.register()
    exchange.run(1.0)
    assert (len(other.got), len(ana.got)) == (1, 1)
    ana.text(ANA)
    exchange.run(1.0)
    assert ana.statuses[-1] == 200
    assert (len(other.got), len(ana.got)) == (2, 1)


# Texts that are kept


def kept(exchange) -> list[tuple[str, bytes, State]]:
    """Recipient, body and state of every text, the oldest first."""
    with exchange.store.reading() as connection:
        found = reversed(store.page(connection, limit=10_000))
        return [(text.text.recipient, text.text.body, text.state) for text in found]


@pytest.fixture
def absent(exchange):
    """Ana's phone is registered, Beka's isn't."""
    lines = [exchange.line(number, exchange.account(0)) for number in (ANA, BEKA)]
    made = [Texting(exchange.phone(line, f"198.51.100.{line.id}")) for line in lines]
    made[0].phone.register()
    exchange.run(1.0)
    return made


def test_A20_texts_to_an_absent_line_come_in_order_when_it_registers(exchange, absent):
    ana, beka = absent
    for number in range(30):
        ana.text(BEKA, b"%d" % number)
        exchange.run(1.0)
    assert ana.statuses == [202] * 30
    exchange.run(3600.0)
    beka.phone.register()
    exchange.run(5.0)
    assert [request.body for request in beka.got] == [b"%d" % number for number in range(30)]
    dates = {request.get(b"date") for request in beka.got}
    assert len(dates) == 30 and all(date.endswith(b" GMT") for date in dates)
    assert {state for *_, state in kept(exchange)} == {State.DELIVERED}
    beka.phone.register()
    exchange.run(5.0)
    assert len(beka.got) == 30


def test_a_text_that_comes_while_older_ones_are_kept_does_not_overtake_them(exchange, absent):
    ana, beka = absent
    ana.text(BEKA, b"first")
    exchange.run(1.0)
    beka.answers = 480
    beka.phone.register()
    exchange.run(2.0)
    beka.got.clear()
    beka.answers = 200
    ana.text(BEKA, b"second")
    exchange.run(1.0)
    assert beka.got == []
    beka.phone.register()
    exchange.run(2.0)
    assert [request.body for request in beka.got] == [b"first", b"second"]


def test_a_repeated_text_is_kept_once(exchange, absent):
    ana, beka = absent
    exchange.wire.duplicates = 1.0
    ana.text(BEKA)
    exchange.run(60.0)
    assert ana.statuses == [202]
    assert kept(exchange) == [(BEKA, b"hello", State.WAITING)]
    exchange.wire.duplicates = 0.0
    beka.phone.register()
    exchange.run(2.0)
    assert len(beka.got) == 1


def test_a_kept_text_that_a_phone_refuses_for_good_does_not_hold_up_the_next(exchange, absent):
    ana, beka = absent
    ana.text(BEKA, b"first")
    ana.text(BEKA, b"second")
    exchange.run(1.0)
    beka.answers = 415
    beka.phone.register()
    exchange.run(2.0)
    assert len(beka.got) == 2
    assert [state for *_, state in kept(exchange)] == [State.FAILED] * 2


def test_texts_are_kept_for_seven_days(exchange, absent):
    ana, beka = absent
    ana.text(BEKA)
    exchange.run(6 * 86_400.0)
    assert exchange.loop.run_until_complete(exchange.switch.texting.tidy()) == 0
    assert [state for *_, state in kept(exchange)] == [State.WAITING]
    exchange.run(86_460.0)
    assert exchange.loop.run_until_complete(exchange.switch.texting.tidy()) == 1
    beka.phone.register()
    exchange.run(2.0)
    assert beka.got == []
    assert [state for *_, state in kept(exchange)] == [State.EXPIRED]


def test_so_many_texts_are_kept_for_a_line_and_no_more(exchange, absent):
    ana = absent[0]
    settings = exchange.switch.texting.lines._settings
    exchange.switch.texting.lines._settings = settings._replace(max_kept=3)
    for _ in range(5):
        ana.text(BEKA)
        exchange.run(1.0)
    assert ana.statuses == [202, 202, 202, 480, 480]
    assert len(kept(exchange)) == 3


def test_is_typing_is_never_kept(exchange, absent):
    ana = absent[0]
    ana.text(BEKA, b"<isComposing/>", b"application/im-iscomposing+xml")
    exchange.run(1.0)
    assert ana.statuses == [480] and kept(exchange) == []


ENVELOPE = (
    b"From: Boss <im:boss@example.org>\r\nTo: <im:x@y>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: m1\r\n"
    b"imdn.Disposition-Notification: positive-delivery, negative-delivery, processing\r\n\r\n"
    b"Content-Type: text/plain\r\n\r\nHello"
)


def test_an_envelope_has_the_senders_own_address_and_reports_come_back(exchange, absent):
    ana, beka = absent
    ana.text(BEKA, ENVELOPE, b"message/cpim")
    exchange.run(2.0)
    assert ana.statuses == [202]
    assert [b"<stored/>" in request.body for request in ana.got] == [True]
    beka.phone.register()
    exchange.run(2.0)
    (text,) = beka.got
    assert b"boss" not in text.body
    assert text.body.startswith(b"From: <sip:+995322000001@example.org>\r\n")
    assert [b"<delivered/>" in request.body for request in ana.got] == [False, True]
    assert b"<message-id>m1</message-id>" in ana.got[1].body
    assert bytes(ana.got[1].from_.uri) == b"sip:+995322000002@example.org"


def test_what_an_operation_stored_goes_to_registered_phones_at_its_time(exchange, texting):
    beka = texting[1]
    line = exchange.directory.line_by_number(BEKA)
    now = exchange.wall_ms()

    def text(origin, seconds):
        due = now + 1000 * seconds
        return Text(origin=origin, kind="line", to_line=line.id, sender=ANA, recipient=BEKA,
                    body=origin.encode(), created_at=now, due_at=due,
                    expires_at=due + 86_400_000)  # fmt: skip

    with exchange.store.engine.begin() as connection:
        store.add(connection, [text("later", 600), text("now", 0)])
    exchange.loop.run_until_complete(exchange.switch.texting.changed())
    exchange.run(2.0)
    assert [request.body for request in beka.got] == [b"now"]
    exchange.run(590.0)
    assert len(beka.got) == 1
    exchange.run(15.0)
    assert [request.body for request in beka.got] == [b"now", b"later"]
    exchange.loop.run_until_complete(exchange.switch.texting.changed())
    exchange.run(2.0)
    assert len(beka.got) == 2
