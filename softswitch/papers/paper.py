"""The content of a paper, and the layout of all papers as HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from softswitch.papers.numerals import digits
from softswitch.papers.words import RIGHT_TO_LEFT, isolated

FONTS = '"Noto Sans", "Noto Sans Georgian", "Noto Sans Arabic", "DejaVu Sans", sans-serif'
"""Noto Naskh Arabic isn't among them: it draws the Persian digits 4, 6 and 7 in other shapes."""
_STYLE = f"""
@page {{ size: A4; margin: 20mm 18mm; @bottom-center {{
  content: counter(page, NUMERALS) " / " counter(pages, NUMERALS);
  font: 8pt {FONTS}; color: #666 }} }}
body {{ font: 9.5pt/1.45 {FONTS}; color: #111 }}
h1 {{ font-size: 16pt; margin: 0 0 2mm }}
.mark {{ color: #a00; font-size: 13pt; font-weight: bold; margin: 0 0 3mm }}
table {{ border-collapse: collapse; width: 100%; margin: 4mm 0 }}
th, td {{ text-align: start; padding: 1.2mm 2mm; vertical-align: top }}
.list th {{ border-bottom: 0.4mm solid #333 }}
.list td {{ border-bottom: 0.1mm solid #bbb }}
.facts td:first-child {{ color: #555; width: 32% }}
.sums td:last-child, .list .n {{ text-align: end; white-space: nowrap }}
.sums tr:last-child td {{ font-weight: bold; border-top: 0.4mm solid #333 }}
.signatures td {{ padding-top: 16mm; width: 50% }}
"""


_LATIN = re.compile("[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; the columns from `numbers_from` on hold figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int = 1


@dataclass(frozen=True, slots=True)
class Paper:
    """The content of a paper, all of it in one language.

    Args:
        mark: printed prominently below the title.
        facts: names and values.
        sums: names and amounts; the last one is the total.
        words: a name, and the last sum in words.
        signatures: the signing parties.
    """

    language: str
    title: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Table] = ()
    sums: Sequence[tuple[str, str]] = ()
    mark: str = ""
    text: str = ""
    words: tuple[str, str] | None = None
    signatures: Sequence[str] = ()


def to_html(paper: Paper) -> str:
    """A self-contained page. Every value is isolated, so that a number within a right-to-left line
    keeps its own direction. A page has one form of digits; texts with Latin letters, such as an
    IBAN, stay as they are."""
    paper = _in_own_digits(paper)
    side = "rtl" if paper.language in RIGHT_TO_LEFT else "ltr"
    style = _STYLE.replace("NUMERALS", "persian" if paper.language == "fa" else "decimal")
    parts = [
        f'<!doctype html><html lang="{paper.language}" dir="{side}"><head><meta charset="utf-8">'
        f"<title>{escape(paper.title)}</title><style>{style}</style></head><body>",
        f"<h1>{escape(paper.title)}</h1>",
    ]
    if paper.mark:
        parts.append(f'<p class="mark">{escape(paper.mark)}</p>')
    parts.append(_pairs("facts", paper.facts))
    if paper.text:
        parts.append(f"<p>{escape(paper.text)}</p>")
    parts += [_list(table) for table in paper.tables]
    parts.append(_pairs("sums", paper.sums))
    if paper.words is not None:
        name, text = paper.words
        parts.append(f'<p class="words">{escape(name)}: {_isolated(text)}</p>')
    if paper.signatures:
        cells = "".join(f"<td>____________________<br>{escape(x)}</td>" for x in paper.signatures)
        parts.append(f'<table class="signatures"><tr>{cells}</tr></table>')
    parts.append("</body></html>")
    return "\n".join(parts)


def _in_own_digits(paper: Paper) -> Paper:
    """The paper with the digits of its language in every value."""

    def own(text: str) -> str:
        return text if _LATIN.search(text) else digits(text, paper.language)

    tables = [
        Table(table.header, [tuple(map(own, row)) for row in table.rows], table.numbers_from)
        for table in paper.tables
    ]
    return replace(paper, facts=[(key, own(value)) for key, value in paper.facts], tables=tables)


def _pairs(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(key)}</td><td>{_isolated(value)}</td></tr>" for key, value in pairs
    )
    return f'<table class="{name}">{rows}</table>' if rows else ""


def _list(table: Table) -> str:
    def cells(row: Sequence[str], tag: str, show: bool) -> str:
        return "".join(
            f"<{tag}{' class=n' if place >= table.numbers_from else ''}>"
            f"{_isolated(cell) if show else escape(cell)}</{tag}>"
            for place, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td', True)}</tr>" for row in table.rows)
    head = cells(table.header, "th", False)
    return f'<table class="list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _isolated(text: str) -> str:
    return escape(isolated(text)) if text else ""
