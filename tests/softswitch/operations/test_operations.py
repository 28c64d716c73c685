"""Operations on a database of their own: accounts, lines, trunks, tariffs, records."""

from __future__ import annotations

import asyncio
import contextlib
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from billing.facts.authorization import WriteCdr
from billing.facts.cdr import Cdr
from billing.stores.schema import metadata
from billing.stores.store import Store
from sip.digest import Algorithm, ha1
from sip.flow import Flow
from sip.registrar import Binding
from softswitch.config.config import ConfigError
from softswitch.control.errors import OperationError
from softswitch.control.protocol import Perform
from softswitch.database import schema
from softswitch.operations import dispatch
from softswitch.operations.accounts import accounts, statements
from softswitch.operations.calls import records
from softswitch.operations.context import Context, Reload, submitting
from softswitch.operations.dispatch import Dispatcher, LiveOperations
from softswitch.operations.installation import demo_data, setup
from softswitch.operations.lines import line_table, lines, registrations
from softswitch.operations.money import packages
from softswitch.operations.network import trunks
from softswitch.operations.tariffs import tariffs

CONFIGURATION = setup.configuration_text(
    domain="sip.example.org",
    address="127.0.0.1",
    port=5060,
    country="GE",
    currency="GEL",
    time_zone="Asia/Tbilisi",
)
HEADER = "prefix,destination,connect_fee,per_minute,initial_increment,increment"
NOW = 1_780_000_000_000


def refusal(operation: Callable[..., Any], *arguments: Any, **named: Any) -> OperationError:
    with pytest.raises(OperationError) as caught:
        operation(*arguments, **named)
    assert "\n" not in caught.value.message
    return caught.value


def changed(context: Context) -> tuple[set[int], set[int], set[str], bool]:
    found = context.changes
    return found.lines, found.accounts, found.tariffs, found.trunks


class TestSetup:
    def test_secrets_are_for_the_owner_only(self, empty_switch: Path) -> None:
        for name in ("nonce.secret", "softswitch.db"):
            assert stat.S_IMODE((empty_switch / "var" / name).stat().st_mode) == 0o600
        assert stat.S_IMODE((empty_switch / "var").stat().st_mode) == 0o700

    def test_a_second_init_keeps_everything(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        secret = setup.nonce_secret(context.config)
        rows = setup.init(context.config.path, "this is never read", lambda context: None)
        assert {row["result"] for row in rows} == {"kept"}
        assert setup.nonce_secret(context.config) == secret
        assert [row["name"] for row in accounts.account_list(context)] == ["Ana"]

    def test_an_init_that_fails_leaves_no_configuration(self, tmp_path: Path) -> None:
        def fail(context: Context) -> None:
            raise OperationError("file_not_written", path="x", reason="the disk is full")

        refusal(setup.init, tmp_path / "softswitch.toml", CONFIGURATION, fail)
        assert not (tmp_path / "softswitch.toml").exists()
        setup.init(tmp_path / "softswitch.toml", CONFIGURATION, demo_data.create)
        config = setup.load(tmp_path / "softswitch.toml")
        assert [line.login for line in demo_data.read(config)] == [
            "995322000001",
            "995322000002",
            "995322000003",
        ]

    def test_the_demo_passwords_are_the_lines_own(self, tmp_path: Path) -> None:
        setup.init(tmp_path / "softswitch.toml", CONFIGURATION, demo_data.create)
        config = setup.load(tmp_path / "softswitch.toml")
        assert stat.S_IMODE(demo_data.file_of(config).stat().st_mode) == 0o600
        with setup.opened(config) as opened:
            for demo in demo_data.read(config):
                line = opened.directory.line_by_number(demo.number)
                assert line is not None
                assert len(demo.password) >= 16
                for algorithm in Algorithm:
                    expected = ha1(algorithm, demo.login, "sip.example.org", demo.password)
                    assert line.ha1[algorithm] == expected
                balance = accounts.account_show(opened, str(line.account_id))["balance"]
                assert balance == demo_data.BALANCE
            assert tariffs.tariff_quote(opened, "on_net")["price"] == "0.06"

    def test_a_changed_domain_is_told_before_every_password_fails(self, context: Context) -> None:
        path = context.config.path
        path.write_text(path.read_text().replace("sip.example.org", "other.example"))
        other = setup.load(path)
        error = refusal(dispatch.perform_directly, other, "line_list", {})
        assert "belong to the realm 'sip.example.org'" in error.message

    def test_a_database_that_is_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "softswitch.toml").write_text(CONFIGURATION)
        config = setup.load(tmp_path / "softswitch.toml")
        error = refusal(dispatch.perform_directly, config, "account_list", {})
        assert "softswitch.db isn't there: run `softswitch init`" in error.message

    def test_a_file_that_is_no_database(self, context: Context) -> None:
        context.config.database_file.write_bytes(b"not a database" * 1000)
        error = refusal(dispatch.perform_directly, context.config, "account_list", {})
        assert str(context.config.database_file) in error.message
        assert "not a database" in error.message

    def test_wrong_arguments_write_nothing(self, tmp_path: Path) -> None:
        text = CONFIGURATION.replace('"GE"', '"Georgia"')
        with pytest.raises(ConfigError, match="country"):
            setup.init(tmp_path / "softswitch.toml", text, lambda context: None)
        assert list(tmp_path.iterdir()) == []


