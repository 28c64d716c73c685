"""Templates: Jinja with autoescaping, and what every page may call."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from softswitch.errors.texts import LANGUAGES
from softswitch.papers.words import RIGHT_TO_LEFT
from softswitch.portal import cells, shown
from softswitch.portal.words import NAMES

if TYPE_CHECKING:
    from softswitch.portal.visit import Visit


class Templates:
    """The pages' templates, each with the functions of its visit.

    `t(name)` is a text, `named(area, value)` the word for a value, `money(amount, currency)`,
    `day(time)`, `moment(time)`, `length(seconds)`, `term(text)`, `count(number)` and `ltr(number)`
    show values, `may(operation)` says if a form makes sense, `static(name)` is the address of a
    file, and `new_key()` the idempotency key of a form.
    """

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("softswitch.portal"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, template: str, visit: Visit, facts: Mapping[str, object]) -> str:
        """The text of a page."""
        language, zone = visit.language, visit.zone
        common: dict[str, object] = {
            "visit": visit,
            "language": language,
            "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
            "languages": [(code, NAMES[code]) for code in LANGUAGES],
            "operator": visit.portal.config.operator.name or visit.portal.config.switch.domain,
            "t": visit.text,
            "named": visit.named,
            "may": visit.may,
            "money": lambda value, currency: shown.money(value, currency, language),
            "negative": shown.is_negative,
            "day": lambda value: shown.day(value, zone, language),
            "moment": lambda value: shown.moment(value, zone, language),
            "term": lambda value: shown.term(value, visit),
            "length": lambda seconds: shown.duration(seconds, language),
            "count": lambda value: shown.count(value, language),
            "ltr": shown.ltr,
            "static": static_path,
            "new_key": lambda: secrets.token_urlsafe(18),
        }
        return self._environment.get_template(template).render(
            common | cells.functions(visit) | dict(facts)
        )


@cache
def static_path(name: str) -> str:
    """The address of a file, with a part that changes with the file."""
    content = files("softswitch.portal").joinpath("static", name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
