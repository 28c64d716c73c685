"""linphonec as a phone: the console client of linphone, driven through its standard input."""

import contextlib
import os
import pty
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from switchboard import Switchboard, free_port_groups, until

CONFIG = """[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
default_proxy=0
guess_hostname=0
contact="{login}" <sip:{login}@127.0.0.1>
inc_timeout=60
use_ipv6=0
verify_server_certs=0
verify_server_cn=0

[rtp]
audio_rtp_port={rtp}
audio_jitt_comp=60

[sound]
echocancellation=0

[video]
enabled=0
capture=0
display=0

[net]
firewall_policy=0
stun_server=

[misc]
log_collection_enabled=0

[proxy_0]
reg_proxy=<sip:127.0.0.1:{port};transport={transport}>
reg_identity=sip:{login}@127.0.0.1
reg_expires=600
reg_sendregister=1
publish=0

[auth_info_0]
username={login}
userid={login}
passwd=secret
realm="127.0.0.1"
"""


class Linphone:
    """One registered phone.

    Args:
        folder: its own, not there yet.
        said: a WAV file that it plays into calls.
        port: of the server, if that isn't the switch itself.
    """

    def __init__(
        self, board: Switchboard, folder: Path, login: str, said: Path, *, transport: str = "udp",
        port: int | None = None,
    ) -> None:  # fmt: skip
        if shutil.which("linphonec") is None:
            pytest.skip("linphonec isn't installed (Debian package linphone-cli)")
        (ports,) = free_port_groups(1, 4)
        folder.mkdir()
        (folder / "linphonerc").write_text(
            CONFIG.format(
                udp=ports[0], tcp=ports[1], tls=ports[2], rtp=30_000 + ports[0] % 2_000 * 2,
                login=login, port=port or board.port, transport=transport,
            )
        )  # fmt: skip
        (folder / ".local/share/linphone").mkdir(parents=True)
        self.output = ""
        self._read_to = 0
        # It talks at once only to a terminal.
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            ["linphonec", "-c", str(folder / "linphonerc"), "-d", "0"],
            stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "HOME": str(folder), "TERM": "dumb"},
        )  # fmt: skip
        os.close(theirs)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.says("linphonec>")
            self.do("soundcard use files")
            self.do(f"play {said}")
            until(lambda: self._is_registered(board, login), f"{login} registers")
        except AssertionError:
            self.close()
            raise

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # the other end is gone
            while data := os.read(self._terminal, 4096):
                self.output += data.decode(errors="replace")

    def _is_registered(self, board: Switchboard, login: str) -> bool:
        return any(row["login"] == login for row in board.ask("registration_list"))

    def do(self, command: str) -> None:
        """A command of its prompt."""
        os.write(self._terminal, command.encode() + b"\n")

    def says(self, pattern: str, seconds: float = 10.0) -> None:
        """Wait for something that it hasn't said before."""

        def found() -> bool:
            match = re.search(pattern, self.output[self._read_to :])
            if match is not None:
                self._read_to += match.end()
            return match is not None

        until(found, f"linphonec says {pattern}, it said:\n{self.output[-3000:]}", seconds)

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
