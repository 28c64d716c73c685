"""Spoken confirmations of a service that a subscriber set or asked about, as phrases."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ivr_prompts.phrase import Digits, Part
from softswitch.subscribers.star_codes import Confirmation, Outcome, Verdict
from softswitch.subscribers.supplementary import FORWARDS

_SWITCHES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "forward_always": ("forwarding-all-on", "forwarding-all-off"),
        "forward_busy": ("forwarding-busy-on", "forwarding-busy-off"),
        "forward_no_answer": ("forwarding-no-answer-on", "forwarding-no-answer-off"),
        "forward_unreachable": ("forwarding-unreachable-on", "forwarding-unreachable-off"),
        "do_not_disturb": ("dnd-on", "dnd-off"),
        "call_waiting": ("waiting-on", "waiting-off"),
        "withhold_number": ("caller-id-hidden", "caller-id-shown"),
        "bar_international": ("barring-international-on", "barring-international-off"),
        "bar_mobile": ("barring-mobile-on", "barring-mobile-off"),
        "bar_premium": ("barring-premium-on", "barring-premium-off"),
        "bar_all": ("barring-all-on", "barring-all-off"),
        "hot_line": ("hotline-on", "hotline-off"),
        "reject_anonymous": ("anonymous-rejection-on", "anonymous-rejection-off"),
        "call_completion": ("cc-on", "cc-off"),
    }
)
"""The prompts for a service that is on, and for one that is off; its number follows if it has
one."""

_REFUSALS: Mapping[Verdict, str] = MappingProxyType(
    {
        "pin_none": "pin-none",
        "pin_needed": "pin-wrong",
        "pin_wrong": "pin-wrong",
        "pin_locked": "pin-locked",
        "number_wrong": "invalid-number",
        "seconds_wrong": "not-possible",
        "impossible": "not-possible",
    }
)


def phrase(outcome: Outcome) -> tuple[Part, ...]:
    """The phrase for a whole code: for a group the state of all its services, or that all were
    erased."""
    confirmations = outcome.confirmations
    if len(confirmations) == len(FORWARDS) and all(c.verdict == "erased" for c in confirmations):
        return ("forwarding-all-cleared",)
    return tuple(part for confirmation in confirmations for part in _one(confirmation))


def _one(confirmation: Confirmation) -> tuple[Part, ...]:
    name, verdict, setting = confirmation.name, confirmation.verdict, confirmation.setting
    if verdict in _REFUSALS:
        return (_REFUSALS[verdict],)
    if name == "call_filter":
        return _filter(confirmation)
    if verdict == "not_set":
        return ("forwarding-none",) if name.startswith("forward") else ("not-possible",)
    on, off = _SWITCHES[name]
    if not setting.active:
        return (off,)
    return (on, *(Digits(number) for number in setting.numbers))


def _filter(confirmation: Confirmation) -> tuple[Part, ...]:
    setting = confirmation.setting
    if confirmation.verdict == "registered":
        return ("blacklist-added",)
    if confirmation.verdict == "erased":
        return ("blacklist-removed",)
    if not setting.numbers:
        return ("blacklist-empty",)
    return ("service-is-on" if setting.active else "service-is-off",)
