"""A foreign SMS gateway that binds to the switch as a business: it cuts long texts, and matches
receipts, by itself."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from switchboard import free_ports, until

CONFIG = """group = core
admin-port = {admin}
admin-password = secret
smsbox-port = {box}
box-allow-ip = 127.0.0.1
dlr-storage = internal
log-file = {folder}/bearerbox.log
log-level = 0

group = smsc
smsc = smpp
smsc-id = switch
host = 127.0.0.1
port = {port}
smsc-username = shop
smsc-password = {password}
system-type = ""
transceiver-mode = true
source-addr-autodetect = true
dest-addr-ton = 1
dest-addr-npi = 1
max-pending-submits = 20
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
log-file = {folder}/smsbox.log
log-level = 0

group = sendsms-user
username = tester
password = foobar
concatenation = true
max-messages = 10

group = sms-service
keyword = default
max-messages = 0
text = ""
"""
DELIVERED, FAILED, ACCEPTED = 1, 2, 8
"""Kinds of reports."""


class Gateway:
    """The gateway's two processes, and a listener for its reports.

    Args:
        folder: its own.
        port: of the switch's SMPP listener.
    """

    def __init__(self, folder: Path, port: int, password: str = "secret1") -> None:
        if shutil.which("bearerbox") is None:
            pytest.skip("no foreign SMS gateway is installed (Debian package kannel)")
        admin, box, self._http, reports = free_ports(4)
        folder.mkdir()
        config = folder / "gateway.conf"
        config.write_text(
            CONFIG.format(
                admin=admin, box=box, http=self._http, port=port, password=password, folder=folder
            )
        )
        self.told: Counter[tuple[int, int]] = Counter()
        """Reports by the text's number and their kind."""
        self._reports = reports
        self._listener = http.server.ThreadingHTTPServer(("127.0.0.1", reports), self._handler())
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()
        self._processes = [self._start("bearerbox", config)]
        self._status = f"http://127.0.0.1:{admin}/status.txt?password=secret"
        until(lambda: "online" in self._ask(self._status), "the gateway binds", 20)
        self._processes.append(self._start("smsbox", config))
        until(lambda: "smsbox" in self._ask(self._status), "the gateway takes texts", 20)

    def send(self, number: int, to: str, text: str, sender: str, *, ucs2: bool) -> str:
        """Hand over a text; what the gateway says.

        Args:
            number: names the text in reports.
        """
        report = f"http://127.0.0.1:{self._reports}/?number={number}&kind=%d"
        asked = {
            "username": "tester", "password": "foobar", "from": sender, "to": to, "text": text,
            "charset": "UTF-8", "coding": "2" if ucs2 else "0", "dlr-mask": "27",
            "dlr-url": report,
        }  # fmt: skip
        query = urllib.parse.urlencode(asked)
        return self._ask(f"http://127.0.0.1:{self._http}/cgi-bin/sendsms?{query}")

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._listener.shutdown()
        self._listener.server_close()

    def _start(self, program: str, config: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [program, "-v", "4", str(config)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    @staticmethod
    def _ask(url: str) -> str:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError as error:
            return str(error)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        told = self.told

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                told[int(asked["number"][0]), int(asked["kind"][0])] += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
