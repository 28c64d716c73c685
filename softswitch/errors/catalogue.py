"""The catalogue of errors: every code that an operation or a refused call can have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from softswitch.errors.accounts import ACCOUNTS
from softswitch.errors.calls import CALLS
from softswitch.errors.devices import DEVICES
from softswitch.errors.entry import Entry
from softswitch.errors.installation import INSTALLATION
from softswitch.errors.lines import LINES
from softswitch.errors.money import MONEY
from softswitch.errors.network import NETWORK
from softswitch.errors.numbers import NUMBERS
from softswitch.errors.refusals import REFUSALS
from softswitch.errors.rights import RIGHTS
from softswitch.errors.sms import SMS
from softswitch.errors.values import VALUES

CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {
        **ACCOUNTS,
        **CALLS,
        **DEVICES,
        **INSTALLATION,
        **LINES,
        **MONEY,
        **NETWORK,
        **NUMBERS,
        **REFUSALS,
        **RIGHTS,
        **SMS,
        **VALUES,
    }
)
"""By code."""

PAGE_HEAD = """# Errors

Every code that an operation or a refused call can have, as the control socket, the log, the metric
`softswitch_call_refusals_total` and `cdr list` name it, with its sentence. The kind says what a
client may do: `invalid`, `not_found` and `conflict` need another request, `unavailable` may pass.

| code | kind | sentence |
|---|---|---|
"""


def page() -> str:
    """docs/errors.md."""
    rows = (
        f"| `{code}` | {entry.kind} | {entry.text.replace('|', chr(92) + '|')} |\n"
        for code, entry in sorted(CATALOGUE.items())
    )
    return PAGE_HEAD + "".join(rows)
