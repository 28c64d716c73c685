"""Torture messages: what each is, and how it is to be treated.

Two sources: messages of our own in :mod:`retyped`, which are always there, and the verbatim ones of
RFC 4475 and RFC 5118, which are read from a folder beside the project if it is there.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import retyped

PROJECT = Path(__file__).parents[2]
SUITES = Path(os.environ.get("SOFTSWITCH_TORTURE_SUITES", PROJECT.parent / "shared" / "suites"))
"""Holds a folder for each RFC, with expected.json and the messages that it names."""


@dataclass(frozen=True)
class Case:
    """A message and its treatment.

    Args:
        expect: "accept": served, never answered with 400; "reject": answered with one of `codes`;
            "either": refused with one of them, dropped, or served as if it were sound; "drop":
            never answered, as is every response.
    """

    name: str
    data: bytes
    expect: str
    codes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def is_response(self) -> bool:
        return self.data[:4].upper() == b"SIP/"


def judge(case: Case, statuses: list[int], *, taken: bool = False) -> None:
    """Hold what became of a message against what should.

    Args:
        statuses: of the answers.
        taken: whether it was left to the user to answer it.
    """
    finals = [status for status in statuses if status >= 200]
    outcome = f"{case.name}: answered {statuses}, taken: {taken}"
    assert len(finals) + taken <= 1, outcome
    if case.is_response or case.expect == "drop":
        assert not statuses and not taken, outcome
    elif case.expect == "reject":
        assert finals and finals[0] in case.codes, outcome
    elif case.expect == "accept":
        assert taken or finals, outcome
        assert not finals or finals[0] in case.codes or _is_service(finals[0]), outcome
    else:
        assert not finals or finals[0] in case.codes or _is_service(finals[0]), outcome


def _is_service(status: int) -> bool:
    """An answer to what the request asks for, not to how it is written."""
    return status < 500 and status not in (400, 416, 420)


def own() -> list[Case]:
    """Each with a branch and a Call-ID of its own, so that none repeats another."""
    return [
        Case(name, _told_apart(data, index), expect, codes)
        for index, (name, data, expect, codes) in enumerate(retyped.MESSAGES)
    ]


def _told_apart(data: bytes, index: int) -> bytes:
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.replace(b"z9hG4bKtorture", b"z9hG4bKtorture%d" % index)
    return head.replace(b": torture-", b": torture%d-" % index) + b"\r\n\r\n" + body


def verbatim() -> list[Case]:
    """Those of the RFCs; none if the folder isn't there."""
    return [
        Case(row["name"], (listing.parent / row["file"]).read_bytes(), row["expect"],
             tuple(row["codes"]))
        for listing in sorted(SUITES.glob("*/expected.json"))
        for row in json.loads(listing.read_text())
    ]  # fmt: skip


MISSING = f"the RFCs' own torture messages are not in {SUITES} (SOFTSWITCH_TORTURE_SUITES)"
