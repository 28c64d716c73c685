"""The short codes: what a caller hears, in which language, and what changes by it."""

import pytest
from exchange import EPOCH_MS, Exchange
from recordings import FLUSH_SECONDS, TOKEN_SECONDS, recorded

from billing.facts.authorization import ChangeStatus, TopUp
from billing.facts.calendar import Term
from billing.facts.product import Product
from billing.facts.sales import DefineProduct
from billing.stores.store import StoreError
from softswitch.subscribers import pins
from softswitch.subscribers.supplementary import NO_SERVICES

LARI = 1_000_000
NUMBER = "+995322000001"
CONFERENCE = Product(
    "conference", "GEL", LARI, Term.parse("30 days"), service="conference", renewable=False
)
UNLIMITED = Product("unlimited", "GEL", 10 * LARI, Term.parse("30 days"), scope=("all",))
HUNDRED = Product(
    "hundred", "GEL", 10 * LARI, Term.parse("30 days"), scope=("all",), free_seconds=6000
)


@pytest.fixture
def exchange(tmp_path):
    made = Exchange(seed=1, prompts=recorded(tmp_path, "ka", "ru", "en"))
    made.tariff(("995", 60_000, 1, 1))
    yield made
    assert made.log.errors == []
    assert made.store.verify() == []
    made.close()


@pytest.fixture
def subscriber(exchange):
    """Makes a registered phone of an account with so much money."""
    hosts = iter(range(1, 100))

    def made(balance=0, number=NUMBER, **line):
        account = exchange.account(balance)
        host = f"198.51.100.{next(hosts)}"
        phone = exchange.phone(exchange.line(number, account, **{"language": "ka", **line}), host)
        phone.register()
        exchange.run(1.0)
        return phone

    return made


def dial(exchange, phone, code, keys=()):
    """Call a code to its end; the announcements, as (language, tokens).

    Args:
        keys: what is pressed after so many seconds each.
    """
    before = len(exchange.log.announcements)
    session = phone.call(code)
    for seconds, pressed in keys:
        exchange.run(seconds)
        for key in pressed:
            body = f"Signal={key}\r\nDuration=160\r\n".encode()
            session.info(b"application/dtmf-relay", body, phone.now)
            phone.endpoint.drain()
            exchange.run(0.05)
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    return exchange.log.announcements[before:]


def said(announcements):
    return [tokens for _, tokens in announcements]


def balance_of(exchange, account=1):
    return exchange.store.account(account).balance_micros


class TestBalance:
    @pytest.mark.parametrize(
        ("micros", "tokens"),
        [
            (12_340_000, "12 lari and 20-and 14 tetri"),
            (0, "0 lari"),
            (-3_500_000, "minus 3 lari and 40-and 10 tetri"),
        ],
    )
    def test_a1_it_is_announced_at_any_balance(self, exchange, subscriber, micros, tokens):
        phone = subscriber(micros)
        assert dial(exchange, phone, "1111") == [("ka", f"balance-is {tokens}")]
        (cdr,) = exchange.store.cdrs()
        assert (cdr.sip_status, cdr.type, cdr.price_micros) == (200, "service", 0)
        words = len(f"balance-is {tokens}".split())
        assert abs(cdr.duration_ms / 1000 - words * TOKEN_SECONDS - FLUSH_SECONDS) < 0.1
        assert phone.heard >= words * TOKEN_SECONDS / 0.02 - 2
        assert balance_of(exchange) == micros

    def test_a1_in_the_language_of_the_line(self, exchange, subscriber):
        phone = subscriber(21 * LARI, language="ru")
        assert dial(exchange, phone, "1111") == [("ru", "balance-is 20 1 lari")]

    def test_a1_what_was_paid_just_now_is_in_it(self, exchange, subscriber):
        phone = subscriber()
        dial(exchange, phone, "1111")
        exchange.store.apply([TopUp(1, 5 * LARI, "p1", 0)])
        assert said(dial(exchange, phone, "1111")) == ["balance-is 5 lari"]

    def test_a1_for_barred_and_suspended_lines_too(self, exchange, subscriber):
        phone = subscriber(status="suspended", services=NO_SERVICES.switched("bar_all", True))
        assert said(dial(exchange, phone, "1111")) == ["balance-is 0 lari"]

    def test_a1_for_a_suspended_account_which_buys_nothing(self, exchange, subscriber):
        phone = subscriber(5 * LARI)
        exchange.store.apply([DefineProduct(CONFERENCE), ChangeStatus(1, "suspended", 0)])
        exchange.directory.put_account(1, "suspended")
        assert said(dial(exchange, phone, "1111")) == ["balance-is 5 lari"]
        assert said(dial(exchange, phone, "1199")) == ["not-possible"]
        assert balance_of(exchange) == 5 * LARI

    def test_a1_for_a_line_with_all_its_calls_taken(self, exchange, subscriber):
        phone = subscriber(max_calls=0)
        assert said(dial(exchange, phone, "1111")) == ["balance-is 0 lari"]

    def test_a1_the_line_is_known_by_its_digest_and_not_by_from(self, exchange, subscriber):
        phone = subscriber(7 * LARI)
        subscriber(99 * LARI, "+995322000002")
        phone.call("1111", from_=b"<sip:995322000002@example.org>")
        exchange.run_until_idle()
        assert said(exchange.log.announcements) in ([], ["balance-is 7 lari"])

    def test_a1_never_for_a_trunk(self, exchange, subscriber):
        subscriber(7 * LARI)
        trunk = exchange.trunk("carrier", "203.0.113.5")
        trunk.call("1111", from_=b"<sip:995322000001@example.org>")
        exchange.run_until_idle()
        assert trunk.status in (403, 404) and exchange.log.announcements == []


