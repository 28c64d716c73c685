"""Torture messages against a running switch, by UDP and TCP: it answers, and lives."""

import socket
from contextlib import closing

import pytest
from cases import MISSING, Case, judge, own, verbatim
from retyped import plain, typed
from switchboard import Switchboard

from sip.framing import StreamFramer
from sip.message import Response
from sip.reading import parse_message

VERBATIM = verbatim()
PING = "is-it-alive"
PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A running switch; at the end it stops by itself, and nothing that came was a fault."""
    folder = tmp_path_factory.mktemp("tortured")
    Switchboard.create(folder)
    made = Switchboard(folder)
    made.start()
    yield made
    assert made.stop() == 0
    log = (folder / "var" / "softswitch.log").read_text()
    assert "level=error" not in log and "fault" not in log, log


def ping(transport: str) -> bytes:
    via = f"SIP/2.0/{transport} 127.0.0.1;branch=z9hG4bK{PING};rport"
    return typed(plain("OPTIONS", "Content-Length: 0", Via=via, Call_ID=PING))


def is_pong(message: Response) -> bool:
    return message.get(b"call-id") == PING.encode()


def by_udp(board: Switchboard, data: bytes) -> list[int]:
    """Statuses of the answers that came before the one to a ping sent after the message."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect(("127.0.0.1", board.port))
        sock.send(data)
        sock.send(ping("UDP"))
        statuses = []
        while not is_pong(answer := parse_message(sock.recv(65_535))):
            statuses.append(answer.status)
        assert answer.status == 200
        return statuses


def by_tcp(board: Switchboard, data: bytes) -> tuple[list[int], bool]:
    """Statuses of the answers, and whether a ping behind the message was answered, too."""
    with closing(socket.create_connection(("127.0.0.1", board.port), PATIENCE_SECONDS)) as sock:
        received = b""
        try:
            sock.sendall(data + ping("TCP"))
            sock.shutdown(socket.SHUT_WR)
            while octets := sock.recv(65_535):
                received += octets
        except ConnectionError:
            pass  # it doesn't want to hear the rest
    answers = [parse_message(item) for item in StreamFramer(65_535).feed(received)]
    return [a.status for a in answers if not is_pong(a)], any(map(is_pong, answers))


def treat(board: Switchboard, case: Case) -> None:
    judge(case, by_udp(board, case.data))
    statuses, alive = by_tcp(board, case.data)
    framer = StreamFramer(65_535)
    if framer.feed(case.data) == [case.data] and not framer.over:
        judge(case, statuses)
        assert alive
    elif framer.over:  # where it ends can't be known: it is refused, and the connection with it
        assert statuses in ([], [400]) and not alive
    else:  # it is not whole, or more than one
        assert not [status for status in statuses if status >= 500]
    assert by_tcp(board, b"") == ([], True)


@pytest.mark.parametrize("case", own(), ids=str)
def test_our_own_torture_messages(board, case):
    treat(board, case)


@pytest.mark.skipif(not VERBATIM, reason=MISSING)
@pytest.mark.parametrize("case", VERBATIM, ids=str)
def test_the_torture_messages_of_the_rfcs(board, case):
    treat(board, case)
