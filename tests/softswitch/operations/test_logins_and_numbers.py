"""What a login may look like, and which line a text names."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.control.errors import OperationError
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.installation import setup
from softswitch.operations.lines import line_table, lines
from softswitch.operations.numbers import moves

ANA = "+995322000001"


def test_a_login_that_reads_as_another_number_is_refused(context: Context) -> None:
    accounts.account_add(context, "Ana")
    lines.line_add(context, ANA, "Ana")
    for login in ("+995322000001", "995322000001", "0322000001"):
        with pytest.raises(OperationError) as refused:
            lines.line_add(context, "+995322000002", "Ana", login=login)
        assert refused.value.code == "login_is_number", login
    text = "number,login,account\n+995322000003,+995322000001,1\n"
    with pytest.raises(OperationError) as refused:
        line_table.line_import(context, text)
    assert "reads as +995322000001" in refused.value.lines[0]
    row = lines.line_add(context, "+995322000002", "Ana", login="+995322000002")
    assert row["login"] == "+995322000002"
    assert lines.line_add(context, "+995322000004", "Ana", login="nino")["login"] == "nino"


def test_a_number_is_looked_up_before_a_login(context: Context) -> None:
    """A line that changed its number keeps its login, which may be another's number today."""
    accounts.account_add(context, "Ana")
    lines.line_add(context, ANA, "Ana")
    moves.number_change(context, ANA, "+995322000005", announce="1 day")
    assert context.line("995322000001").number == "+995322000005"
    line = lines.add_ported(context, ANA, "1", login="beka")
    for text in (ANA, "995322000001", "0322000001"):
        assert context.line(text).id == line["id"]


def test_an_extension_is_a_login_where_numbers_have_any_length(tmp_path: Path) -> None:
    """In Germany 1001 reads as +491001."""
    configuration = setup.configuration_text(
        domain="sip.example.org", address="127.0.0.1", port=5060, country="DE", currency="EUR",
        time_zone="Europe/Berlin",
    )  # fmt: skip
    setup.init(tmp_path / "softswitch.toml", configuration, lambda context: None)
    with setup.opened(setup.load(tmp_path / "softswitch.toml")) as context:
        accounts.account_add(context, "Ana")
        assert lines.line_add(context, "+4930123456", "1", login="1001")["login"] == "1001"
        assert context.line("1001").number == "+4930123456"
        with pytest.raises(OperationError) as refused:
            lines.line_add(context, "+4930123457", "1", login="4930123456")
        assert refused.value.code == "login_is_number"
        lines.line_add(context, "+491002", "1")
        with pytest.raises(OperationError) as refused:
            lines.line_add(context, "+4930123458", "1", login="1002")
        assert refused.value.code == "login_is_number"
