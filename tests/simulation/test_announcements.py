"""Callers hear why their calls are refused, and nobody is billed for it."""

import base64

import pytest
from exchange import Exchange
from phones import sdp
from recordings import TOKEN_SECONDS, recorded

from softswitch.subscribers.supplementary import NO_SERVICES

LARI = 1_000_000
MOBILE, ABROAD = "+995577123456", "+442012345678"
NO_CREDIT = "refused-no-credit"


@pytest.fixture
def make(request, tmp_path):
    """Makes an exchange with one registered line, a trunk and a tariff for Georgia."""

    def made(mode="early", balance=0, prompts=True, unanswered="", more="", **line):
        library = recorded(tmp_path, "ka", "en") if prompts else None
        config = f'[announcements]\nmode = "{mode}"\nunanswered = "{unanswered}"\n{more}'
        exchange = Exchange(seed=1, prompts=library, config=config)
        request.addfinalizer(exchange.close)
        exchange.tariff(("995", 60_000, 1, 1))
        account = exchange.account(balance)
        facts = {"language": "ka", **line}
        phone = exchange.phone(exchange.line("+995322000001", account, **facts), "198.51.100.1")
        phone.register()
        exchange.run(1.0)
        return exchange, phone, exchange.trunk("carrier", "203.0.113.5")

    return made


def statuses(phone):
    """Provisional responses with a description, as the phone has them."""
    return phone.events.count("Progress")


def over(exchange):
    """The only CDR of a call that is over and has left nothing."""
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == [] and exchange.store.verify() == []
    (cdr,) = exchange.store.cdrs()
    assert (cdr.price_micros, cdr.duration_ms, cdr.answered_at) == (0, 0, None)
    return cdr


def said(exchange):
    return exchange.log.announcements


def test_a_caller_without_credit_hears_so_before_the_status(make):
    exchange, phone, trunk = make()
    began = exchange.loop.time()
    phone.call(MOBILE)
    exchange.run(0.15)
    assert phone.status is None  # it is being said
    cdr = over(exchange)
    assert said(exchange) == [("ka", NO_CREDIT)]
    assert phone.status == 402 and statuses(phone) == 1
    assert phone.heard >= TOKEN_SECONDS / 0.02 - 1
    assert (cdr.sip_status, cdr.cause, cdr.ended_by) == (402, 21, "credit")
    assert cdr.ended_at - cdr.setup_at < 150  # the refusal's instant, not the announcement's end
    assert exchange.loop.time() > began and trunk.events == []


def test_answered_if_the_operator_wants_it_so_and_free_all_the_same(make):
    exchange, phone, _ = make("answer")
    phone.call(MOBILE)
    cdr = over(exchange)
    assert phone.status == 200 and phone.ended
    assert said(exchange) == [("ka", NO_CREDIT)]
    assert (cdr.sip_status, cdr.ended_by) == (402, "credit")


def test_not_at_all_if_it_is_off(make):
    exchange, phone, _ = make("off")
    phone.call(MOBILE)
    assert over(exchange).sip_status == phone.status == 402
    assert said(exchange) == [] and phone.heard == 0


def test_without_a_recording_the_status_has_to_do(make):
    exchange, phone, _ = make(prompts=False)
    phone.call(MOBILE)
    assert over(exchange).sip_status == phone.status == 402
    assert said(exchange) == [] and phone.heard == 0


def test_a_caller_without_an_offer_gets_the_status(make):
    exchange, phone, _ = make()
    phone.call(MOBILE, body=b"")
    assert over(exchange).sip_status == phone.status == 402
    assert said(exchange) == []


def test_a_caller_without_a_codec_in_common_gets_the_status(make):
    exchange, phone, _ = make()
    phone.call(MOBILE, body=sdp("198.51.100.1", 40_000).replace(b"AVP 0 101", b"AVP 18 101"))
    assert over(exchange).sip_status == phone.status == 402