class TestTerms:
    def test_a3_the_unlimited_package(self, exchange, subscriber):
        phone = subscriber(100 * LARI)
        assert said(dial(exchange, phone, "1112")) == ["package-none"]
        exchange.package(UNLIMITED, 1, ends_in=9 * 86_400 + 5 * 3_600)
        assert said(dial(exchange, phone, "1112")) == ["package-remaining 9 day 5 hour"]

    def test_a3_a_package_with_minutes(self, exchange, subscriber):
        phone = subscriber(100 * LARI)
        exchange.package(HUNDRED, 1, ends_in=86_400 * 2 + 60)
        assert said(dial(exchange, phone, "1112")) == ["package-term 2 day package-minutes 100"]

    def test_a3_one_that_is_over_is_none(self, exchange, subscriber):
        phone = subscriber(100 * LARI)
        exchange.package(UNLIMITED, 1, ends_in=5.0)
        exchange.run(10.0)
        assert said(dial(exchange, phone, "1112")) == ["package-none"]

    def test_a5_the_conference(self, exchange, subscriber):
        phone = subscriber(100 * LARI)
        assert said(dial(exchange, phone, "1198")) == ["conference-none"]
        exchange.package(CONFERENCE, 1, ends_in=3_700)
        assert said(dial(exchange, phone, "1198")) == ["conference-remaining 1 hour 2 minute"]


