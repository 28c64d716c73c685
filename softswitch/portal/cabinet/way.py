"""The way of a call to a number, in words: what `explain_incoming` decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from softswitch.control.values import Row
from softswitch.errors.texts import texts
from softswitch.portal.shown import count, ltr
from softswitch.portal.visit import Visit

_NUMBERS = ("number", "line", "to")


def way_in_words(visit: Visit, steps: Iterable[Row]) -> list[str]:
    """A sentence for each step."""
    found: list[str] = []
    for step in steps:
        facts = step["facts"]
        assert isinstance(facts, Mapping)
        found += _sentences(visit, str(step["code"]), facts)
    return found


def _sentences(visit: Visit, code: str, facts: Mapping[str, object]) -> list[str]:
    match code:
        case "targets_ring":
            return _targets(visit, facts)
        case "refused":
            text = texts(visit.language).get(str(facts["error"]), "")
            return [visit.text("way.refused"), *([text] if text and "{" not in text else [])]
        case "screened":
            name = visit.text(f"services.{facts['service']}")
            return [visit.text("way.screened", service=name)]
        case "mailbox" | "forwarded" | "then_forwarded" | "then_mailbox":
            why = visit.text(f"way.why_{facts['why']}")
            return [visit.text(f"way.{code}", why=why, **_shown(visit, facts))]
        case "phones_ring" if not facts["phones"]:
            return [visit.text("way.no_phones", line=ltr(facts["line"]))]
        case _:
            return [visit.text(f"way.{code}", **_shown(visit, facts))]


def _targets(visit: Visit, facts: Mapping[str, object]) -> list[str]:
    targets = facts["targets"]
    assert isinstance(targets, list)
    found = [visit.text("way.greeting")] if facts["greeting"] else []
    if len(targets) > 1 and not facts["in_turn"]:
        found.append(visit.text("way.both_ring"))
    for target in targets:
        text = visit.text(
            "way.target", to=ltr(target["value"]), seconds=count(target["seconds"], visit.language)
        )
        found.append(text)
        if target["confirm"]:
            found.append(visit.text("way.press_one"))
    return found


def _shown(visit: Visit, facts: Mapping[str, object]) -> dict[str, Markup]:
    """The facts as people read them."""
    numbers = {name: ltr(facts[name]) for name in _NUMBERS if name in facts}
    counts = {
        name: count(facts[name], visit.language) for name in ("phones", "seconds") if name in facts
    }
    return numbers | counts