def test_a_caller_who_encrypts_hears_it_encrypted(make):
    exchange, phone, _ = make()
    key = base64.b64encode(b"k" * 30).decode()
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"
    session = phone.call(
        MOBILE, body=sdp("198.51.100.1", 40_002, protocol="RTP/SAVP", crypto=crypto)
    )
    exchange.run(0.15)
    described = session.remote_description.decode()
    assert over(exchange).sip_status == phone.status == 402
    assert said(exchange) == [("ka", NO_CREDIT)]
    assert "RTP/SAVP 0" in described and "a=crypto:1 AES_CM_128_HMAC_SHA1_80" in described


def test_a_trunk_gets_the_status(make):
    exchange, _, trunk = make()
    trunk.call("+995322999999")
    cdr = over(exchange)
    assert trunk.status == cdr.sip_status == 404 and said(exchange) == []


def test_a_caller_who_has_heard_enough_hangs_up(make):
    exchange, phone, _ = make()
    session = phone.call("+995322999999999")  # no trunk takes it
    exchange.run(0.1)
    session.cancel(phone.now)
    phone.endpoint.drain()
    cdr = over(exchange)
    assert cdr.sip_status in (402, 403, 404)
    assert phone.heard < 10


@pytest.mark.parametrize(
    ("line", "dialled", "status", "tokens"),
    [
        ({"status": "suspended"}, MOBILE, 403, "refused-suspended"),
        ({"status": "disconnected"}, MOBILE, 403, "refused-suspended"),
        ({"services": NO_SERVICES.switched("bar_mobile", True)}, MOBILE, 403, "refused-barred"),
        ({}, ABROAD, 403, "refused-no-price"),  # the tariff has no price
        ({}, "03", 484, "refused-incomplete"),
        ({"max_calls": 0}, MOBILE, 480, "refused-too-many-calls"),
        ({}, "*69", 404, "last-caller-none"),
    ],
)
def test_what_is_said_of_which_refusal(make, line, dialled, status, tokens):
    exchange, phone, _ = make(balance=LARI, **line)
    phone.call(dialled)
    exchange.run_until_idle()
    assert phone.status == status
    assert said(exchange) == [("ka", tokens)]
    assert exchange.log.errors == []


@pytest.mark.parametrize(
    ("answers", "status", "tokens"),
    [
        (503, 503, "refused-no-lines"),
        (404, 404, "refused-not-in-service"),
        (486, 486, None),  # a phone plays its own busy tone
        (603, 603, None),
    ],
)
def test_trunks_that_refuse(make, answers, status, tokens):
    exchange, phone, trunk = make(balance=LARI)
    trunk.behaviour.answer = answers
    phone.call(MOBILE)
    cdr = over(exchange)
    assert cdr.sip_status == phone.status == status
    assert said(exchange) == ([] if tokens is None else [("ka", tokens)])
    assert exchange.store.account(1).balance_micros == LARI


ALL = "busy, no_answer, declined, unreachable"
NO_OFFER = "[completion]\nenabled = false\n"


def called(exchange, answer, **facts):
    """Another line, whose phone answers so; None: it has no phone."""
    other = exchange.phone(
        exchange.line("+995322000002", exchange.account(0), **facts), "198.51.100.2"
    )
    if answer is not None:
        other.register()
        other.behaviour.answer = answer
        exchange.run(1.0)
    return "+995322000002"


@pytest.mark.parametrize(
    ("answers", "status", "cause", "tokens"),
    [
        (486, 486, 17, "refused-busy"),
        (600, 600, 17, "refused-busy"),
        (603, 603, 21, "refused-declined"),
        (503, 503, 41, "refused-unreachable"),
        (None, 480, 20, "refused-unreachable"),
        (0, 480, 19, "refused-no-answer"),
        (404, 404, 1, None),
    ],
)
@pytest.mark.parametrize("unanswered", [ALL, ""])
def test_calls_that_nobody_takes_if_the_operator_wants_it(
    make, answers, status, cause, tokens, unanswered
):
    exchange, phone, _ = make(balance=LARI, unanswered=unanswered, more=NO_OFFER)
    phone.call(called(exchange, answers, no_answer_seconds=5))
    cdr = over(exchange)
    assert (cdr.sip_status, cdr.cause) == (status, cause) and phone.status == status
    if not unanswered or tokens is None:
        assert said(exchange) == [] and phone.heard == 0
        return
    assert said(exchange) == [("ka", tokens)]
    assert phone.heard >= TOKEN_SECONDS / 0.02 - 1
    assert exchange.store.account(1).balance_micros == LARI


