"""baresip as a phone: a process driven through its control socket."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Literal

import pytest
import sound
from switchboard import Switchboard, free_port_groups, until

MODULES = sorted(Path("/usr/lib").glob("**/baresip/modules"))
CONFIG = """poll_method epoll
sip_listen {host}:{sip}
ctrl_tcp_listen 127.0.0.1:{control}
rtp_ports {rtp}-{last_rtp}
audio_path {folder}
audio_source aufile,{folder}/said.wav
audio_player aubridge,{login}
audio_alert aubridge,{login}-alert
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
jitter_buffer_delay 10-100
snd_path {folder}
module_path {modules}
module g711.so
module g722.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""
# The sndfile filter writes what is heard to a file, whatever the player does with it. The jitter
# buffer is deep enough that a busy machine doesn't make baresip drop what did arrive.
#
# baresip announces the address of a network interface in SDP, and sends from loopback: to the
# relay it is a phone behind NAT, whose first two packets are spent on learning where it is.

LAMP = "mwi"
"""The module by which a phone follows its mailbox. baresip 1.0 subscribes anew for ever, and does
nothing else, when it is registered within the 10 ms that the module waits: start it while the
switch is :meth:`late`."""
LAMP_SECONDS = 0.3

NO_ADDRESS = "Protocol not supported"


class Baresip:
    """One registered phone.

    Args:
        folder: an empty one of its own.
        said: a WAV file that it plays into calls; when it ends, baresip hangs up.
        port: of the server, if that isn't the switch itself.
        modules: of baresip, beside those that every phone has.
        early: it is heard before it answers, which it does when it is told to.
        rate: of `said`, as the codec has it: baresip's own conversion leaves little of a voice.
        encryption: of its sound, by baresip's name for it.
    """

    def __init__(
        self,
        board: Switchboard,
        folder: Path,
        login: str,
        said: Path,
        *,
        answers: bool = True,
        early: bool = False,
        transport: str = "udp",
        port: int | None = None,
        modules: tuple[str, ...] = (),
        codec: Literal["pcmu", "pcma", "g722/16000"] = "pcmu",
        rate: int = 8000,
        encryption: str = "",
    ) -> None:
        if shutil.which("baresip") is None or not MODULES:
            pytest.skip("baresip isn't installed (Debian package baresip)")
        self.folder = folder
        self.events: list[dict] = []
        # The port above the one for SIP is taken for TLS.
        ((self.sip_port, _, control, *rtp),) = free_port_groups(1, 15, board.host)
        mode = "early" if early else ("auto" if answers else "manual")
        folder.mkdir()
        shutil.copy(said, folder / "said.wav")
        (folder / "config").write_text(
            CONFIG.format(
                host=board.host, sip=self.sip_port, control=control, rtp=rtp[0],
                last_rtp=rtp[-1], folder=folder, login=login, modules=MODULES[-1], rate=rate,
            )
            + "".join(f"module_app {module}.so\n" for module in modules)
            + ("module srtp.so\n" if encryption else "")
            + ("module opus.so\n" if codec.startswith("opus/") else "")
        )  # fmt: skip
        elsewhere = board.host != "127.0.0.1"  # which is the domain, too
        way = f';outbound="sip:{board.host}:{board.port};transport=udp"' if elsewhere else ""
        (folder / "accounts").write_text(
            f"<sip:{login}@127.0.0.1:{port or board.port};transport={transport}>;auth_pass=secret;"
            f"audio_codecs={codec};regint=60;answermode={mode}"
            f"{encryption and f';mediaenc={encryption}'}{way}\n"
        )
        self._log = open(folder / "log", "w")  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            ["baresip", "-f", str(folder)],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
        with contextlib.suppress(PermissionError):  # a phone has a processor of its own
            os.setpriority(os.PRIO_PROCESS, self._process.pid, -10)
        self._control = until(lambda: _connect(control), f"baresip's control socket of {login}")
        self._unread = b""
        until(lambda: "200 OK" in self.log or NO_ADDRESS in self.log, f"{login} registers")
        if NO_ADDRESS in self.log:
            self.close()
            pytest.skip("baresip needs a network address beside loopback's")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def command(self, name: str, parameters: str = "") -> None:
        """One of the commands of its menu."""
        body = json.dumps({"command": name, "params": parameters}).encode()
        self._control.sendall(b"%d:%s," % (len(body), body))

    def hears(self, event: str, seconds: float = 10.0) -> dict:
        """Wait for an event of this type that wasn't waited for before."""

        def found() -> dict | None:
            self._read()
            for index, said in enumerate(self.events):
                if said.get("type") == event:
                    del self.events[: index + 1]
                    return said
            return None

        return until(found, f"{event}; baresip said:\n{self.log[-3000:]}", seconds)

    def _read(self) -> None:
        """Take netstrings from the control socket."""
        try:
            self._unread += self._control.recv(65536)
        except BlockingIOError:
            return
        while b":" in self._unread:
            length, _, rest = self._unread.partition(b":")
            if len(rest) <= int(length):
                return
            self.events.append(json.loads(rest[: int(length)]))
            self._unread = rest[int(length) + 1 :]

    @property
    def heard(self) -> Path:
        """The file of the sound that arrived in its only call."""
        (path,) = self.folder.glob("dump-*-dec.wav")
        return path

    def close(self) -> None:
        """Unregister and end."""
        if self._process.poll() is None:
            self.command("quit")
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control.close()
        self._log.close()


def _connect(port: int) -> socket.socket | None:
    try:
        connection = socket.create_connection(("127.0.0.1", port), 1)
    except OSError:
        return None
    connection.setblocking(False)
    return connection


def playing_a_tone(
    board: Switchboard, folder: Path, login: str, hertz: float
) -> contextlib.closing[Baresip]:
    """A phone of this login that plays a tone to the other phone of its calls."""
    return contextlib.closing(Baresip(board, folder / login, login, sound.tone(folder, hertz)))