class TestSchema:
    def test_the_migrations_make_the_tables_that_the_code_uses(self, context: Context) -> None:
        with context.billing.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []

    def test_the_same_on_postgresql(self, postgresql: str, tmp_path: Path) -> None:
        with contextlib.closing(Store(postgresql)) as server:
            autocommit = server.engine.execution_options(isolation_level="AUTOCOMMIT")
            with autocommit.connect() as connection:
                connection.exec_driver_sql("CREATE DATABASE migrated")
        url = postgresql.replace("/postgres?", "/migrated?")
        text = CONFIGURATION.replace("sqlite:///var/softswitch.db", url)
        setup.init(tmp_path / "softswitch.toml", text, demo_data.create)
        config = setup.load(tmp_path / "softswitch.toml")
        with setup.opened(config) as opened:
            with opened.billing.engine.connect() as connection:
                assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            assert schema.migrate(opened.billing.engine) is False
            names = [line.display_name for line in opened.directory.lines()]
            assert names == ["Ana", "Beka", "Cira"]
            assert records.ledger_verify(opened)["ok"]
            error = refusal(lines.line_add, opened, "0322000001", "Ana")
            assert "number +995322000001 has a line already" in error.message

    def test_current_is_the_newest_revision(self, context: Context) -> None:
        config = AlembicConfig()
        config.set_main_option("script_location", "softswitch.database:migrations")
        assert ScriptDirectory.from_config(config).get_heads() == [schema.CURRENT]
        assert schema.version(context.billing.engine) == schema.CURRENT
        assert schema.migrate(context.billing.engine) is False


