"""A call between two phones with every secret there is, at level debug: what gets out of it."""

import hashlib
import random
import re
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from switchboard import ANA, BEKA, free_ports, until

from sip import digest
from sip.message import Request
from sip.reading import parse_message

PASSWORD = "secret"
KEYS = (b"d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj", b"NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj")


class Phone:
    """A socket, and messages written by hand."""

    def __init__(self, board, login: str, port: int, key: bytes) -> None:
        self.board = board
        self.login = login
        self.key = key
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(5)
        self.port = port
        self.proofs: list[bytes] = []
        """What must never be seen: responses and cnonces."""
        self._cseq = 0

    def sdp(self) -> bytes:
        return (
            b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            b"m=audio 4000 RTP/AVP 0\r\n"
            b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s|2^20|1:4\r\n" % self.key
        )

    def send(self, message) -> None:
        self.socket.sendto(bytes(message), ("127.0.0.1", self.board.port))

    def receive(self, wanted: str):
        """The next message that isn't a repetition of what has been answered."""
        while True:
            message = parse_message(self.socket.recv(65_535))
            name = message.method if isinstance(message, Request) else str(message.status)
            if name == wanted:
                return message

    def ask(self, method: str, number: str, body: bytes = b"", proof: tuple = (), to: bytes = b""):
        self._cseq += 1
        me = f"<sip:{self.login}@127.0.0.1>".encode()
        fields = [
            (b"Via", b"SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bK%s%d"
             % (self.port, self.login.encode(), self._cseq)),
            (b"Max-Forwards", b"70"), (b"From", me + b";tag=t"),
            (b"To", to or f"<sip:{number}@127.0.0.1>".encode()),
            (b"Call-ID", b"%s-%s" % (method.encode(), self.login.encode())),
            (b"CSeq", b"%d %s" % (self._cseq, method.encode())),
            (b"Contact", b"<sip:%s@127.0.0.1:%d>" % (self.login.encode(), self.port)), *proof,
        ]  # fmt: skip
        if body:
            fields.append((b"Content-Type", b"application/sdp"))
        return Request.build(method, f"sip:{number}@127.0.0.1".encode(), fields, body)

    def prove(self, method: str, number: str, body: bytes = b"") -> Request:
        """Ask, be challenged, and prove the password."""
        first = self.ask(method, number, body)
        self.send(first)
        challenge = self.receive("401")
        if method == "INVITE":
            self.send(acknowledge(first, challenge))
        cnonce = f"{random.getrandbits(64):016x}"
        value = digest.answer(challenge.get_all(b"www-authenticate"), self.login, PASSWORD, method,
                              first.raw_uri, cnonce=cnonce)  # fmt: skip
        self.proofs += [digest.Credentials.parse(value).response.encode(), cnonce.encode()]
        again = self.ask(method, number, body, ((b"Authorization", value),))
        self.send(again)
        return again


def acknowledge(invite: Request, response) -> Request:
    kept = [(n, v) for n, v in invite.fields
            if n in (b"Via", b"From", b"Call-ID", b"Max-Forwards")]  # fmt: skip
    kept += [(b"To", response.get(b"to")), (b"CSeq", b"%d ACK" % invite.cseq.number)]
    return Request.build("ACK", invite.raw_uri, kept)


