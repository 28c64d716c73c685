"""Businesses that bind to a whole switch by SMPP (B1, B3): what each request brings."""

import pytest
from exchange import Exchange
from test_texts import Texting, kept
from test_texts_outside import LARI, MOBILE, PRICE, sums

from billing.facts.authorization import ReplaceTariff
from billing.facts.rate import Rate
from smpp import pdu
from smpp.bodies import Address, Bind, Cancel, DataMessage, MultiMessage, Pdu, Query, ShortMessage
from smpp.codes import Command, EsmClass, MessageState, Status, Tag
from smpp.endpoint import Connection
from smpp.session import Session, Side
from softswitch.subscribers import passwords
from softswitch.texting import store
from softswitch.texting.carrier import Carrier
from softswitch.texting.client_store import Client, SenderName
from softswitch.texting.clients import Businesses
from softswitch.texting.message import State

BEKA = "+995322000002"
CITYNET = Address(5, 0, "Citynet")
SHOP = "192.0.2.7"


class Wire:
    """A business's end of a connection: what the switch has written."""

    def __init__(self, exchange, source="127.0.0.1") -> None:
        self.exchange = exchange
        self.source = source
        self.written = b""
        self.is_closed = False
        self._sequence = 0
        exchange.loop.call_soon(self._open)
        exchange.run(0.1)

    def _open(self) -> None:
        session = Session(Side.CENTRE, self.exchange.loop.time(), max_pending=200)
        self.connection = Connection(session, self.exchange.switch.texting.clients.heard)
        self.connection.connection_made(self)

    def ask(self, command, body) -> Pdu:
        """The switch's answer to a request."""
        self._sequence += 1
        octets = pdu.encode(Pdu(command, self._sequence, body))
        self.exchange.loop.call_soon(self.connection.data_received, octets)
        self.exchange.run(1.0)
        found = [pdu.decode(one) for one in pdu.Framer().feed(self.written)]
        return next(one for one in found if one.is_response and one.sequence == self._sequence)

    def submit(self, to=MOBILE, text=b"Hello", source=CITYNET, **facts) -> Pdu:
        address = Address(1, 1, to.removeprefix("+"))
        return self.ask(Command.SUBMIT_SM, ShortMessage(source, address, text, **facts))

    # asyncio's transport, as far as a connection uses it.

    def write(self, data) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def get_extra_info(self, name):
        return (self.source, 40_000)

    def set_write_buffer_limits(self, high) -> None:
        pass


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    rates = [Rate("sms", "995", "", PRICE, 0, 1, 1, currency="GEL")]
    made.store.apply([ReplaceTariff("sms", "GEL", rates)])
    made.tariffs["sms"] = made.store.tariff("sms")
    account = made.account(LARI)
    made.line(BEKA, account)
    texting = made.switch.texting
    texting.carriers = [Carrier(id=1, name="alpha", host="h", system_id="us", password="x")]
    client = Client(
        id=1, name="shop", account_id=account, system_id="shop", wallet="money", rate=50,
        password=passwords.hashed("secret1"), networks=("127.0.0.0/8", "192.0.2.0/24"), max_binds=1,
    )  # fmt: skip
    name = SenderName(account, "Citynet", "approved", "", 0)
    texting.clients.use(Businesses([client], [account], [account], [name]))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def wire(exchange):
    made = Wire(exchange)
    assert made.ask(Command.BIND_TRANSCEIVER, Bind("shop", "secret1")).status == Status.OK
    return made


def test_a_connection_that_ends_while_its_password_is_tried_takes_no_place(exchange):
    gone = Wire(exchange)
    octets = pdu.encode(Pdu(Command.BIND_TRANSCEIVER, 1, Bind("shop", "secret1")))
    exchange.loop.call_soon(gone.connection.data_received, octets)
    exchange.loop.call_soon(gone.connection.connection_lost, None)
    exchange.run(1.0)
    assert exchange.switch.texting.clients.connections() == []
    there = Wire(exchange)
    assert there.ask(Command.BIND_TRANSCEIVER, Bind("shop", "secret1")).status == Status.OK
    third = Wire(exchange)
    refused = third.ask(Command.BIND_TRANSCEIVER, Bind("shop", "secret1"))
    assert (refused.status, third.is_closed) == (Status.ALREADY_BOUND, True)


def test_a_message_is_queried_and_cancelled_and_its_price_given_back(exchange, wire):
    message_id = wire.submit().body.message_id
    assert sums(exchange) == (LARI, PRICE)
    asked = wire.ask(Command.QUERY_SM, Query(message_id, CITYNET))
    assert asked.body.message_state == MessageState.EN_ROUTE
    cancel = Cancel(message_id, CITYNET, Address())
    assert [wire.ask(Command.CANCEL_SM, cancel).status for _ in range(2)] == [Status.OK] * 2
    unknown = Cancel("9999", CITYNET, Address())
    assert wire.ask(Command.CANCEL_SM, unknown).status == Status.CANCEL_FAILED
    asked = wire.ask(Command.QUERY_SM, Query(message_id, CITYNET))
    assert asked.body.message_state == MessageState.DELETED
    assert wire.ask(Command.QUERY_SM, Query("9999", CITYNET)).status == Status.QUERY_FAILED
    assert sums(exchange) == (LARI, 0)


def test_one_message_to_several_phones_names_those_that_were_refused(exchange, wire):
    good, bad = Address(1, 1, "995599000001"), Address(1, 1, "4915112345678")
    answer = wire.ask(Command.SUBMIT_MULTI, MultiMessage(CITYNET, (good, bad, "a list"), b"Hi"))
    assert answer.status == Status.OK
    assert [status for _, status in answer.body.unsuccessful] == [Status.INVALID_DESTINATION] * 2
    answer = wire.ask(Command.SUBMIT_MULTI, MultiMessage(CITYNET, (bad,), b"Hi"))
    assert answer.status == Status.SUBMIT_FAILED
    assert sums(exchange) == (LARI, PRICE)


