"""How phones are reached: IPv6, NAT, after a restart; and the one challenge that some read."""

import socket

import pytest
from switchboard import BEKA


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def call(board, *more, callee_more=(), **keys):
    """Ana calls Beka, who answers on her own port; the record."""
    callee = board.answers("answers.xml", board.phones[1], *callee_more, **keys)
    board.ends_well(board.sipp("call.xml", board.phones[0], *more, login="ana",
                               password="secret", number=BEKA))  # fmt: skip
    board.ends_well(callee)
    return board.cdr()


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 loopback")
@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_a_call_over_ipv6(make_board, transport):
    board = make_board(host="::1")
    board.start()
    board.register("beka", board.phones[1])
    assert board.ask("registration_list")[0]["source"] == f"[::1]:{board.phones[1]}"
    record = call(board, "-t", transport)
    assert (record["sip_status"], record["codec"], record["billed_seconds"]) == (200, "PCMU", 2)


def test_a_phone_behind_nat_is_reached_by_the_address_that_it_came_from(board):
    lie = "10.9.8.7:5060"
    board.ends_well(board.sipp("register.xml", board.phones[1], login="beka", password="secret",
                               contact=lie))  # fmt: skip
    (binding,) = board.ask("registration_list")
    assert lie in binding["contact"] and binding["source"] == f"127.0.0.1:{board.phones[1]}"
    record = call(board, contact=lie)  # the answers lie as well, so ACK and BYE would be lost
    assert (record["sip_status"], record["ended_by"]) == (200, "caller")


def test_a_restart_keeps_registrations(board):
    board.register("beka", board.phones[1])
    (before,) = board.ask("registration_list")
    assert board.stop() == 0
    board.start()
    (after,) = board.ask("registration_list")
    assert (after["contact"], after["source"]) == (before["contact"], before["source"])
    assert call(board)["sip_status"] == 200


def test_a_phone_that_reads_only_one_challenge(make_board):
    """SIPp takes the first one, and knows MD5 only: its line may have an order of its own."""
    board = make_board(SIP__ALGORITHMS="SHA-256,MD5")
    board.start()
    fails = board.sipp("register.xml", board.phones[0], login="ana", password="secret")
    fails.communicate(timeout=20)
    assert fails.returncode != 0 and board.ask("registration_list") == []
    board.ask("line_set", number="ana", key="algorithms", value="MD5")
    board.register("ana", board.phones[0])
    assert [row["login"] for row in board.ask("registration_list")] == ["ana"]