class TestAccounts:
    def test_a_prepaid_account(self, context: Context) -> None:
        row = accounts.account_add(context, "Ana Beridze")
        assert {key: row[key] for key in ("id", "currency", "balance", "available", "status")} == {
            "id": 1,
            "currency": "GEL",
            "balance": "0.00",
            "available": "0.00",
            "status": "active",
        }
        assert changed(context)[1] == {1}

    def test_a_payment_counts_once(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        for _ in range(2):
            row = accounts.account_topup(context, "Ana", "12.345678", "cash-1")
            assert row["balance"] == "12.345678"
        assert "cash-1" in refusal(accounts.account_topup, context, "Ana", "1.00", "cash-1").message
        ledger = statements.account_ledger(context, "1")
        assert [(row["amount"], row["balance"], row["kind"]) for row in ledger] == [
            ("12.345678", "12.345678", "topup")
        ]

    def test_credit_and_postpaid(self, context: Context) -> None:
        add = accounts.account_add
        assert add(context, "A", credit_limit="5")["available"] == "5.00"
        assert add(context, "B", postpaid=True)["available"] == "unlimited"
        assert add(context, "C", postpaid=True, credit_limit="7.5")["available"] == "7.50"

    def test_accounts_are_called_by_id_or_unique_name(self, context: Context) -> None:
        for name in ("Ana", "Beka", "Beka"):
            accounts.account_add(context, name)
        assert accounts.account_show(context, "Ana")["id"] == 1
        assert accounts.account_show(context, "2")["name"] == "Beka"
        assert (
            "several accounts are named 'Beka': use an id (2, 3)"
            in refusal(accounts.account_show, context, "Beka").message
        )
        assert (
            "there is no account 'Nobody'"
            in refusal(accounts.account_show, context, "Nobody").message
        )

    @pytest.mark.parametrize(
        ("amount", "payment_id"),
        [("0", "p"), ("-1", "p"), ("1,5", "p"), ("1e3", "p"), ("1.0000001", "p"), ("", "p"),
         ("1", ""), ("1", "a b"), ("1", "x" * 129), ("٣", "p")],
    )  # fmt: skip
    def test_broken_payments(self, context: Context, amount: str, payment_id: str) -> None:
        accounts.account_add(context, "Ana")
        refusal(accounts.account_topup, context, "Ana", amount, payment_id)
        assert accounts.account_show(context, "Ana")["balance"] == "0.00"

    def test_properties_change(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        set_ = accounts.account_set
        assert set_(context, "Ana", "status", "suspended")["status"] == "suspended"
        assert set_(context, "Ana", "credit_limit", "3")["available"] == "3.00"
        assert set_(context, "Ana", "credit_limit", "unlimited")["available"] == "unlimited"
        tariffs.tariff_import(context, f"{HEADER}\n995,Georgia,0,0.10,1,1\n", name="gold")
        assert set_(context, "Ana", "tariff", "gold")["tariff"] == "gold"
        assert "did you mean 'status'?" in refusal(set_, context, "Ana", "stauts", "x").message
        refusal(set_, context, "Ana", "status", "asleep")

    @pytest.mark.parametrize("name", ["", "  ", "17", "a\nb", "x" * 129])
    def test_broken_names(self, context: Context, name: str) -> None:
        refusal(accounts.account_add, context, name)


class TestLines:
    @pytest.fixture(autouse=True)
    def _account(self, context: Context) -> None:
        accounts.account_add(context, "Ana")

    def test_a_line_and_its_secrets(self, context: Context) -> None:
        row = lines.line_add(context, "0322123456", "Ana", "secret")
        assert (row["number"], row["login"]) == ("+995322123456", "995322123456")
        assert "password" not in row
        line = context.directory.load().line_by_login("995322123456")
        assert line is not None
        for algorithm in Algorithm:
            assert line.ha1[algorithm] == ha1(
                algorithm, "995322123456", "sip.example.org", "secret"
            )
        assert changed(context)[0] == {row["id"]}

    def test_a_password_is_made_when_none_is_given(self, context: Context) -> None:
        first = lines.line_add(context, "+995322000001", "1")["password"]
        second = lines.line_add(context, "+995322000002", "1")["password"]
        assert len(first) >= 16
        assert first != second

    def test_what_is_taken(self, context: Context) -> None:
        lines.line_add(context, "+995322000001", "Ana", "x", login="ana")
        again = refusal(lines.line_add, context, "0322000001", "Ana", "x")
        assert again.message == "number +995322000001 has a line already"
        other = refusal(lines.line_add, context, "+995322000002", "Ana", "x", login="ana")
        assert "login 'ana' belongs to another line" in other.message

    @pytest.mark.parametrize(
        ("number", "login", "password"),
        [("12", None, "x"), ("alice", None, "x"), ("1111", None, "x"), ("112", None, "x"),
         ("+995322000001", "a b", "x"), ("+995322000001", "a@b", "x"),
         ("+995322000001", None, ""), ("+995322000001", None, "a\nb")],
    )  # fmt: skip
    def test_broken_lines(
        self, context: Context, number: str, login: str | None, password: str
    ) -> None:
        refusal(lines.line_add, context, number, "Ana", password, login)
        assert lines.line_list(context) == []

    def test_settings(self, context: Context) -> None:
        lines.line_add(context, "+995322000001", "Ana", "x")
        set_ = lines.line_set
        shown = set_(context, "+995322000001", "algorithms", "md5, SHA-256")
        assert shown["algorithms"] == ["MD5", "SHA-256"]
        assert set_(context, "995322000001", "algorithms", "")["algorithms"] is None
        assert set_(context, "322000001", "no_answer_seconds", "25")["no_answer_seconds"] == 25
        assert set_(context, "322000001", "max_calls", "2")["max_calls"] == 2
        assert set_(context, "322000001", "display_name", "ანა")["display_name"] == "ანა"
        unknown = refusal(set_, context, "322000001", "max_cals", "2")
        assert unknown.message == "a line has no setting 'max_cals'; did you mean 'max_calls'?"
        for key, value in (("max_calls", "two"), ("no_answer_seconds", "0"), ("algorithms", "X")):
            refusal(set_, context, "322000001", key, value)

    def test_messages_in_the_mailbox(self, context: Context) -> None:
        lines.line_add(context, "+995322000001", "Ana", "x")
        assert lines.line_show(context, "322000001")["waiting"] is None
        for value, shown in (("2/5", "2/5"), ("3", "3/0"), ("", None)):
            lines.line_set(context, "322000001", "waiting", value)
            assert lines.line_show(context, "322000001")["waiting"] == shown
        for value in ("yes", "2/", "-1", "2/5/1", "٣", "100000"):
            refusal(lines.line_set, context, "322000001", "waiting", value)

    def test_a_new_password_replaces_every_digest(self, context: Context) -> None:
        lines.line_add(context, "+995322000001", "Ana", "x")
        lines.line_set(context, "+995322000001", "password", "y")
        line = context.line("+995322000001")
        assert line.ha1[Algorithm("MD5")] == ha1(
            Algorithm("MD5"), "995322000001", "sip.example.org", "y"
        )

    def test_a_setting_takes_back_nothing_that_the_phone_sets_meanwhile(
        self, context: Context
    ) -> None:
        lines.line_add(context, "+995322000001", "Ana", "x")
        before = context.line("+995322000001")
        context.directory.set_pin(before.id, "kept")
        context.directory.save_line(before, replace(before, max_calls=2))
        after = context.line("+995322000001")
        assert (after.pin, after.max_calls) == ("kept", 2)

    def test_suspend_resume_remove(self, context: Context) -> None:
        lines.line_add(context, "+995322000001", "Ana", "x")
        assert lines.line_suspend(context, "322000001")["status"] == "suspended"
        assert context.line("322000001").status == "suspended"
        assert lines.line_resume(context, "322000001")["status"] == "active"
        lines.line_remove(context, "322000001")
        assert "there is no line" in refusal(lines.line_show, context, "322000001").message

    def test_import_of_all_lines(self, context: Context) -> None:
        text = (
            "number,login,password,account\n"
            "+995322000001,ana,secret,Ana\n"
            "\n"
            "0322000002,,,1\n"
            '"+995 322 000 003","cira","a,b",1\n'
        )
        dry = line_table.line_import(context, text, dry_run=True)
        assert dry == {"lines": 3, "imported": 0}
        assert lines.line_list(context) == []
        done = line_table.line_import(context, text)
        assert done["imported"] == 3
        assert [row["number"] for row in done["generated_passwords"]] == ["+995322000002"]
        assert [row["login"] for row in lines.line_list(context)] == [
            "ana",
            "995322000002",
            "cira",
        ]

    def test_import_is_all_or_nothing_and_names_every_fault(self, context: Context) -> None:
        lines.line_add(context, "+995322000009", "Ana", "x")
        text = (
            "number,login,password,account\n"
            "+995322000001,ana,secret,Ana\n"
            "12,,x,Ana\n"
            "+995322000002,ana,x,Ana\n"
            "+995322000003,,x,Nobody\n"
            "+995322000009,,x,Ana\n"
            "+995322000004,,x,Ana,extra\n"
        )
        error = refusal(line_table.line_import, context, text)
        assert error.message.startswith("nothing was imported: 5 faults")
        assert [line.split(":")[0] for line in error.lines] == [
            f"line {number}" for number in (3, 4, 5, 6, 7)
        ]
        assert len(lines.line_list(context)) == 1

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("", "column number is missing"), ("number,login\n", "column account is missing"),
         ("number,account,passwd\n", "unknown column 'passwd'"),
         ('number,account\n"+995322000001,1\n', "line 2: ")],
    )  # fmt: skip
    def test_broken_files(self, context: Context, text: str, expected: str) -> None:
        assert expected in refusal(line_table.line_import, context, text).lines[0]

    def test_an_import_of_thousands_is_one_transaction(self, context: Context) -> None:
        rows = "".join(f"+99532{number:07},,secret,1\n" for number in range(3000))
        result = line_table.line_import(context, "number,login,password,account\n" + rows)
        assert result == {"lines": 3000, "imported": 3000}
        assert len(changed(context)[0]) == 3000
        assert len(context.reload().lines) == 3000


