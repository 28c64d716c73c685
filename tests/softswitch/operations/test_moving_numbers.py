"""Numbers that come, go, change or fall asleep (A11, A19, C7), and notices by e-mail (E3, E10)."""

from __future__ import annotations

import operating
import pytest
from operating import at, refused

from billing.facts.assignment import Assignments
from billing.facts.authorization import TopUp, WriteCdr
from billing.facts.calendar import Term
from billing.facts.cdr import Cdr
from billing.facts.sales import Notice, Tell
from billing.stores import sales_store, tariff_store
from softswitch.control.errors import OperationError
from softswitch.mail.outbox import Outbox
from softswitch.operations.accounts import accounts
from softswitch.operations.accounts.standing import account_history
from softswitch.operations.context import Context
from softswitch.operations.lines import line_table, lines
from softswitch.operations.money import packages
from softswitch.operations.numbers import moves, numbers
from softswitch.operations.tariffs import tariff_terms, tariffs
from softswitch.scheduled import notices
from softswitch.scheduled.due import DueSettings, first_looks, run_due
from softswitch.scheduled.number_moves import PORT_TRANSITIONS

ANA, NEW, FOREIGN = "+995322000001", "+995322000009", "+995443123456"
PRICES = """prefix,destination,connect_fee,per_minute,initial_increment,increment
44,Abroad,0,1,1,1
"""
ZONE = "Asia/Tbilisi"
SETTINGS = DueSettings("Telecom", "en", Term(10, "days"))


def later(context: Context, text: str) -> None:
    operating.later(context, text, SETTINGS)


@pytest.fixture
def anas(context: Context) -> Context:
    """Ana has a line, and it is 1 January 2027."""
    context.now_ms = lambda: at("2027-01-01T12:00+04:00")
    accounts.account_add(context, "Ana")
    accounts.account_set(context, "Ana", "email", "ana@example.org")
    lines.line_add(context, ANA, "Ana")
    return context


def mails(context: Context) -> list[tuple[str, str]]:
    return [(queued.mail.to, queued.mail.text) for queued in Outbox(context.billing.engine).list()]


class TestUnusedLines:
    @pytest.fixture(autouse=True)
    def _looked_for(self, anas: Context) -> None:
        from billing.facts.sales import EnsureWork

        for work in first_looks(anas.now_ms(), ZONE):
            anas.do(EnsureWork(work))

    def test_A11_an_unused_line_is_cancelled_and_rests(self, anas: Context) -> None:
        later(anas, "2027-01-02T00:00+04:00")  # from now on it is known
        later(anas, "2027-01-12T00:00+04:00")
        assert lines.line_show(anas, ANA)["status"] == "active"
        later(anas, "2027-01-13T00:00+04:00")
        row = lines.line_show(anas, ANA)
        assert (row["status"], row["rests_until"]) == ("closed", "2027-04-12T20:00:00.000Z")
        change = account_history(anas, "Ana")[-1]
        assert (change["who"], change["reason"]) == ("switch", "unused for 10 days")
        assert [to for to, text in mails(anas) if "cancelled" in text] == ["ana@example.org"]

    def test_A11_the_operator_restores_it(self, anas: Context) -> None:
        later(anas, "2027-01-02T00:00+04:00")
        assert "isn't in quarantine: it is active" in refused(moves.line_restore, anas, ANA)
        later(anas, "2027-01-15T00:00+04:00")
        assert lines.line_show(anas, ANA)["status"] == "closed"
        assert "is closed" in refused(lines.line_resume, anas, ANA)
        row = moves.line_restore(anas, ANA, "asked for it", "nino")
        assert (row["status"], row["rests_until"]) == ("active", None)
        change = account_history(anas, "Ana")[-1]
        assert (change["who"], change["reason"]) == ("nino", "asked for it")
        later(anas, "2027-01-20T00:00+04:00")
        assert lines.line_show(anas, ANA)["status"] == "active"

    @pytest.mark.parametrize("what", ["called", "calling", "payment", "rented"])
    def test_A11_a_line_that_is_used_stays(self, anas: Context, what: str) -> None:
        later(anas, "2027-01-02T00:00+04:00")
        used = at("2027-01-08T12:00+04:00")
        if what == "payment":
            anas.do(TopUp(1, 1_000_000, "p1", used))
        elif what == "rented":
            accounts.account_topup(anas, "Ana", "100", "p1")
            numbers.number_add(anas, "+4930000001", "DE", "landline", "1")
            numbers.rental_order(anas, "Ana", ANA, ["+4930000001"])
        else:
            sides = {"calling": FOREIGN, "called": FOREIGN} | {what: ANA}
            cdr = Cdr(
                "c", "a", "incoming", "national", None, None, sides["calling"], sides["called"],
                "0", None, None, used, None, None, used, 0, 0, 486, 17, "caller",
            )  # fmt: skip
            anas.do(WriteCdr(cdr))
        later(anas, "2027-01-18T00:00+04:00")
        assert lines.line_show(anas, ANA)["status"] == "active"
        later(anas, "2027-01-20T00:00+04:00")
        expected = "active" if what == "rented" else "closed"
        assert lines.line_show(anas, ANA)["status"] == expected

    def test_A11_without_a_period_nothing_is_cancelled(self, anas: Context) -> None:
        run_due(anas.billing, anas.apply, at("2027-02-01T00:00+04:00"), ZONE)
        assert lines.line_show(anas, ANA)["status"] == "active"

    def test_A11_done_twice_it_tells_once(self, anas: Context) -> None:
        later(anas, "2027-01-02T00:00+04:00")
        later(anas, "2027-01-12T00:00+04:00")
        run_due(anas.billing, lambda commands: [ValueError("crashed")] * len(commands),
                at("2027-01-13T00:00+04:00"), ZONE, SETTINGS)  # fmt: skip
        assert lines.line_show(anas, ANA)["status"] == "closed"
        assert not any("cancelled" in text for _, text in mails(anas))
        later(anas, "2027-01-14T00:00+04:00")
        assert len([text for _, text in mails(anas) if "cancelled" in text]) == 1


