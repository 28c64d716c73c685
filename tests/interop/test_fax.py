"""A page by T.38 through a running switch: SIPp signals, spandsp sends and receives."""

import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from fax_machine import T38Machine, dots_of, library, write_page
from switchboard import BEKA, free_ports, until

pytestmark = pytest.mark.skipif(library() is None, reason="libspandsp2 isn't installed")

SPEED = 4
"""The terminals' time goes by so much faster than the clock."""
LONGEST_SECONDS = 60.0


def told(path: Path) -> int:
    """The switch's port for fax, once SIPp has read it."""
    return int(until(lambda: path.exists() and path.read_text().strip(), f"{path.name}", 30.0))


class End:
    """A fax terminal at a socket."""

    def __init__(self, machine: T38Machine, port: int, target: int) -> None:
        self.machine = machine
        self._target = ("127.0.0.1", target)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.setblocking(False)

    def step(self) -> None:
        while True:
            try:
                packet, source = self._socket.recvfrom(2048)
            except BlockingIOError:
                break
            assert source == self._target
            self.machine.take(packet)
        for packet in self.machine.advance():
            self._socket.sendto(packet, self._target)

    def close(self) -> None:
        self._socket.close()
        self.machine.close()


def test_a_page_arrives_as_it_was_sent(board, tmp_path):
    sent, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    write_page(sent)
    board.register("beka", board.phones[1])
    ports = free_ports(2)
    files = tmp_path / "caller.port", tmp_path / "callee.port"
    callee = board.answers(
        "answers_by_fax.xml", board.phones[1], "-timeout", "90s",
        fax_port=str(ports[1]), told=str(files[1]),
    )  # fmt: skip
    caller = board.sipp(
        "calls_by_fax.xml", board.phones[0], "-timeout", "90s", login="ana", password="secret",
        number=BEKA, fax_port=str(ports[0]), told=str(files[0]),
    )  # fmt: skip
    ends = (
        End(T38Machine(sent, None, ecm=True), ports[0], told(files[0])),
        End(T38Machine(None, received, ecm=True), ports[1], told(files[1])),
    )
    until_at = time.monotonic() + LONGEST_SECONDS
    while None in [end.machine.result for end in ends] and time.monotonic() < until_at:
        for end in ends:
            end.step()
        time.sleep(0.02 / SPEED)
    assert [end.machine.result for end in ends] == [0, 0]
    assert np.array_equal(dots_of(received), dots_of(sent))
    (call,) = board.ask("call_list")
    media = board.ask("call_show", call_id=call["id"])["media"]
    assert min(media["fax_packets"].values()) > 20
    board.ask("call_hangup", call_id=call["id"])
    for run in (caller, callee):
        board.ends_well(run)
    for end in ends:
        end.close()
    record = board.cdr()
    assert (record["codec"], record["sip_status"]) == ("T38", 200)
