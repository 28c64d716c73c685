"""What is read in a star code, and what becomes of a line's services by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr_prompts.languages import LANGUAGES, texts
from ivr_prompts.phrase import Digits, Part, spoken
from softswitch.config.codes import CodesSection
from softswitch.services.confirmations import phrase
from softswitch.subscribers.star_codes import Confirmation, PinCheck, StarCode, carry_out
from softswitch.subscribers.supplementary import NO_SERVICES, Setting, Supplementary

CODES = CodesSection().star_codes()
DESK = "+995322000009"


def read(text: str) -> str | None:
    return text if text.startswith("+") else None


def dial(
    dialled: str, services: Supplementary = NO_SERVICES, pin: str | None = "1234"
) -> tuple[Supplementary, list[str]]:
    """The services after a code, and what is said of each."""
    code = CODES.parse(dialled)
    assert code is not None, dialled
    check: PinCheck = "none" if pin is None else "fits" if code.pin in (pin, None) else "wrong"
    outcome = carry_out(code, services, read, check)
    return outcome.services, [item.verdict for item in outcome.confirmations]


def test_c2_forwarding_by_star_codes_from_registration_to_erasure() -> None:
    services, said = dial(f"**21*{DESK}#")
    assert (services["forward_always"], said) == (Setting(True, (DESK,)), ["registered"])
    assert dial(f"*21*{DESK}#")[0] == services
    off, said = dial("#21#", services)
    assert (off["forward_always"], said) == (Setting(False, (DESK,)), ["off"])
    assert dial("*#21#", off) == (off, ["off"])
    assert dial("*21#", off) == (services, ["on"])
    assert dial("*#21#", services) == (services, ["on"])
    assert dial("##21#", services) == (NO_SERVICES, ["erased"])
    assert dial("*#21#")[1] == dial("*21#")[1] == ["not_set"]


@pytest.mark.parametrize(
    ("dialled", "seconds"),
    [(f"**61*{DESK}#", None), (f"**61*{DESK}**20#", 20), (f"**61*{DESK}*11*30#", 30)],
)
def test_c2_the_seconds_of_forwarding_without_answer(dialled: str, seconds: int | None) -> None:
    services, said = dial(dialled)
    assert (services["forward_no_answer"], said) == (
        Setting(True, (DESK,), seconds),
        ["registered"],
    )


@pytest.mark.parametrize(
    ("dialled", "said"),
    [
        ("*21*abc#", "number_wrong"),
        ("**21*#", "number_wrong"),
        (f"**61*{DESK}**3#", "seconds_wrong"),
        (f"**61*{DESK}**x#", "seconds_wrong"),
        (f"*26*{DESK}#", "impossible"),
        ("#331#", "pin_needed"),
        ("#331*9999#", "pin_wrong"),
        ("##33*9999#", "pin_wrong"),
    ],
)
def test_c2_a_code_that_cant_be_carried_out_changes_nothing(dialled: str, said: str) -> None:
    closed = NO_SERVICES.switched("bar_international", True)
    assert dial(dialled, closed) == (closed, [said])


def test_c5_barring_is_closed_freely_and_opened_with_the_pin() -> None:
    for code in ("*331#", "*331*1234#", "**331*1234#"):
        closed, said = dial(code)
        assert (closed.is_on("bar_international"), said) == (True, ["on"])
    opened, said = dial("#331*1234#", closed)
    assert (opened.is_on("bar_international"), said) == (False, ["off"])
    assert dial("#331*1234#", closed, pin=None) == (closed, ["pin_none"])


def test_c2_the_call_filter_takes_numbers_one_by_one() -> None:
    other = "+995322000008"
    services, _ = dial(f"*60*{DESK}#")
    services, _ = dial(f"*60*{other}#", services)
    assert services["call_filter"] == Setting(True, (DESK, other))
    services, said = dial(f"#60*{DESK}#", services)
    assert (services["call_filter"], said) == (Setting(True, (other,)), ["erased"])
    assert dial(f"#60*{DESK}#", services)[1] == ["number_wrong"]
    services, _ = dial(f"#60*{other}#", services)
    assert services["call_filter"] == Setting(False)


def test_c2_all_forwarding_is_erased_by_one_code() -> None:
    services, said = dial(f"**004*{DESK}#")
    assert said == ["registered"] * 3 and not services.is_on("forward_always")
    services, _ = dial(f"*21*{DESK}#", services)
    services, said = dial("##002#", services)
    assert (services, said) == (NO_SERVICES, ["erased"] * 4)


def test_a_confirmation_says_how_the_service_stands_now() -> None:
    code = CODES.parse(f"*21*{DESK}#")
    assert code == StarCode("register", ("forward_always",), (DESK, "", ""))
    (said,) = carry_out(code, NO_SERVICES, read, "none").confirmations
    assert said == Confirmation("forward_always", "registered", Setting(True, (DESK,)))


@pytest.mark.parametrize("dialled", ["*97", "*43", "21#", "*21", "*99#", "**21", "*21#1", "#31#1"])
def test_what_is_no_star_code_is_left_alone(dialled: str) -> None:
    assert CODES.parse(dialled) is None


@pytest.mark.parametrize(
    ("dialled", "once"),
    [
        ("#31#0322123456", ("0322123456", True)),
        ("*31#+995322123456", ("+995322123456", False)),
        ("*670322123456", ("0322123456", True)),
        ("*820322123456", ("0322123456", False)),
        ("#31#", ("#31#", None)),
        ("*67*5#", ("*67*5#", None)),
        ("0322123456", ("0322123456", None)),
    ],
)
def test_prefixes_that_show_or_withhold_the_number_of_one_call(
    dialled: str, once: tuple[str, bool | None]
) -> None:
    assert CODES.once(dialled) == once


@given(st.text("*#0123456789+a", max_size=30))
def test_every_code_that_is_read_can_be_carried_out(dialled: str) -> None:
    code = CODES.parse(dialled)
    if code is not None:
        outcome = carry_out(code, NO_SERVICES, read, "fits")
        assert len(outcome.confirmations) in (1, len(code.names))
        assert not outcome.refused or outcome.services == NO_SERVICES


@given(st.text("*#0123456789+a", max_size=30), st.booleans())
def test_every_outcome_can_be_said_in_every_language(dialled: str, fits: bool) -> None:
    code = CODES.parse(dialled)
    if code is not None:
        said = phrase(carry_out(code, NO_SERVICES, read, "fits" if fits else "wrong"))
        for language in LANGUAGES:
            known = texts(language)
            assert said and all(token in known for token in spoken(language, said))


@pytest.mark.parametrize(
    ("dialled", "said"),
    [
        (f"*21*{DESK}#", ("forwarding-all-on", Digits(DESK))),
        ("#21#", ("forwarding-all-off",)),
        ("*#61#", ("forwarding-none",)),
        ("##002#", ("forwarding-all-cleared",)),
        ("*26#", ("dnd-on",)),
        ("*#43#", ("waiting-on",)),
        ("*331#", ("barring-international-on",)),
        ("#331#", ("pin-wrong",)),
        (f"*60*{DESK}#", ("blacklist-added",)),
        ("*#60#", ("blacklist-empty",)),
        ("*21*x#", ("invalid-number",)),
    ],
)
def test_what_is_said_of_a_code(dialled: str, said: tuple[Part, ...]) -> None:
    code = CODES.parse(dialled)
    assert code is not None
    assert phrase(carry_out(code, NO_SERVICES, read, "fits")) == said