class TestPorting:
    def test_A19_a_number_comes_from_another_operator(self, anas: Context) -> None:
        order = moves.port_in(anas, FOREIGN, "Ana", "Silknet", "nino")
        assert (order["state"], order["direction"]) == ("requested", "in")
        advance = moves.port_advance
        assert "submitted" in refused(advance, anas, order["id"], "completed")
        advance(anas, order["id"], "submitted")
        assert "give it with --on" in refused(advance, anas, order["id"], "accepted")
        assert "is past" in refused(advance, anas, order["id"], "accepted", "2026-12-31")
        advance(anas, order["id"], "accepted", "2027-01-15")
        assert anas.directory.line_by_number(FOREIGN) is None
        row = advance(anas, order["id"], "completed")
        assert row["login"] == FOREIGN[1:] and len(row["password"]) >= 16
        line = anas.directory.line_by_number(FOREIGN)
        assert line is not None and line.account_id == 1
        assert moves.port_list(anas) == [] and len(moves.port_list(anas, closed=True)) == 1
        states = [c["to"] for c in account_history(anas, "Ana") if c["what"].startswith("port")]
        assert states == ["requested", "submitted", "accepted", "completed"]
        later(anas, "2027-01-16T00:00+04:00")
        assert any("is completed" in text for _, text in mails(anas))

    def test_A19_a_number_goes_and_is_never_given_away(self, anas: Context) -> None:
        order = moves.port_out(anas, ANA, "Magti")
        assert "port order" in refused(moves.port_out, anas, ANA, "Silknet")
        moves.port_advance(anas, order["id"], "accepted", "2027-01-15")
        moves.port_advance(anas, order["id"], "completed")
        assert anas.directory.line_by_number(ANA) is None
        assert "belongs to Magti" in refused(lines.line_add, anas, ANA, "Ana")
        back = moves.port_in(anas, ANA, "Ana", "Magti")
        moves.port_advance(anas, back["id"], "accepted", "2027-02-15")
        moves.port_advance(anas, back["id"], "completed")
        assert anas.directory.line_by_number(ANA) is not None

    def test_A19_every_state_leads_somewhere_or_is_the_end(self) -> None:
        assert {x for following in PORT_TRANSITIONS.values() for x in following} | {
            "requested"
        } == set(PORT_TRANSITIONS)

    def test_A19_what_is_refused(self, anas: Context) -> None:
        assert "has a line here" in refused(moves.port_in, anas, ANA, "Ana", "Silknet")
        assert "there is no line" in refused(moves.port_out, anas, FOREIGN, "Silknet")
        assert "name has 1 to 64" in refused(moves.port_out, anas, ANA, " ")
        assert "no port order 9" in refused(moves.port_advance, anas, 9, "accepted")