class TestTrunks:
    def test_a_trunk(self, context: Context) -> None:
        row = trunks.trunk_add(
            context,
            "carrier",
            "sip:192.0.2.1:5080",
            prefixes=["+995", "7", "995"],
            username="u",
            password="p",
            inbound_from=["192.0.2.0/24", "192.0.2.1:5080"],
            priority=10,
        )
        assert row["prefixes"] == ["995", "7"]
        assert "password" not in row
        (trunk,) = context.directory.load().trunks_for("995322")
        assert (trunk.target, trunk.password, trunk.priority) == ("sip:192.0.2.1:5080", "p", 10)
        assert changed(context)[3]
        assert "already" in refusal(trunks.trunk_add, context, "carrier", "sip:h").message

    def test_without_prefix_it_takes_every_number(self, context: Context) -> None:
        assert trunks.trunk_add(context, "all", "sip:gw.example.net")["prefixes"] == ["any"]
        assert len(context.directory.load().trunks_for("4930123456")) == 1

    @pytest.mark.parametrize(
        "target",
        ["sip:sip.example.org", "sip:127.0.0.1:5060", "sip:LOCALHOST", "sip:sip.example.org."],
    )
    def test_one_that_leads_to_this_switch_is_refused(self, context, target):
        assert "is this switch itself" in refusal(trunks.trunk_add, context, "loop", target).message
        trunks.trunk_add(context, "gateway", "sip:127.0.0.1:5062")  # beside it on the machine
        refused = refusal(trunks.trunk_set, context, "gateway", "target", target)
        assert refused.code == "trunk_target_self"

    def test_contact_and_caller_id_are_set_and_shown(self, context):
        row = trunks.trunk_add(context, "nat", "sip:gw.example.net")
        assert (row["contact"], row["caller_id"]) == ("auto", "numbers")
        trunks.trunk_set(context, "nat", "contact", "source")
        trunks.trunk_set(context, "nat", "caller_id", "any")
        row = trunks.trunk_show(context, "nat")
        assert (row["contact"], row["caller_id"]) == ("source", "any")
        assert "auto, source" in refusal(trunks.trunk_set, context, "nat", "contact", "x").message

    def test_a_trunk_moves_to_other_addresses_and_numbers(self, context: Context) -> None:
        trunks.trunk_add(context, "carrier", "sip:gw.example.net", username="u", password="p")
        for key, value in (
            ("target", "sip:192.0.2.9:5070"),
            ("prefixes", "+49, 43"),
            ("inbound_from", "192.0.2.9 198.51.100.0/24"),
            ("password", "another"),
        ):
            trunks.trunk_set(context, "carrier", key, value)
        (trunk,) = context.directory.load().trunks_for("4930")
        assert (trunk.target, trunk.password) == ("sip:192.0.2.9:5070", "another")
        assert list(map(str, trunk.inbound_from)) == ["192.0.2.9", "198.51.100.0/24"]
        assert trunks.trunk_set(context, "carrier", "prefixes", "")["prefixes"] == ["any"]
        refusal(trunks.trunk_set, context, "carrier", "target", "http://x")
        refusal(trunks.trunk_set, context, "carrier", "password", "")

    def test_nobody_is_a_trunk_because_he_is_somewhere(self, context: Context) -> None:
        for everywhere in ("0.0.0.0/0", "::/0"):
            told = refusal(
                trunks.trunk_add, context, "all", "sip:h", inbound_from=[everywhere]
            ).message
            assert "calls from everywhere" in told

    def test_a_prefix_as_it_is_dialled_begins_no_number(self, context: Context) -> None:
        says = "prefix '0049' begins no number: write '49'"
        assert refusal(trunks.trunk_add, context, "a", "sip:h", prefixes=["0049"]).message == says
        assert refusal(packages.destination_set, context, "de", ["!0049"]).message == says
        sheet = f"{HEADER}\n0049,Germany,0,0.10,1,1\n"
        assert says in refusal(tariffs.tariff_import, context, sheet).lines[0]
        trunks.trunk_add(context, "sos", "sip:h", prefixes=["000"])  # Australia's 112

    def test_suspend_and_remove(self, context: Context) -> None:
        trunks.trunk_add(context, "all", "sip:gw.example.net")
        assert trunks.trunk_suspend(context, "all")["status"] == "suspended"
        assert context.directory.load().trunks_for("49") == ()
        assert trunks.trunk_resume(context, "all")["status"] == "active"
        trunks.trunk_remove(context, "all")
        assert trunks.trunk_list(context) == []
        assert "there is no trunk 'all'" in refusal(trunks.trunk_remove, context, "all").message

    def test_settings_of_a_trunk(self, context: Context) -> None:
        added = trunks.trunk_add(context, "all", "sip:gw.example.net", password="p", username="u")
        assert (added["trusted"], added["ping_seconds"]) == (False, None)
        for key, value, shown in (
            ("trusted", "yes", True), ("ping_seconds", "0", 0), ("ping_seconds", "", None),
            ("priority", "7", 7), ("max_calls", "30", 30), ("max_calls", "", None),
        ):  # fmt: skip
            context.changes.trunks = False
            assert trunks.trunk_set(context, "all", key, value)[key] == shown
            assert context.changes.trunks and trunks.trunk_show(context, "all")[key] == shown
        (trunk,) = context.directory.load().trunks()
        assert (trunk.trusted, trunk.priority, trunk.password) == (True, 7, "p")
        assert "password" not in trunks.trunk_show(context, "all")
        for key, value in (("trusted", "1"), ("ping_seconds", "9"), ("priority", ""), ("max", "1")):
            refusal(trunks.trunk_set, context, "all", key, value)
        refusal(trunks.trunk_set, context, "none", "priority", "1")
        refusal(trunks.trunk_show, context, "none")

    @pytest.mark.parametrize(
        "broken",
        [{"target": "gw.example.net"}, {"target": "tel:+995"}, {"target": "sips:gw;transport=udp"},
         {"target": "sip:gw;transport=ws"}, {"inbound_certificates": ["a b"]},
         {"prefixes": ["99a"]}, {"inbound_from": ["gw"]}, {"username": "u"}, {"name": "a b"}],
    )  # fmt: skip
    def test_broken_trunks(self, context: Context, broken: dict[str, Any]) -> None:
        refusal(trunks.trunk_add, context, **({"name": "t", "target": "sip:gw"} | broken))
        assert trunks.trunk_list(context) == []


