"""A node that drains: no new call, 503 to whoever asks, and the calls that it has go on."""

import socket

from switchboard import BEKA, until

REQUEST = """{method} sip:{number}@127.0.0.1 SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{method};rport\r
Max-Forwards: 70\r
From: <sip:balancer@127.0.0.1>;tag=1\r
To: <sip:{number}@127.0.0.1>\r
Call-ID: {method}{port}\r
CSeq: 1 {method}\r
Contact: <sip:balancer@127.0.0.1:{port}>\r
Content-Length: 0\r
\r
"""


PATIENCE = 60.0
"""Seconds, on a machine that has much else to do."""


def status(board, method: str) -> str:
    """The status of the answer to a request without credentials."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(PATIENCE)
        asking.bind(("127.0.0.1", 0))
        asking.connect(("127.0.0.1", board.port))
        port = asking.getsockname()[1]
        asking.send(REQUEST.format(method=method, number=BEKA, port=port).encode())
        return asking.recv(2000).split(b" ")[1].decode()


def state(board) -> str:
    (row,) = board.ask("node_list")
    return row["state"]


def test_a_node_drains_on_request_and_takes_calls_again(board):
    board.register("beka", board.phones[1])
    assert (status(board, "OPTIONS"), status(board, "INVITE")) == ("200", "401")
    callee = board.answers("answers.xml", board.phones[1], "-d", "60000", "-timeout", "90s")
    caller = board.sipp("call.xml", board.phones[0], "-d", "60000", "-timeout", "90s",
                        login="ana", password="secret", number=BEKA)  # fmt: skip
    until(
        lambda: [call["state"] for call in board.ask("call_list")] == ["talking"],
        "they talk",
        PATIENCE,
    )
    assert board.ask("node_drain")["wanted"] == "drain"
    until(lambda: state(board) == "draining", "it drains", PATIENCE)
    assert (status(board, "OPTIONS"), status(board, "INVITE")) == ("503", "503")
    (call,) = board.ask("call_list")
    assert call["state"] == "talking"
    board.ask("call_hangup", call_id=call["id"])
    assert board.cli("node", "drain", "--wait")["calls"] == 0
    assert board.ask("node_resume")["wanted"] == "serve"
    until(lambda: state(board) == "serving", "it serves", PATIENCE)
    assert (status(board, "OPTIONS"), status(board, "INVITE")) == ("200", "401")
    assert board.cli("node", "drain", "elsewhere", fails=True).endswith(
        "no switch serves as node 'elsewhere'; `softswitch node list` shows those that do"
    )
    for phone in (caller, callee):
        phone.kill()
        phone.communicate()