class Collector(threading.Thread):
    """What a Homer would get."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.packets: list[bytes] = []

    def run(self) -> None:
        while packet := self.socket.recv(65_535):
            self.packets.append(packet)

    def stop(self) -> None:
        self.socket.sendto(b"", ("127.0.0.1", self.port))
        self.join(5)
        self.socket.close()


@pytest.fixture
def collector():
    made = Collector()
    made.start()
    yield made
    made.stop()


def a_call(board) -> list[bytes]:
    """Beka registers, Ana calls her and hangs up; what nobody else may know."""
    ana = Phone(board, "ana", board.phones[0], KEYS[0])
    beka = Phone(board, "beka", board.phones[1], KEYS[1])
    beka.prove("REGISTER", "beka")
    beka.receive("200")
    ana.prove("INVITE", BEKA, ana.sdp())
    invite = beka.receive("INVITE")
    contact = b"<sip:beka@127.0.0.1:%d>" % beka.port
    answer = ((b"Contact", contact), (b"Content-Type", b"application/sdp"))
    beka.send(invite.respond(200, to_tag="b", fields=answer, body=beka.sdp()))
    answered = ana.receive("200")
    beka.receive("ACK")
    number = answered.cseq.number
    to = answered.get(b"to")
    ack = ana.ask("INVITE", BEKA, to=to)
    kept = [(n, v) for n, v in ack.fields if n not in (b"CSeq", b"Content-Length")]
    ana.send(Request.build("ACK", ack.raw_uri, [*kept, (b"CSeq", b"%d ACK" % number)]))
    bye = ana.ask("INVITE", BEKA, to=to)
    kept = [(n, v) for n, v in bye.fields if n not in (b"CSeq", b"Content-Length")]
    ana.send(Request.build("BYE", bye.raw_uri, [*kept, (b"CSeq", b"%d BYE" % (number + 1))]))
    ana.receive("200")
    goodbye = beka.receive("BYE")
    beka.send(goodbye.respond(200))
    for phone in (ana, beka):
        phone.socket.close()
    assert len(ana.proofs) == len(beka.proofs) == 2
    return [*ana.proofs, *beka.proofs]


def secrets_of(board, proofs: list[bytes]) -> list[bytes]:
    nonce_secret = (board.folder / "var" / "nonce.secret").read_bytes().strip()
    ha1s = [hashlib.md5(f"{login}:127.0.0.1:{PASSWORD}".encode()).hexdigest().encode()
            for login in ("ana", "beka")]  # fmt: skip
    return [*proofs, *ha1s, *KEYS, nonce_secret, bytes.fromhex(nonce_secret.decode())]


def payloads(packets: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Correlation and message of each HEP packet."""
    found = []
    for packet in packets:
        assert packet[:4] == b"HEP3" and struct.unpack("!H", packet[4:6])[0] == len(packet)
        chunks, at = {}, 6
        while at < len(packet):
            _, kind, length = struct.unpack("!HHH", packet[at : at + 6])
            chunks[kind] = packet[at + 6 : at + length]
            at += length
        found.append((chunks.get(17, b""), chunks[15]))
    return found


def test_no_secret_gets_out_at_level_debug(make_board, collector):
    board = make_board(LOG__LEVEL="debug", TRACE__HEP=f"udp:127.0.0.1:{collector.port}")
    board.start()
    secrets = secrets_of(board, a_call(board))
    record = board.cdr()
    call = record["call_id"]

    traced = board.cli("call", "trace", call, "--pcap", "call.pcap")
    names = [one["message"] for one in traced["messages"]]
    assert names[:4] == ["INVITE", "401 Unauthorized", "ACK", "INVITE"] and "BYE" in names
    assert (traced["calling"], traced["called"], traced["state"]) == (ANA, BEKA, "ended")
    ladder = board.text("call", "trace", call)
    assert re.search(r"\|--INVITE SDP-+>\|", ladder) and "200 OK" in ladder
    assert board.stop() == 0

    hep = payloads(collector.packets)
    methods = [message.split(b" ", 1)[0] for _, message in hep]
    assert methods.count(b"INVITE") == 3 and b"REGISTER" in methods
    assert {correlation for correlation, message in hep if message.startswith(b"BYE")} == {
        call.encode()
    }
    places = {
        "log": (board.folder / "var" / "softswitch.log").read_bytes(),
        "trace": repr(traced).encode() + ladder.encode(),
        "pcap": (board.folder / "call.pcap").read_bytes(),
        "hep": b"".join(collector.packets),
        "cdr": repr(record).encode()
        + b"".join(file.read_bytes() for file in (board.folder / "var" / "cdr").iterdir()),
        "stderr": (board.folder / "serve.err").read_bytes(),
    }
    for place, octets in places.items():
        assert not [secret for secret in secrets if secret in octets], place
    assert PASSWORD.encode() not in places["pcap"] + places["hep"] + places["log"]
    for place in ("pcap", "hep"):
        assert b'response="xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"' in places[place]
        assert b"inline:" not in places[place] or b"inline:xxxx" in places[place]