class TestBuyingTheConference:
    @pytest.fixture(autouse=True)
    def on_sale(self, exchange):
        exchange.store.apply([DefineProduct(CONFERENCE)])

    def test_a4_one_lari_for_thirty_days_once(self, exchange, subscriber):
        phone = subscriber(5 * LARI)
        heard = said(dial(exchange, phone, "1199"))
        assert heard == ["conference-bought conference-remaining 20-and 10 day"]
        assert balance_of(exchange) == 4 * LARI
        ends_at = exchange.entitlements.service_ends_at(1, NUMBER, "conference", exchange.wall_ms())
        assert ends_at - EPOCH_MS > 29 * 86_400_000

    def test_a4_pressed_again_it_tells_the_term_and_charges_nothing(self, exchange, subscriber):
        phone = subscriber(5 * LARI)
        dial(exchange, phone, "1199")
        exchange.run(3_600.0)
        heard = said(dial(exchange, phone, "1199"))
        assert heard[0].startswith("conference-remaining 20-and 9 day 20-and ")
        assert balance_of(exchange) == 4 * LARI

    def test_a4_two_calls_at_once_buy_once(self, exchange, subscriber):
        phone = subscriber(5 * LARI)
        phone.call("1199")
        phone.call("1199")
        exchange.run_until_idle()
        assert balance_of(exchange) == 4 * LARI
        assert sorted(len(tokens.split()) for tokens in said(exchange.log.announcements)) == [4, 5]

    def test_a4_a_wire_that_repeats_everything_buys_once(self, tmp_path):
        exchange = Exchange(
            seed=3, duplicates=0.9, loss=0.1, prompts=recorded(tmp_path, "ka", "en")
        )
        exchange.store.apply([DefineProduct(CONFERENCE)])
        line = exchange.line(NUMBER, exchange.account(5 * LARI))
        phone = exchange.phone(line, "198.51.100.1")
        phone.register()
        exchange.run(5.0)
        phone.call("1199")
        exchange.run_until_idle()
        assert balance_of(exchange) == 4 * LARI
        exchange.close()

    def test_a4_without_funds_it_says_so_and_changes_nothing(self, exchange, subscriber):
        phone = subscriber(LARI - 1)
        assert said(dial(exchange, phone, "1199")) == ["no-funds"]
        assert balance_of(exchange) == LARI - 1
        assert said(dial(exchange, phone, "1198")) == ["conference-none"]

    def test_a4_what_isnt_on_sale_isnt_offered(self, exchange, subscriber):
        exchange.store.apply([DefineProduct(Product(**{**_fields(CONFERENCE), "sold": False}))])
        assert said(dial(exchange, subscriber(5 * LARI), "1199")) == ["not-offered"]

    def test_a4_after_thirty_days_it_is_over_and_may_be_bought_again(self, exchange, subscriber):
        phone = subscriber(5 * LARI)
        dial(exchange, phone, "1199")
        exchange.clock_step_ms += 30 * 86_400_000
        exchange.run(5.0)
        assert said(dial(exchange, phone, "1198")) == ["conference-none"]
        assert balance_of(exchange) == 4 * LARI  # it doesn't renew itself
        dial(exchange, phone, "1199")
        assert balance_of(exchange) == 3 * LARI


def _fields(product):
    return {name: getattr(product, name) for name in Product.__dataclass_fields__}


def test_a10_ones_own_number(exchange, subscriber):
    heard = said(dial(exchange, subscriber(), "*99"))
    assert heard == ["your-number-is plus 9 9 5 3 2 2 0 0 0 0 0 1"]