class TestTariffs:
    OLD = f"{HEADER}\n995,Georgia,0,0.10,1,1\n7,Russia,0,0.40,60,60\n49,Germany,0,0.35,1,1\n"

    def test_import_and_its_dry_run(self, context: Context) -> None:
        dry = tariffs.tariff_import(context, self.OLD, dry_run=True)
        assert (dry["new"], dry["imported"]) == (3, 0)
        assert tariffs.tariff_list(context) == []
        tariffs.tariff_import(context, self.OLD)
        assert changed(context)[2] == {"default"}
        again = tariffs.tariff_import(
            context, f"{HEADER}\n995,Georgia,0,0.12,1,1\n7,Russia,0,0.30,60,60\n1,USA,0,1,1,1\n"
        )
        assert {row["change"]: row["prefix"] for row in again["changes"]} == {
            "new": "1",
            "up": "995",
            "down": "7",
            "closed": "49",
        }
        assert [row["prefix"] for row in tariffs.tariff_show(context)] == ["1", "7", "995"]

    def test_A12_international_calls_follow_the_published_tariff(self, context: Context) -> None:
        tariffs.tariff_import(context, self.OLD)
        quote = tariffs.tariff_quote
        assert quote(context, "+79161234567", seconds=61)["price"] == "0.80"
        assert quote(context, "+4930123456", seconds=60)["price"] == "0.35"

    def test_rates_to_come_leave_those_in_force(self, context: Context) -> None:
        tariffs.tariff_import(context, self.OLD)
        tariffs.tariff_import(
            context, f"{HEADER},effective_from\n995,Georgia,0,0.20,1,1,2030-01-01\n"
        )
        quote = tariffs.tariff_quote
        assert quote(context, "+995322000001")["price"] == "0.10"
        assert quote(context, "+995322000001", at="2030-01-02")["price"] == "0.20"
        assert quote(context, "+4930123456")["price"] == "0.35"

    def test_broken_lines_import_nothing(self, context: Context) -> None:
        error = refusal(
            tariffs.tariff_import,
            context,
            f"{HEADER}\n995,Georgia,0,0.10,1,1\nabc,Nowhere,0,0.1,1,1\n7,Russia,0,cheap,1,1\n",
            file_name="prices.csv",
        )
        assert [line.split(":")[:2] for line in error.lines] == [
            ["prices.csv", " line 3"],
            ["prices.csv", " line 4"],
        ]
        assert tariffs.tariff_list(context) == []

    def test_quotes(self, context: Context) -> None:
        tariffs.tariff_import(context, self.OLD)
        row = tariffs.tariff_quote(context, "+74951234567", seconds=61)
        assert (row["prefix"], row["billed_seconds"], row["price"]) == ("7", 120, "0.80")
        refusal(tariffs.tariff_quote, context, "+12025550123")
        refusal(tariffs.tariff_quote, context, "+995322000001", name="gold")


