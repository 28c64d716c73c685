"""SIPp as phones and trunks: what it sees, and what the record says."""

import pytest
from switchboard import BEKA, CIRA


@pytest.fixture
def lines(board):
    """The second line is registered."""
    board.register("beka", board.phones[1])
    return board


def call(board, scenario, called, number=BEKA, login="ana", password="secret"):
    """Run a caller against a called side; the record."""
    callee = board.answers(*called) if called else None
    caller = board.sipp(scenario, board.phones[0], login=login, password=password, number=number)
    board.ends_well(caller)
    if callee is not None:
        board.ends_well(callee)
    return board.cdr()


def test_register_with_digest_and_be_listed(lines):
    (binding,) = lines.cli("registration", "list")
    assert (binding["login"], binding["source"]) == ("beka", f"127.0.0.1:{lines.phones[1]}")


def test_line_to_line(lines):
    record = call(lines, "call.xml", ("answers.xml", lines.phones[1]))
    assert (record["direction"], record["type"], record["ended_by"]) == (
        "internal",
        "on_net",
        "caller",
    )
    assert (record["billed_seconds"], record["price"], record["cause"]) == (2, "0.002", 16)
    assert record["codec"] == "PCMU"


def test_early_media_that_must_be_acknowledged(lines):
    record = call(lines, "call.xml", ("answers_reliably.xml", lines.phones[1]))
    assert (record["sip_status"], record["codec"]) == (200, "PCMU")


@pytest.mark.timeout(240)
@pytest.mark.long
def test_a_long_call_is_refreshed_by_update_in_time(lines):
    """Half an interval in earnest: 90 seconds is the shortest that there is."""
    patience = ("-timeout", "90s")
    callee = lines.answers("answers_with_timer.xml", lines.phones[1], *patience)
    caller = lines.sipp("call.xml", lines.phones[0], *patience, "-d", "50000", login="ana",
                        password="secret", number=BEKA)  # fmt: skip
    for run in (caller, callee):
        lines.ends_well(run, 90)
    assert lines.cdr()["duration_ms"] > 49_000


def test_hold_and_resume(lines):
    record = call(lines, "hold.xml", ("is_held.xml", lines.phones[1]))
    assert (record["sip_status"], record["ended_by"]) == (200, "caller")


def test_cancel_while_ringing(lines):
    record = call(lines, "cancel.xml", ("is_cancelled.xml", lines.phones[1]))
    assert (record["sip_status"], record["ended_by"], record["price"]) == (487, "caller", "0.00")


@pytest.mark.parametrize(("status", "cause"), [(486, 17), (603, 21)])
def test_busy_and_declined(lines, status, cause):
    record = call(lines, f"refused_{status}.xml", (f"answers_{status}.xml", lines.phones[1]))
    assert (record["sip_status"], record["cause"], record["ended_by"]) == (status, cause, "callee")


def test_nobody_registered_and_nobody_there(lines):
    assert call(lines, "refused_480.xml", None, CIRA)["cause"] == 20


def test_wrong_password_gets_403_and_no_record(lines):
    run = lines.sipp(
        "wrong_password.xml", lines.phones[0], login="ana", password="guess", number=BEKA
    )
    lines.ends_well(run)
    assert lines.ask("cdr_list") == []


def test_no_money(lines):
    record = call(lines, "refused_402.xml", None, login="poor")
    assert (record["sip_status"], record["ended_by"]) == (402, "credit")


def trunk(board, name, port, priority="100"):
    board.cli("trunk", "add", name, "--target", f"sip:127.0.0.1:{port}", "--prefix", "44",
              "--priority", priority)  # fmt: skip


def test_line_to_trunk_is_charged_by_the_minute(lines):
    trunk(lines, "first", lines.trunk_port)
    record = call(lines, "call.xml", ("answers.xml", lines.trunk_port), "00442012345678")
    assert (record["direction"], record["trunk"], record["called"]) == (
        "outgoing",
        "first",
        "+442012345678",
    )
    assert (record["billed_seconds"], record["price"]) == (60, "0.17")


def test_failover_to_the_next_trunk(lines):
    trunk(lines, "first", lines.second_port, "1")
    trunk(lines, "second", lines.trunk_port, "2")
    broken = lines.answers("answers_503.xml", lines.second_port)
    record = call(lines, "call.xml", ("answers.xml", lines.trunk_port), "+442012345678")
    lines.ends_well(broken)
    assert record["trunk"] == "second"


def test_emergency_at_zero_balance(lines):
    trunk(lines, "first", lines.trunk_port)
    record = call(lines, "call.xml", ("answers.xml", lines.trunk_port), "112", login="poor")
    assert (record["called"], record["price"], record["sip_status"]) == ("112", "0.00", 200)


def test_trunk_to_line_by_address(lines):
    lines.cli("trunk", "add", "gateway", "--target", f"sip:127.0.0.1:{lines.trunk_port}",
              "--inbound-from", f"127.0.0.1:{lines.phones[0]}")  # fmt: skip
    record = call(lines, "trunk_call.xml", ("answers.xml", lines.phones[1]), login="442012345678")
    assert (record["direction"], record["trunk"], record["line"]) == ("incoming", "gateway", BEKA)
    assert (record["calling"], record["price"]) == ("+442012345678", "0.00")


def test_a_caller_over_tcp(lines):
    callee = lines.answers("answers.xml", lines.phones[1])
    lines.ends_well(lines.sipp("call.xml", lines.phones[0], "-t", "t1", login="ana",
                               password="secret", number=BEKA))  # fmt: skip
    lines.ends_well(callee)
    assert lines.cdr()["sip_status"] == 200
