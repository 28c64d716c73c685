"""Every key of the configuration with its type, default and meaning, taken from the code of the
sections."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from softswitch.config.codes import StarCodeKeys
from softswitch.config.config import ENVIRONMENT_PREFIX, Config
from softswitch.config.values import Section

PAGE_HEAD = f"""# Configuration

Every key of `softswitch.toml`, as `softswitch config keys [SECTION]` prints it. A key may also be
set by the environment variable {ENVIRONMENT_PREFIX}SECTION__KEY, which comes before the file.
A list is written as a TOML list or as text with commas; paths are relative to the file's folder.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a section, as documentation shows it."""

    section: str
    key: str
    type: str
    default: str
    """The default as written in TOML; "required", or "none"."""
    meaning: str


def section_names() -> list[str]:
    """The sections in the order in which the configuration has them."""
    return list(Config.model_fields)


def keys(section: str | None = None) -> list[Key]:
    """The keys of a section, or of all of them."""
    wanted = section_names() if section is None else [section]
    return [key for name in wanted for key in _keys_of(name, _section(name))]


def purpose(section: str) -> str:
    """The purpose of a section, from its docstring."""
    text = " ".join((inspect.getdoc(_section(section)) or "").split())
    return text.partition(": ")[2] or text


def page() -> str:
    """docs/configuration.md."""
    parts = [PAGE_HEAD]
    for name in section_names():
        parts.append(f"\n## [{name}]\n\n{purpose(name)}\n\n| key | type | default | meaning |\n")
        parts.append("|---|---|---|---|\n")
        parts += [
            f"| `{key.key}` | {_cell(key.type)} | `{_cell(key.default)}` | {_cell(key.meaning)} |\n"
            for key in keys(name)
        ]
    return "".join(parts)


CODES_HEAD = """# Short codes and star codes

What lines dial, from [codes] of the configuration; each code can be changed there, and a star code
is taken away by `""`. Emergency numbers ([numbers] emergency) can't be codes.

"""
STARS_HEAD = """
## Star codes

As TS 22.030 has them: `*CODE#` switches on, `*CODE*NUMBER#` sets a number and switches on,
`#CODE#` switches off, `##CODE#` erases, `*#CODE#` says how it is. Lifting a barring asks for the
line's PIN: `#CODE*PIN#`.

"""


def codes_page() -> str:
    """docs/codes.md."""
    short = [key for key in keys("codes") if key.key not in StarCodeKeys.model_fields]
    stars = [key for key in keys("codes") if key.key in StarCodeKeys.model_fields]
    return CODES_HEAD + _codes(short, "{}") + STARS_HEAD + _codes(stars, "*{}#")


def _codes(found: list[Key], form: str) -> str:
    rows = ["| dialled | what it does | key |\n", "|---|---|---|\n"]
    for key in found:
        code = key.default.strip('"')
        dialled = code if code.startswith("*") else form.format(code)
        rows.append(f"| `{dialled}` | {_cell(key.meaning)} | `{key.key}` |\n")
    return "".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _section(name: str) -> type[Section]:
    found = Config.model_fields[name].annotation
    assert isinstance(found, type) and issubclass(found, Section)
    return found


def _keys_of(name: str, section: type[Section]) -> Iterator[Key]:
    meanings = _meanings(section)
    for key, field in section.model_fields.items():
        yield Key(name, key, _type(field), _default(field), meanings.get(key, ""))


def _meanings(section: type[Section]) -> dict[str, str]:
    """Docstrings of attributes, also of those that a base class has."""
    found: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if issubclass(each, Section) and each is not Section:
            (body,) = ast.parse(inspect.getsource(each)).body
            assert isinstance(body, ast.ClassDef)
            for attribute, following in zip(body.body, body.body[1:], strict=False):
                text = _text(following)
                if isinstance(attribute, ast.AnnAssign) and text is not None:
                    assert isinstance(attribute.target, ast.Name)
                    found[attribute.target.id] = " ".join(text.split())
    return found


def _text(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else None
    return None


_WRITTEN = {
    "Advertised": "HOST or HOST:PORT",
    "Collector": "udp:HOST:PORT",
    "HttpListen": "ADDRESS:PORT",
    "IPv4Network": "NETWORK",
    "IPv6Network": "NETWORK",
    "KeyPair": "CERTIFICATE:KEY",
    "Listen": "TRANSPORT:ADDRESS:PORT",
    "MailServer": "HOST or HOST:PORT",
    "PortRange": "FIRST-LAST",
}
"""The notation of values that have a type of their own."""
_SIMPLE = {bool: "true or false", int: "integer", float: "number", str: "text", Path: "path"}


def _type(field: FieldInfo) -> str:
    return _name(field.annotation) + _bounds(field.metadata)


def _name(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(str(choice) for choice in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_name(one) for one in arguments if one is not NoneType))
    if origin in (tuple, list, frozenset):
        return f"list of {_name(arguments[0])}" if arguments else "list"
    if origin is dict:
        return "table"
    if hasattr(annotation, "__metadata__"):
        return _name(arguments[0]) + _bounds(getattr(annotation, "__metadata__", ()))
    if isinstance(annotation, type):
        return _SIMPLE.get(annotation) or _WRITTEN.get(annotation.__name__, annotation.__name__)
    return str(annotation)


def _bounds(metadata: object) -> str:
    """The limits in Field(ge=..., le=...), in words."""
    low = high = None
    for item in metadata if isinstance(metadata, list | tuple) else ():
        for one in (item, *getattr(item, "metadata", ())):
            if isinstance(one, annotated_types.Ge):
                low = f"{one.ge}"
            elif isinstance(one, annotated_types.Gt):
                low = f"above {one.gt}"
            elif isinstance(one, annotated_types.Le):
                high = f"{one.le}"
    if low is None and high is None:
        return ""
    return f", {low or ''} to {high}" if high is not None else f", {low} or more"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return _toml(field.get_default(call_default_factory=True))


def _toml(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str() | Path():
            return f'"{value}"'
    named = getattr(value, "_fields", None)
    if named == ("first", "last"):
        first, last = getattr(value, "first", 0), getattr(value, "last", 0)
        return f'"{first}-{last}"'
    if isinstance(value, tuple | list | frozenset) and named is None:
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return f'"{value}"'