def test_data_sm_carries_a_long_text_that_is_priced_by_segment(exchange, wire):
    payload = ((int(Tag.MESSAGE_PAYLOAD), b"x" * 400),)
    data = DataMessage(CITYNET, Address(1, 1, MOBILE[1:]), tlvs=payload)
    assert wire.ask(Command.DATA_SM, data).status == Status.OK
    assert sums(exchange) == (LARI, 3 * PRICE)


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"source": Address(5, 0, "Another")}, Status.INVALID_SOURCE),
        ({"to": "+4915112345678"}, Status.INVALID_DESTINATION),
        ({"text": b"x" * 250, "esm_class": EsmClass.UDH}, Status.INVALID_MESSAGE_LENGTH),
        ({"text": b"x" * 141, "data_coding": 4}, Status.INVALID_MESSAGE_LENGTH),
        ({"validity_period": "261"}, Status.INVALID_EXPIRY),
        ({"validity_period": "200101000000000+"}, Status.INVALID_EXPIRY),
        ({"schedule_delivery_time": "990101000000000+"}, Status.INVALID_EXPIRY),
    ],
)
def test_what_is_refused_costs_nothing(exchange, wire, facts, status):
    assert wire.submit(**facts).status == status
    assert (sums(exchange), kept(exchange)) == ((LARI, 0), [])


def test_faster_than_agreed_is_throttled_and_costs_nothing(exchange, wire):
    client = exchange.switch.texting.clients
    long = wire.submit(text=b"", tlvs=((int(Tag.MESSAGE_PAYLOAD), b"x" * 1_500),))
    assert long.status == Status.OK
    assert client._rates[1].delay(exchange.loop.time()) == 0.0
    client._rates[1].take(exchange.loop.time(), 500)
    assert wire.submit().status == Status.THROTTLED
    assert sums(exchange) == (LARI, 10 * PRICE)


def test_a_text_in_segments_to_a_line_of_ours_comes_as_one_for_nothing(exchange, wire):
    phone = Texting(exchange.phone(exchange.directory.line_by_number(BEKA), "198.51.100.2"))
    phone.phone.register()
    exchange.run(1.0)
    for number, part in ((1, b"Hello "), (2, b"there")):
        octets = bytes((5, 0, 3, 9, 2, number)) + part
        assert wire.submit(BEKA, octets, esm_class=EsmClass.UDH).status == Status.OK
    assert [request.body for request in phone.got] == [b"Hello there"]
    assert kept(exchange) == [(BEKA, b"Hello there", State.DELIVERED)]
    assert sums(exchange) == (LARI, 0)


def test_a_message_whose_validity_is_over_expires_and_its_price_is_given_back(exchange, wire):
    assert wire.submit(validity_period="000000000500000R").status == Status.OK
    with exchange.store.reading() as connection:
        (text,) = store.page(connection)
    facts = text.text
    assert (facts.expires_at - facts.due_at, facts.has_validity) == (300_000, True)
    assert sums(exchange) == (LARI, PRICE)
    exchange.run(299.0)
    exchange.loop.run_until_complete(exchange.switch.texting.tidy())
    assert sums(exchange) == (LARI, PRICE)
    exchange.run(2.0)
    exchange.loop.run_until_complete(exchange.switch.texting.tidy())
    exchange.run(1.0)
    assert [state for _, _, state in kept(exchange)] == [State.EXPIRED]
    assert sums(exchange) == (LARI, 0)


def test_B2_nothing_is_sent_before_the_account_has_accepted_the_conditions(exchange, wire):
    clients = exchange.switch.texting.clients
    known = [*clients._clients.values()]
    name = SenderName(1, "Citynet", "approved", "", 0)
    clients.use(Businesses(known, [1], [], [name]))
    assert wire.submit().status == Status.SUBMIT_FAILED
    assert (sums(exchange), kept(exchange)) == ((LARI, 0), [])
    clients.use(Businesses(known, [1], [1], [name]))
    assert wire.submit().status == Status.OK


def test_wrong_passwords_are_counted_at_the_guard_and_then_none_is_tried(exchange):
    guard = exchange.switch.guard
    refused = []
    for _ in range(11):
        wire = Wire(exchange, SHOP)
        refused.append(wire.ask(Command.BIND_TRANSCEIVER, Bind("shop", "wrong1")).status)
    assert refused == [Status.INVALID_PASSWORD] * 10 + [Status.BIND_FAILED]
    right = Wire(exchange, SHOP).ask(Command.BIND_TRANSCEIVER, Bind("shop", "secret1"))
    assert right.status == Status.BIND_FAILED
    (ban,) = guard.bans(exchange.loop.time())
    assert (ban.source, ban.login, ban.why) == (SHOP, "smpp:shop", "guessed passwords")
    guard.unban(SHOP, "smpp:shop")
    right = Wire(exchange, SHOP).ask(Command.BIND_TRANSCEIVER, Bind("shop", "secret1"))
    assert right.status == Status.OK


def test_passwords_guessed_by_smpp_and_by_sip_count_together(exchange):
    guard, now = exchange.switch.guard, exchange.loop.time()
    for number in range(50):
        guard.fail(SHOP, f"line-{number}", now)
    asked = Wire(exchange, SHOP).ask(Command.BIND_TRANSCEIVER, Bind("shop", "secret1"))
    assert asked.status == Status.BIND_FAILED