class TestNumberChange:
    def test_C7_a_line_gets_another_number(self, anas: Context) -> None:
        accounts.account_topup(anas, "Ana", "100", "p1")
        numbers.number_add(anas, "+4930000001", "DE", "landline", "1")
        numbers.rental_order(anas, "Ana", ANA, ["+4930000001"])
        packages.package_define(anas, "month", "3", "30 days", "all")
        packages.package_buy(anas, "Ana", "month", ANA)
        row = moves.number_change(anas, ANA, NEW, "30 days", "nino")
        assert (row["old"], row["new"]) == (ANA, NEW)
        line = anas.directory.line_by_number(NEW)
        assert line is not None and line.login == ANA[1:]  # its phones go on
        (subscription,) = packages.package_show(anas, "Ana")
        assert subscription["line"] == NEW
        (rented,) = numbers.number_list(anas, state="rented")
        assert rented["line"] == NEW
        assert "callers are told until" in refused(lines.line_add, anas, ANA, "Ana")
        assert account_history(anas, "Ana")[-1]["to"] == NEW

    def test_C7_callers_are_told_for_the_time_that_was_set(self, anas: Context) -> None:
        moves.number_change(anas, ANA, NEW, "30 days")
        assert anas.changes.moves
        assert anas.reload().changed_numbers == {ANA: NEW}
        later(anas, "2027-01-31T11:59+04:00")
        assert len(moves.number_changes(anas)) == 1
        later(anas, "2027-01-31T12:00+04:00")
        assert moves.number_changes(anas) == []
        lines.line_add(anas, ANA, "Ana", login="another")
        assert any(NEW in text for _, text in mails(anas))

    def test_C7_what_is_refused(self, anas: Context) -> None:
        lines.line_add(anas, NEW, "Ana")
        assert "has a line already" in refused(moves.number_change, anas, ANA, NEW)
        assert "is the line's number" in refused(moves.number_change, anas, ANA, ANA)
        assert "is no term" in refused(moves.number_change, anas, ANA, FOREIGN, "soon")

    def test_C7_and_back_again(self, anas: Context) -> None:
        moves.number_change(anas, ANA, NEW)
        later(anas, "2027-02-15T00:00+04:00")
        moves.number_change(anas, NEW, ANA)
        assert [(c["old"], c["new"]) for c in moves.number_changes(anas)] == [(NEW, ANA)]


class TestMails:
    def test_E3_an_email_tells_when_a_number_is_connected(self, anas: Context) -> None:
        accounts.account_topup(anas, "Ana", "100", "p1")
        accounts.account_set(anas, "Ana", "language", "ka")
        numbers.number_add(anas, "+4930000001", "DE", "landline", "1", city="Berlin")
        numbers.rental_order(anas, "Ana", ANA, country="DE", city="Berlin")
        assert mails(anas) == []
        for _ in range(2):
            later(anas, "2027-01-01T12:00+04:00")
        ((to, text),) = mails(anas)
        assert to == "ana@example.org"
        assert text == "თქვენი ნომერი +4930000001 ჩართულია.\n\nTelecom\n"

    def test_E10_an_email_tells_when_a_number_appears(self, anas: Context) -> None:
        numbers.number_wait(anas, "Ana", "DE", city="Berlin")
        numbers.number_add(anas, "+4930000001", "DE", "landline", "1", city="Berlin")
        later(anas, "2027-01-01T12:00+04:00")
        ((_, text),) = mails(anas)
        assert "is in stock: +4930000001" in text

    def test_a_notice_is_mailed_once_also_after_a_crash(self, anas: Context) -> None:
        anas.do(Tell(Notice("package_ended:p1:0", 1, "package_ended", "month", anas.now_ms())))
        broken = [ValueError("the disk is full")]
        run_due(anas.billing, lambda commands: broken * len(commands), anas.now_ms(), ZONE)
        later(anas, "2027-01-01T12:01+04:00")
        assert len(mails(anas)) == 1
        with anas.billing.reading() as connection:
            kinds = {work.kind for work in sales_store.due(connection, anas.now_ms(), 10)}
        assert "notice" not in kinds

    def test_who_gave_no_address_is_told_in_the_cabinet_only(self, anas: Context) -> None:
        accounts.account_set(anas, "Ana", "email", "")
        anas.do(Tell(Notice("x", 1, "package_ended", "month", anas.now_ms())))
        later(anas, "2027-01-01T12:01+04:00")
        assert mails(anas) == []
        assert packages.account_notices(anas, "Ana")[0]["what"] == "package_ended"

    def test_every_notice_has_a_text_in_every_language(self) -> None:
        for what in notices._TEXTS:
            found = set()
            for language in notices.LANGUAGES:
                notice = Notice("id", 1, what, "ABOUT", 0)
                mail = notices.mail_of(notice, "a@example.org", language, "Telecom")
                assert mail is not None and "ABOUT" in mail.text
                found.add(mail.text)
            same = what == "operator"  # staff write its text
            assert len(found) == (1 if same else len(notices.LANGUAGES))
        assert notices.mail_of(Notice("x", 1, "number_tried", "", 0), "a@b.c", "en", "T") is None