def test_tshark_reads_a_call(make_board):
    if shutil.which("tshark") is None:
        pytest.skip("tshark isn't installed (Debian package tshark)")
    board = make_board()
    board.start()
    a_call(board)
    call = board.cdr()["call_id"]
    board.cli("call", "trace", call, "--pcap", "call.pcap")
    run = subprocess.run(
        ["tshark", "-n", "-r", "call.pcap", "-T", "fields", "-e", "sip.Method",
         "-e", "sip.Status-Code", "-e", "_ws.malformed", "-e", "udp.srcport"],
        cwd=board.folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    assert [row[0] or row[1] for row in rows][:4] == ["INVITE", "401", "ACK", "INVITE"]
    assert not any(row[2] for row in rows)
    assert {int(row[3]) for row in rows} == {board.port, *board.phones[:2]}


def test_sngrep_reads_a_call(make_board):
    if shutil.which("sngrep") is None:
        pytest.skip("sngrep isn't installed (Debian package sngrep)")
    board = make_board()
    board.start()
    a_call(board)
    board.cli("call", "trace", board.cdr()["call_id"], "--pcap", "call.pcap")
    run = subprocess.run(
        ["sngrep", "-N", "-I", "call.pcap", "-O", "read.pcap"],
        cwd=board.folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Dialog count: 2" in run.stdout + run.stderr


@pytest.fixture
def sngrep(tmp_path):
    """The port at which a sngrep collects HEP, and the file that it writes."""
    if shutil.which("sngrep") is None:
        pytest.skip("sngrep isn't installed (Debian package sngrep)")
    (port,) = free_ports(1)
    written = tmp_path / "collected.pcap"
    out = open(tmp_path / "sngrep.out", "wb")  # noqa: SIM115 - closed below
    process = subprocess.Popen(
        ["sngrep", "-N", "-L", f"udp:127.0.0.1:{port}", "-O", str(written)],
        stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
    )  # fmt: skip
    listens = lambda: f":{port:04X}" in Path("/proc/net/udp").read_text()  # noqa: E731
    try:
        until(lambda: listens() or process.poll() is not None, "sngrep listens")
        if process.poll() is not None:
            pytest.skip(f"this sngrep collects nothing: {Path(out.name).read_text()[-200:]}")
        yield port, written
    finally:
        process.terminate()
        process.wait(10)
        out.close()


def test_sngrep_collects_a_call_as_it_happens(make_board, sngrep):
    """A receiver that somebody else wrote understands our HEP: addresses, ports, order, text."""
    port, written = sngrep
    board = make_board(TRACE__HEP=f"udp:127.0.0.1:{port}")
    board.start()
    a_call(board)
    packets = until(lambda: _until_bye_is_answered(written), "sngrep has written the call")
    said = [message.split(b"\r\n")[0] for _, _, message in packets]
    assert said[0].startswith(b"REGISTER") and said[1] == b"SIP/2.0 401 Unauthorized"
    assert sum(line.startswith(b"INVITE") for line in said) == 3
    assert sum(line.startswith(b"BYE") for line in said) == 2
    ports = {(source, target) for source, target, _ in packets}
    ana, beka = board.phones[:2]
    assert ports == {(ana, board.port), (board.port, ana), (beka, board.port), (board.port, beka)}
    assert all(b'response="xxxx' in m for _, _, m in packets if b"Authorization: " in m)


def _until_bye_is_answered(written) -> list[tuple[int, int, bytes]]:
    """Source and target port and message of each packet, when the last one is there."""
    packets = [*_read_pcap(written.read_bytes())] if written.exists() else []
    answers = [m for _, _, m in packets if m.startswith(b"SIP/2.0 200") and b" BYE\r\n" in m]
    return packets if len(answers) == 2 else []


def _read_pcap(data: bytes):
    """sngrep writes Ethernet or raw IPv4 frames; the IP header begins at the first 0x45."""
    at = 24
    while at + 16 <= len(data):
        (length,) = struct.unpack("<I", data[at + 8 : at + 12])
        frame = data[at + 16 : at + 16 + length]
        at += 16 + length
        ip = frame[frame.index(b"\x45") :]
        source, target = struct.unpack("!HH", ip[20:24])
        yield source, target, ip[28:]