def record(call_id: str, setup_at: int, **facts: Any) -> Cdr:
    given: dict[str, Any] = {
        "leg": "a", "direction": "internal", "type": "on_net", "account": 1,
        "line": "+995322000001", "calling": "+995322000001", "called": "+995322000002",
        "called_dialled": "0322000002", "presented": None, "trunk": None, "ringing_at": None,
        "answered_at": None, "ended_at": setup_at + 1000, "ring_ms": 0, "duration_ms": 0,
        "sip_status": 486, "cause": 17, "ended_by": "callee",
    }  # fmt: skip
    return Cdr(call_id=call_id, setup_at=setup_at, **(given | facts))


class TestRecords:
    @pytest.fixture(autouse=True)
    def _records(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        accounts.account_add(context, "Beka")
        context.apply(
            [
                WriteCdr(record("one", NOW)),
                WriteCdr(record("two", NOW + 60_000, account=2, type="international",
                                called="+79161234567")),
                WriteCdr(record("three", NOW + 120_000, called="nonsense")),
            ]
        )  # fmt: skip

    def found(self, context: Context, **wanted: Any) -> list[str]:
        return [row["call_id"] for row in records.cdr_list(context, **wanted)]

    def test_filters(self, context: Context) -> None:
        assert self.found(context) == ["one", "two", "three"]
        assert self.found(context, account="Beka") == ["two"]
        assert self.found(context, kind="on_net") == ["one", "three"]
        assert self.found(context, number="0322000002") == ["one"]
        assert self.found(context, number="nonsense") == ["three"]
        assert self.found(context, since="2026-05-28T20:27:00Z") == ["two", "three"]
        assert self.found(context, until="2026-05-29T00:27:00") == ["one"]
        assert self.found(context, since="2026-05-30") == []
        assert "is no time" in refusal(records.cdr_list, context, since="yesterday").message

    def test_exports(self, context: Context) -> None:
        for name in ("asterisk", "freeswitch", "acc", "cgrates"):
            text = records.cdr_export(context, format=name)
            assert len(text.splitlines()) == 3 + (name in ("acc", "cgrates"))

    def test_the_ledger_verifies(self, context: Context) -> None:
        assert records.ledger_verify(context) == {"accounts": 2, "ok": True, "differences": []}
        with context.billing.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE accounts SET balance_micros = 5 WHERE id = 1")
        result = records.ledger_verify(context)
        assert not result["ok"]
        assert result["differences"][0]["found"] == "0.000005"


class TestRegistrations:
    def binding(self, **facts: Any) -> Binding:
        given: dict[str, Any] = {
            "aor": "995322000001",
            "contact": b"sip:ana@192.0.2.7:5060",
            "call_id": "abc\udcff",
            "cseq": 7,
            "q": 0.5,
            "expires_at": NOW / 1000 + 60,
            "flow": Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 40000)),
            "instance": "<urn:uuid:\udcfe>",
            "user_agent": "Phone \udcfd 1",
            "registered_at": NOW / 1000,
            "path": (b"<sip:edge;lr>", b"<sip:edge2;lr>"),
        }
        return Binding(**(given | facts))

    def test_bindings_come_back_as_they_were(self, context: Context) -> None:
        kept = self.binding()
        context.directory.save_bindings({kept.aor: [kept, self.binding(contact=b"sip:b@h")]})
        context.directory.save_bindings({kept.aor: [kept]})
        (back,) = context.directory.bindings(NOW / 1000)
        assert msgspec.structs.replace(back, user_agent="") == msgspec.structs.replace(
            kept, user_agent=""
        )
        assert back.user_agent == "Phone ? 1"
        assert context.directory.bindings(NOW / 1000 + 61) == []
        context.directory.save_bindings({kept.aor: []})
        assert context.directory.bindings(NOW / 1000) == []

    def test_switches_on_one_database_keep_to_their_own(self, context: Context) -> None:
        phone, other = self.binding(), self.binding(contact=b"sip:b@h")
        store = context.directory

        def at(node: str) -> set[bytes]:
            return {binding.contact for binding in store.bindings(NOW / 1000, node)}

        store.save_bindings({phone.aor: [phone]}, "one")
        store.save_bindings({phone.aor: [other]}, "two")
        assert (at("one"), at("two")) == ({phone.contact}, {other.contact})
        assert len(store.bindings(NOW / 1000)) == 2
        store.save_bindings({phone.aor: [phone, other]}, "two")  # the phone has moved there
        assert (at("one"), at("two")) == (set(), {phone.contact, other.contact})
        store.save_bindings({phone.aor: []}, "one")
        assert at("two") == {phone.contact, other.contact}

    def test_they_are_listed(self, context: Context) -> None:
        accounts.account_add(context, "Ana")
        lines.line_add(context, "+995322000001", "Ana", "x")
        context.directory.save_bindings({"995322000001": [self.binding()]})
        (row,) = registrations.registration_list(context)
        assert row["number"] == "+995322000001"
        assert row["source"] == "198.51.100.7:40000"
        assert row["expires_in_seconds"] == 60