def test_only_what_the_operator_chose(make):
    exchange, phone, trunk = make(balance=LARI, unanswered="no_answer")
    trunk.behaviour.answer = 486
    phone.call(MOBILE)
    assert over(exchange).sip_status == phone.status == 486
    assert said(exchange) == []


@pytest.mark.parametrize(
    ("answers", "tokens"),
    [(486, "refused-busy"), (603, "refused-declined"), (503, "refused-no-lines")],
)
def test_a_busy_person_behind_a_trunk_and_busy_trunks_are_told_apart(make, answers, tokens):
    exchange, phone, trunk = make(balance=LARI, unanswered=ALL)
    trunk.behaviour.answer = answers
    phone.call(MOBILE)
    assert over(exchange).sip_status == phone.status == answers
    assert said(exchange) == [("ka", tokens)]
    assert exchange.store.account(1).balance_micros == LARI


def test_after_ringback_of_the_switchs_own(make):
    exchange, phone, _ = make(balance=LARI, unanswered=ALL, more="[tones]\nringback = true\n")
    phone.call(called(exchange, 0, no_answer_seconds=5))
    assert over(exchange).sip_status == phone.status == 480
    assert said(exchange) == [("ka", "refused-no-answer")]


def test_who_was_offered_completion_has_heard_it_there(make):
    exchange, phone, _ = make(balance=LARI, unanswered=ALL)
    phone.call(called(exchange, 486))
    assert over(exchange).sip_status == phone.status == 486
    assert said(exchange) == [("ka", "cc-offer-busy"), ("ka", "cc-declined")]


def test_after_early_media_of_the_trunks_own_nothing_is_added(make):
    exchange, phone, trunk = make(balance=LARI)
    trunk.behaviour.answer, trunk.behaviour.early_media = 503, True
    phone.call(MOBILE)
    assert over(exchange).sip_status == phone.status == 503
    assert said(exchange) == []


@pytest.mark.parametrize(
    ("service", "status", "tokens"),
    [
        (("call_filter", ("+995322000001",)), 603, "refused-unwanted"),
        (("reject_anonymous", ()), 433, "refused-anonymous"),
    ],
)
def test_lines_that_dont_want_the_caller(make, service, status, tokens):
    exchange, phone, _ = make(balance=LARI, services=NO_SERVICES.switched("withhold_number", True))
    name, numbers = service
    wants = NO_SERVICES.given(name, numbers) if numbers else NO_SERVICES.switched(name, True)
    other = exchange.phone(
        exchange.line("+995322000002", exchange.account(0), services=wants), "198.51.100.2"
    )
    other.register()
    exchange.run(1.0)
    phone.call("+995322000002")
    assert over(exchange).sip_status == phone.status == status
    assert said(exchange) == [("ka", tokens)]


def test_a_wire_with_losses_leaves_nothing_behind(tmp_path):
    exchange = Exchange(seed=7, loss=0.2, duplicates=0.2, prompts=recorded(tmp_path, "ka", "en"))
    exchange.tariff(("995", 60_000, 1, 1))
    phone = exchange.phone(exchange.line("+995322000001", exchange.account(0)), "198.51.100.1")
    phone.register()
    exchange.run(5.0)
    for _ in range(10):
        phone.call(MOBILE)
        exchange.run(0.3)
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert {cdr.sip_status for cdr in exchange.store.cdrs()} == {404}
    exchange.close()