# What a line leaves behind


def test_C7_a_tariff_of_its_own_goes_with_the_line_to_its_new_number(anas: Context) -> None:
    context = anas
    tariffs.tariff_import(context, PRICES, name="dear")
    tariff_terms.tariff_assign(context, "Ana", "dear", line=ANA)
    moves.number_change(context, ANA, NEW)
    with context.billing.reading() as connection:
        found = Assignments()
        found.put(tariff_store.assignments(connection))
    now = context.now_ms()
    assert found.tariff_of(1, NEW, now) == "dear"
    assert found.tariff_of(1, ANA, now) == "dear"  # calls that were made are priced again by it


def test_C7_callers_of_a_number_from_before_hear_the_newest_one(anas: Context) -> None:
    moves.number_change(anas, ANA, NEW)
    moves.number_change(anas, NEW, "+995322000010")
    assert {row["old"]: row["new"] for row in moves.number_changes(anas)} == {
        ANA: "+995322000010",
        NEW: "+995322000010",
    }


def test_C7_a_line_goes_back_to_its_number_and_no_other_line_gets_it(anas: Context) -> None:
    moves.number_change(anas, ANA, NEW)
    assert "was changed to" in refused(lines.line_add, anas, ANA, "Ana")
    moves.number_change(anas, NEW, ANA)
    assert [row["old"] for row in moves.number_changes(anas)] == [NEW]


def test_a_number_is_for_rent_or_has_a_line_and_never_both_for_different_people(
    anas: Context,
) -> None:
    context = anas
    assert "has a line" in refused(numbers.number_add, context, ANA, "GE", "landline", "1")
    sheet = f"number,country,kind,monthly\n{ANA},GE,landline,1\n"
    with pytest.raises(OperationError) as caught:
        numbers.number_import(context, sheet)
    assert "has a line" in caught.value.lines[0]
    numbers.number_add(context, NEW, "GE", "landline", "0")
    assert "for rent (stock)" in refused(lines.line_add, context, NEW, "Ana")
    assert "for rent (stock)" in refused(moves.number_change, context, ANA, NEW)
    with pytest.raises(OperationError) as caught:
        line_table.line_import(context, f"number,account\n{NEW},Ana\n")
    assert "for rent (stock)" in caught.value.lines[0]
    numbers.rental_order(context, "Ana", ANA, [NEW])
    assert lines.line_add(context, NEW, "Ana")["number"] == NEW


def test_a_line_at_which_rented_numbers_ring_stays_where_it_is(anas: Context) -> None:
    context = anas
    accounts.account_add(context, "Beka")
    numbers.number_add(context, NEW, "GE", "landline", "0")
    numbers.rental_order(context, "Ana", ANA, [NEW])
    told = f"{NEW} rings at line {ANA}; `softswitch rental give-up` ends that rental"
    assert refused(lines.line_remove, context, ANA) == told
    assert refused(lines.line_set, context, ANA, "account", "Beka") == told
    numbers.rental_give_up(context, NEW)
    assert lines.line_set(context, ANA, "account", "Beka")["account_name"] == "Beka"


def test_A9_what_was_bought_for_a_line_renews_itself_no_more_without_it(anas: Context) -> None:
    context = anas
    accounts.account_topup(context, "Ana", "10", "cash")
    packages.package_define(context, "free", "1", "30 days", scope="on_net")
    bought = packages.package_buy(context, "Ana", "free", line=ANA)
    packages.package_auto_renew(context, "Ana", bought["id"], True)
    lines.line_remove(context, ANA)
    (held,) = packages.package_show(context, "Ana")
    assert (held["state"], held["auto_renew"]) == ("active", False)