class TestServer:
    def test_operations_run_beside_the_loop_and_money_through_its_writer(
        self, context: Context
    ) -> None:
        reloads: list[Reload] = []
        threads: set[str] = set()

        async def serve() -> None:
            async def submit(command: Any) -> Any:
                threads.add(threading.current_thread().name)
                (result,) = context.billing.apply([command])
                if isinstance(result, Exception):
                    raise result
                return result

            through = replace(context, apply=submitting(asyncio.get_running_loop(), submit))
            dispatcher = Dispatcher(through, LiveOperations(None, {}), reloads.append)

            async def perform(operation: str, **arguments: object) -> Any:
                return await dispatcher.perform(Perform(operation, arguments), user_id=0)

            row = await perform("account_add", name="Ana")
            assert row["id"] == 1
            await perform("line_add", number="+995322000001", account="Ana", password="x")
            assert (await perform("line_list"))[0]["login"] == "995322000001"
            await perform("account_topup", account="Ana", amount="5", payment_id="p")
            with pytest.raises(OperationError, match="p"):
                await perform("account_topup", account="Ana", amount="6", payment_id="p")
            await perform("trunk_add", name="t", target="sip:gw.example.net")
            await perform("tariff_import", text=TestTariffs.OLD)
            await perform("line_remove", number="+995322000001")

        asyncio.run(serve())
        assert threads == {threading.main_thread().name}
        added_account, added_line, topped_up, added_trunk, imported, removed = reloads
        assert [account.id for account in topped_up.accounts] == [1]
        assert [account.name for account in added_account.accounts] == ["Ana"]
        assert [line.number for line in added_line.lines] == ["+995322000001"]
        assert added_trunk.trunks is not None
        assert [trunk.name for trunk in added_trunk.trunks] == ["t"]
        assert [tariff.name for tariff in imported.tariffs] == ["default"]
        directory = context.directory.load()
        added_line.put_into(directory)
        added_trunk.put_into(directory)
        assert directory.line_by_login("995322000001") is not None
        removed.put_into(directory)
        assert directory.line_by_login("995322000001") is None
