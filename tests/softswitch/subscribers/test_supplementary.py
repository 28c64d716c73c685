"""What a line's services decide, asked without any call."""

from __future__ import annotations

import pytest

from softswitch.call.ringing.forking import no_answer, not_registered
from softswitch.subscribers.refusal import Refusal
from softswitch.subscribers.supplementary import (
    KINDS,
    MAX_FILTERED,
    NO_SERVICES,
    ServiceError,
    Setting,
    Supplementary,
    failed_as,
)

DESK = "+995322000009"


def having(*names: str, **numbers: str) -> Supplementary:
    settings = {name: Setting(True) for name in names}
    return Supplementary(settings | {name: Setting(True, (n,)) for name, n in numbers.items()})


def test_a_new_line_has_call_waiting_and_call_completion_alone() -> None:
    assert {name for name in KINDS if NO_SERVICES.is_on(name)} == {
        "call_waiting",
        "call_completion",
    }
    assert NO_SERVICES.why_busy(5) is None
    assert NO_SERVICES.forwards_at_once(True, False) is None


def test_a_service_needs_its_number_before_it_is_on_and_keeps_it_when_off() -> None:
    with pytest.raises(ServiceError, match="needs a number"):
        NO_SERVICES.switched("forward_busy", True)
    given = NO_SERVICES.given("forward_busy", (DESK,))
    off = given.switched("forward_busy", False)
    assert off["forward_busy"] == Setting(False, (DESK,))
    assert off.forward("busy") is None
    assert off.switched("forward_busy", True) == given
    assert given.put("forward_busy", None) == NO_SERVICES


@pytest.mark.parametrize(
    ("name", "numbers", "seconds", "why"),
    [
        ("do_not_disturb", (DESK,), None, "takes no number"),
        ("hot_line", (DESK, DESK), None, "exactly one"),
        ("forward_busy", (DESK,), 20, "no seconds"),
        ("forward_no_answer", (DESK,), 4, "from 5 to 120"),
        ("forward_no_answer", (DESK,), 121, "from 5 to 120"),
        ("call_filter", tuple(map(str, range(MAX_FILTERED + 1))), None, "at most 100"),
    ],
)
def test_a_service_refuses_what_it_has_no_use_for(
    name: str, numbers: tuple[str, ...], seconds: int | None, why: str
) -> None:
    with pytest.raises(ServiceError, match=why):
        NO_SERVICES.given(name, numbers, seconds)


def test_always_comes_before_busy_and_busy_before_unreachable() -> None:
    every = having(forward_always="1", forward_busy="2", forward_unreachable="3")
    assert every.forwards_at_once(False, True) == "always"
    some = every.switched("forward_always", False)
    assert some.forwards_at_once(False, True) is None
    assert some.forwards_at_once(True, False) == "busy"
    assert some.forwards_at_once(False, False) == "unreachable"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal(486, "phone_refused"), "busy"),
        (Refusal(600, "phone_refused"), "busy"),
        (no_answer(), "no_answer"),
        (not_registered(), "unreachable"),
        (Refusal(503, "phone_refused"), "unreachable"),
        (Refusal(603, "phone_refused"), None),
        (Refusal(404, "phone_refused"), None),
        (Refusal(503, "media_worker_died", ended_by="operator"), None),
    ],
)
def test_what_a_failure_is_to_whoever_forwards(refusal: Refusal, kind: str | None) -> None:
    assert failed_as(refusal) == kind


@pytest.mark.parametrize(
    ("name", "barred"),
    [
        ("bar_international", {"international"}),
        ("bar_mobile", {"mobile"}),
        ("bar_premium", {"special, premium"}),
        ("bar_all", {"on_net", "local", "national", "mobile", "international", "special, premium"}),
    ],
)
def test_c5_each_barring_bars_its_own_calls_alone(name: str, barred: set[str]) -> None:
    line = having(name)
    for kind in ("on_net", "local", "national", "mobile", "international", "special, premium"):
        facts = kind.split(",")[0], "premium" in kind
        if kind in barred:
            with pytest.raises(Refusal, match=f"403 .*{name}"):
                line.bar(*facts)
        else:
            line.bar(*facts)


def test_the_call_filter_knows_who_withholds_his_number() -> None:
    line = having("reject_anonymous", call_filter=DESK)
    with pytest.raises(Refusal, match="603"):
        line.screen(DESK, None)
    with pytest.raises(Refusal, match="433"):
        line.screen("+995322000001", None)
    line.screen("+995322000001", "+995322000001")
