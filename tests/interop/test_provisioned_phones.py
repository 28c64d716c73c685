"""Phones that set themselves up from the portal over TLS: a real portal, a real switch, and a
softphone that nobody here wrote."""

import contextlib
import http.client
import os
import pty
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from certificates import Authority
from switchboard import ANA, BEKA, Switchboard, free_port_groups, free_ports, until

MAC = "0015654aa937"
AGENT = "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37"
LINPHONERC = """[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
guess_hostname=0
use_ipv6=0
root_ca={authority}

[rtp]
audio_rtp_port={rtp}

[video]
enabled=0
capture=0
display=0

[net]
firewall_policy=0

[misc]
log_collection_enabled=0
config-uri={url}
"""


class Portal:
    """`softswitch portal` beside a switch, with a listener for phones."""

    def __init__(self, board: Switchboard, port: int, authority: Authority) -> None:
        self.board, self.port, self.authority = board, port, authority
        with open(board.folder / "portal.err", "w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "softswitch", "portal"],
                cwd=board.folder, env=board.environment, stdout=errors, stderr=errors,
            )  # fmt: skip
        until(self._answers, "the portal listens", 20.0)

    def _answers(self) -> bool:
        errors = (self.board.folder / "portal.err").read_text()
        assert self.process.poll() is None, errors
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def get(self, path: str, agent: str = AGENT) -> tuple[int, str]:
        """The status and body of a request over TLS, whose certificate is checked."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        connection = http.client.HTTPSConnection("localhost", self.port, context=context)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"User-Agent": agent})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15) == 0


class Linphone:
    """A linphonec that has nothing but the URL of its configuration."""

    def __init__(self, folder, url: str, authority: Authority) -> None:
        if shutil.which("linphonec") is None:
            pytest.skip("linphonec isn't installed (Debian package linphone-cli)")
        (ports,) = free_port_groups(1, 4)
        folder.mkdir(exist_ok=True)
        (folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        self._settings = folder / "linphonerc"
        if not self._settings.exists():
            self._settings.write_text(
                LINPHONERC.format(
                    udp=ports[0], tcp=ports[1], tls=ports[2], rtp=30_000 + ports[0] % 2_000 * 2,
                    url=url, authority=authority.file,
                )
            )  # fmt: skip
        self.output = ""
        self._read_to = 0
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            ["linphonec", "-c", str(self._settings), "-d", "0"],
            stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "HOME": str(folder), "TERM": "dumb"},
        )  # fmt: skip
        os.close(theirs)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._terminal, 4096):
                self.output += data.decode(errors="replace")

    def do(self, command: str) -> None:
        os.write(self._terminal, command.encode() + b"\n")

    def says(self, pattern: str, seconds: float = 15.0) -> None:
        def found() -> bool:
            match = re.search(pattern, self.output[self._read_to :])
            if match is not None:
                self._read_to += match.end()
            return match is not None

        until(found, f"linphonec says {pattern}, it said:\n{self.output[-3000:]}", seconds)

    @property
    def settings(self) -> str:
        return self._settings.read_text()

    def close(self) -> None:
        if self._process.poll() is None:
            self.do("quit")
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._listener.join(2)
        os.close(self._terminal)


@pytest.fixture
def office(make_board, tmp_path):
    """A switch that listens by TLS, and a portal with a listener for phones."""
    authority = Authority(tmp_path)
    pair = authority.issue("localhost", "127.0.0.1")
    board = make_board()
    port, web = free_ports(2)
    listen = board.environment["SOFTSWITCH_SIP__LISTEN"]
    board.environment |= {
        "SOFTSWITCH_SIP__LISTEN": f"{listen},tls:127.0.0.1:{board.second_port}",
        "SOFTSWITCH_TLS__CERTIFICATES": f"{pair.certificate}:{pair.key}",
        "SOFTSWITCH_PROVISIONING__URL": f"https://localhost:{port}",
        "SOFTSWITCH_PROVISIONING__SERVER": "localhost",
        "SOFTSWITCH_PROVISIONING__LISTEN": f"127.0.0.1:{port}",
        "SOFTSWITCH_PROVISIONING__CLOUD_ID": "EXAMPLE",
        "SOFTSWITCH_PORTAL__LISTEN": f"127.0.0.1:{web}",
        "SOFTSWITCH_GUARD__EXEMPT": "",  # this machine guesses, too
    }
    board.start()
    portal = Portal(board, port, authority)
    yield board, portal
    portal.close()


def settings_in(body: str) -> dict[str, str]:
    return dict(line.split(" = ", 1) for line in body.splitlines() if " = " in line)


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def test_a_softphone_sets_itself_up_from_a_code_registers_and_hears_its_balance(office, tmp_path):
    board, portal = office
    made = board.ask("provisioning_code_add", line=ANA, app="linphone", name="Ana's mobile")
    phone = Linphone(tmp_path / "phone", made["url"], portal.authority)
    try:
        (row,) = until(lambda: board.ask("registration_list"), "it registers", 30.0)
        assert (row["login"], row["transport"]) == ("ana", "tls")
        device = board.ask("device_show", device=made["device"])
        assert device["accounts"][0]["username"] in phone.settings
        phone.do("call 1111")
        phone.says("Media streams established")
        board.talk(1.0)
        phone.do("terminate")
        assert board.cdr()["sip_status"] == 200
    finally:
        phone.close()
    # It comes again by its permanent URL, as which the switch then knows it.
    again = Linphone(tmp_path / "phone", made["url"], portal.authority)
    try:
        until(
            lambda: board.ask("device_show", device=made["device"])["state"] == "ready",
            "it has used its permanent URL", 30.0,
        )  # fmt: skip
    finally:
        again.close()
    assert portal.get(path_of(made["url"]))[0] == 404


def secrets_in(settings: str) -> set[str]:
    """Passwords, or their digests by which linphonec keeps them, of a linphonerc."""
    return set(re.findall(r"(?m)^(?:passwd|ha1)=(\S+)$", settings))


def test_a_rotated_softphone_registers_by_its_next_password(office, tmp_path):
    board, portal = office
    made = board.ask("provisioning_code_add", line=ANA, app="linphone")

    def starts() -> Linphone:
        return Linphone(tmp_path / "phone", made["url"], portal.authority)

    def is_there() -> bool:
        return bool(board.ask("registration_list"))

    with contextlib.closing(starts()):
        until(is_there, "it registers", 30.0)
    before = secrets_in((tmp_path / "phone" / "linphonerc").read_text())
    assert before
    board.ask("device_rotate", device=made["device"])
    if is_there():
        board.ask("registration_remove", line=ANA)
    with contextlib.closing(starts()):
        until(is_there, "it registers after its passwords were changed", 30.0)
        until(
            lambda: board.ask("device_show", device=made["device"])["state"] != "waiting", "it came"
        )
    assert secrets_in((tmp_path / "phone" / "linphonerc").read_text()) - before
    with contextlib.closing(starts()):
        until(
            lambda: board.ask("device_show", device=made["device"])["state"] == "ready",
            "it has used its next URL", 30.0,
        )  # fmt: skip


def test_a_stolen_phone_is_shut_and_the_other_goes_on(office, tmp_path):
    board, portal = office
    made = board.ask("provisioning_code_add", line=BEKA, app="linphone")
    phone = Linphone(tmp_path / "phone", made["url"], portal.authority)
    try:
        until(lambda: board.ask("registration_list"), "it registers", 30.0)
        board.ask("device_remove", device=made["device"])
        assert board.ask("registration_list") == []
        phone.do("register sip:beka@127.0.0.1 sip:127.0.0.1")
        board.talk(1.0)
        assert board.ask("registration_list") == []
    finally:
        phone.close()


def test_a_desk_phone_is_led_by_rotation_and_nothing_secret_is_logged(office):
    board, portal = office
    made = board.ask("device_add", line=ANA, kind="yealink")
    status, body = portal.get(f"{path_of(made['url'])}{MAC}.cfg")
    assert status == 200
    first = settings_in(body)
    path = path_of(first["static.auto_provision.server.url"])
    assert settings_in(portal.get(f"{path}{MAC}.cfg")[1]) == first
    until(lambda: board.ask("device_show", device=made["id"])["state"] == "ready", "it is known")
    board.ask("device_rotate", device=made["id"])
    rotated = settings_in(portal.get(f"{path}{MAC}.cfg")[1])
    assert rotated["account.1.password"] != first["account.1.password"]
    secrets = {first["account.1.password"], rotated["account.1.password"], path.split("/")[2],
               made["url"].rstrip("/").rpartition("/")[2]}  # fmt: skip
    written = "".join(
        file.read_text(errors="replace")
        for file in board.folder.rglob("*")
        if file.is_file() and (file.suffix in (".log", ".err") or "log" in file.name)
    )
    assert written and not [secret for secret in secrets if secret in written]
    database = b"".join(file.read_bytes() for file in (board.folder / "var").glob("softswitch.db*"))
    assert not [secret for secret in secrets if secret.encode() in database]


def test_guesses_are_answered_alike_and_told_to_the_switch(office):
    board, portal = office
    answers = {portal.get(f"/d/{n:026}/{MAC}.cfg") for n in range(11)}
    assert answers == {(404, "Not found.\n")}
    until(lambda: any(row["line"] == "provisioning" for row in board.ask("guard_list")),
          "the guard has the address in its list", 15.0)  # fmt: skip


def test_without_tls_there_is_nothing(office):
    board, _ = office
    made = board.ask("device_add", line=ANA, kind="yealink")
    web = board.environment["SOFTSWITCH_PORTAL__LISTEN"]
    connection = http.client.HTTPConnection(web)
    with contextlib.closing(connection):
        connection.request("GET", f"{path_of(made['url'])}{MAC}.cfg", headers={"User-Agent": AGENT})
        assert connection.getresponse().status == 404