class TestDirectory:
    OTHER = "+995322000077"

    def ask(self, exchange, phone, *numbers):
        keys = [(1.0, key if key == "1" else key + "#") for key in numbers]
        return said(dial(exchange, phone, "118", keys))

    def test_c4_a_listed_line_is_found_and_its_name_comes_as_a_text(self, exchange, subscriber):
        phone = subscriber()
        subscriber(0, self.OTHER, listed=True, display_name="Nino Example")
        heard = self.ask(exchange, phone, "0322000077")
        assert heard[0] == "directory-enter"
        assert heard[1] == "directory-found plus 9 9 5 3 2 2 0 0 0 0 7 7"
        assert heard[2] == "directory-sent"
        assert phone.texts == [(None, "Nino Example +995322000077")]

    def test_c4_the_caller_may_be_connected_and_pays_as_ever(self, exchange, subscriber):
        phone = subscriber(10 * LARI)
        other = subscriber(0, self.OTHER, listed=True)
        other.behaviour.talks = 30.0
        heard = self.ask(exchange, phone, "0322000077", "1")
        assert heard == [
            "directory-enter",
            "directory-found plus 9 9 5 3 2 2 0 0 0 0 7 7",  # which the key interrupts
        ]
        code, leg = sorted(exchange.store.cdrs(), key=lambda cdr: cdr.leg)
        assert (code.called, code.price_micros) == ("118", 0)
        assert (leg.called, leg.duration_ms // 1000, leg.billed_seconds) == (self.OTHER, 30, 30)
        assert leg.price_micros == 30_000  # seconds begun, at six tetri a minute
        assert balance_of(exchange) == 10 * LARI - 30_000

    def test_c4_who_isnt_reached_leaves_the_caller_in_the_directory(self, exchange, subscriber):
        phone = subscriber(10 * LARI)
        other = subscriber(0, self.OTHER, listed=True)
        other.behaviour.answer = 486
        heard = self.ask(exchange, phone, "0322000077", "1")
        assert heard[2:] == ["refused-unreachable", "directory-enter", "goodbye"]
        assert balance_of(exchange) == 10 * LARI

    def test_c4_unlisted_lines_and_nobodys_numbers_sound_the_same(self, exchange, subscriber):
        phone = subscriber()
        subscriber(0, self.OTHER, display_name="Nino Example")
        heard = self.ask(exchange, phone, "0322000077", "0322999999", "12")
        assert heard.count("directory-not-found") == 3
        assert not any("found plus" in tokens for tokens in heard)

    def test_c4_a_call_may_ask_five_times(self, exchange, subscriber):
        heard = self.ask(exchange, subscriber(), *["0322999999"] * 7)
        assert heard.count("directory-not-found") == 5 and heard[-1] == "goodbye"


class TestPin:
    def line(self, exchange):
        return exchange.directory.line_by_number(NUMBER)

    def test_c11_it_is_set_and_kept_as_a_hash(self, exchange, subscriber):
        phone = subscriber()
        heard = said(dial(exchange, phone, "2828", [(1.0, "2580#"), (1.0, "2580#")]))
        assert heard == ["pin-none", "pin-new", "pin-repeat", "pin-set"]
        kept = self.line(exchange).pin
        assert "2580" not in kept and pins.fits("2580", kept)

    @pytest.mark.parametrize(
        ("first", "second", "told"),
        [("2580", "2581", "pin-differ"), ("1111", "", "pin-bad"), ("12", "", "pin-bad")],
    )
    def test_c11_weak_and_mistyped_ones_are_refused(
        self, exchange, subscriber, first, second, told
    ):
        keys = [(1.0, first + "#")] + ([(1.0, second + "#")] if second else [])
        heard = said(dial(exchange, subscriber(), "2828", keys))
        assert told in heard and self.line(exchange).pin is None

    def test_c11_it_is_changed_by_who_knows_it(self, exchange, subscriber):
        phone = subscriber(pin=pins.hashed("2580", bytes(16)))
        keys = [(1.0, "2580#"), (1.0, "1"), (1.0, "8642#"), (1.0, "8642#")]
        assert said(dial(exchange, phone, "2828", keys))[-1] == "pin-set"
        assert pins.fits("8642", self.line(exchange).pin)

    def test_c5_international_calls_are_closed_and_opened_with_it(self, exchange, subscriber):
        phone = subscriber(pin=pins.hashed("2580", bytes(16)))
        heard = said(dial(exchange, phone, "2828", [(1.0, "2580#"), (1.0, "3")]))
        assert heard[-1] == "barring-international-on"
        assert self.line(exchange).services.is_on("bar_international")
        dial(exchange, phone, "2828", [(1.0, "2580#"), (1.0, "2")])
        assert not self.line(exchange).services.is_on("bar_international")

    def test_c11_guessing_ends_after_five_wrong_ones_over_all_calls(self, exchange, subscriber):
        phone = subscriber(pin=pins.hashed("2580", bytes(16)))
        wrong = [(1.5, "9999#")] * 3
        assert said(dial(exchange, phone, "2828", wrong)).count("pin-wrong") == 3
        heard = said(dial(exchange, phone, "2828", [*wrong[:2], (1.5, "2580#")]))
        assert heard.count("pin-wrong") == 2 and heard[-1] == "pin-locked"
        assert said(dial(exchange, phone, "2828", [(1.5, "2580#")]))[-1] == "pin-locked"
        exchange.run(pins.LOCKED_SECONDS)
        assert "pin-menu" in said(dial(exchange, phone, "2828", [(1.5, "2580#")]))

    def test_c11_a_star_code_is_no_second_chance(self, exchange, subscriber):
        phone = subscriber(pin=pins.hashed("2580", bytes(16)))
        dial(exchange, phone, "2828", [(1.5, "9999#")] * 3)
        for _ in range(2):
            assert said(dial(exchange, phone, "%23331*9999%23"))[-1] == "pin-wrong"
        assert said(dial(exchange, phone, "%23331*2580%23"))[-1] == "pin-locked"
        assert said(dial(exchange, phone, "2828", [(1.5, "2580#")]))[-1] == "pin-locked"


def test_codes_say_so_when_the_database_is_out_of_order(exchange, subscriber, monkeypatch):
    phone = subscriber()

    async def broken(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(exchange.switch.context.features.self_service, "account", broken)
    assert said(dial(exchange, phone, "1111")) == ["service-failed"]
    assert [event for event, _ in exchange.log.errors] == ["a service has no database"]
    exchange.log.errors.clear()
