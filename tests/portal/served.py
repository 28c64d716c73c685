"""A portal beside its switch, as real processes, and people who sign in."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
import pyotp
from commands import command

PASSWORD = "three plain words"


def free_port() -> int:
    """A port that nothing uses, by UDP or TCP, and that the system gives to nobody by itself."""
    while True:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Served:
    """A running switch and portal in a folder of their own."""

    folder: Path
    port: int
    sip_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    database: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments: str) -> list[dict[str, object]]:
        """Run a command of the command line; its rows."""
        done = command(self.folder, "-o", "json", *arguments, environment=self.environment)
        assert done.status == 0, done.complaint
        found = json.loads(done.told or "[]")
        return found if isinstance(found, list) else [found]

    def start(self, name: str) -> None:
        """Start `serve` or `portal` and wait until it answers."""
        log = (self.folder / f"{name}.out").open("wb")  # what it said before doesn't count
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "softswitch", name], cwd=self.folder, stdout=log, stderr=log,
            env=os.environ | self.environment,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.processes[name].poll() is None, (self.folder / f"{name}.out").read_text()
            if self._answers(name):
                return
            time.sleep(0.05)
        raise TimeoutError(name)

    def _answers(self, name: str) -> bool:
        if name == "serve":
            return (self.folder / "serve.out").read_text().startswith("ready")
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(60)


_DEMO_PORT = 5999


@cache
def _demo() -> Path:
    """The folder of a demo that never ran, made once for all of this process's tests."""
    folder = Path(tempfile.mkdtemp(prefix="softswitch-demo-"))
    atexit.register(shutil.rmtree, folder)
    Served(folder, 0, 0).command("init", "--demo", "--port", str(_DEMO_PORT))
    return folder


@contextmanager
def served(
    folder: Path,
    settings: str = "",
    environment: Mapping[str, str] | None = None,
    database: str = "",
) -> Iterator[Served]:
    """A demo switch and its portal; both end cleanly, the books add up, nothing failed.

    Args:
        settings: more keys of [portal].
        environment: more variables of both processes.
        database: the URL of an empty one; "": SQLite in the folder.
    """
    if database:
        demo = ("--demo", "--port", str(_DEMO_PORT), "--database", database)
        Served(folder, 0, 0).command("init", *demo)
    else:
        shutil.copytree(_demo(), folder, dirs_exist_ok=True)
    made = Served(
        folder, free_port(), free_port(), environment=dict(environment or {}),
        database=database or f"sqlite:///{folder}/var/softswitch.db",
    )  # fmt: skip
    path = folder / "softswitch.toml"
    section = f'[portal]\n{settings}listen = "127.0.0.1:{made.port}"\n\n[media]\n'
    text = path.read_text().replace("[media]\n", section).replace("20000-29999", "30000-31999")
    path.write_text(text.replace(f":{_DEMO_PORT}", f":{made.sip_port}"))
    try:
        made.start("serve")
        made.start("portal")
        yield made
        for name in ("portal", "serve"):
            if name in made.processes:
                assert made.stop(name) == 0
        made.command("ledger", "verify")
        log = (folder / "var" / "portal.log").read_text()
        assert "level=error" not in log, log
    finally:
        for process in made.processes.values():
            process.kill()


class Browserless:
    """A person with a browser without scripts: pages, forms and cookies."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(
            base_url=url.replace("http://", "https://"), transport=_Plain(), timeout=30,
            headers={"sec-fetch-site": "same-origin", "accept-language": "en"},
        )  # fmt: skip

    def get(self, path: str, **query: str) -> httpx.Response:
        return self._client.get(path, params=query or None, follow_redirects=True)

    def post(self, path: str, page: str = "", /, **fields: object) -> httpx.Response:
        """Send a form of a page with the tokens that it shows."""
        shown = self.get(page or path).text
        return self.send_form(path, shown, {key: str(value) for key, value in fields.items()})

    def send(self, method: str, path: str, **kept: object) -> httpx.Response:
        """A request as it is given, without anything added."""
        return self._client.request(method, path, **kept)  # type: ignore[arg-type]

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """An answer that is read as it comes."""
        with self._client.stream("GET", path) as answer:
            yield answer

    def sign_in(self, login: str, password: str) -> httpx.Response:
        return self.post("/login", login=login, password=password, next="")

    def first_sign_in(self, login: str, issued: str) -> httpx.Response:
        """Sign in with a password that was issued, and choose another; staff also set up codes."""
        self.sign_in(login, issued)
        answer = self.post("/password", old=issued, new=PASSWORD, again=PASSWORD)
        if 'data-page="totp"' in self.get("/op").text:
            answer = self.set_up_codes()
        return answer

    def set_up_codes(self) -> httpx.Response:
        """Set up one-time codes; the answer shows the recovery codes."""
        shown = self.get("/totp").text
        secret = token(shown, "secret")
        fields = {"secret": secret, "code": pyotp.TOTP(secret).now()}
        return self.send_form("/totp", shown, fields)

    def send_form(self, path: str, shown: str, fields: dict[str, str]) -> httpx.Response:
        """Send a form with the tokens of the page that showed it."""
        tokens = {"csrf": token(shown, "csrf"), "key": os.urandom(12).hex()}
        return self._client.post(path, data=tokens | fields, follow_redirects=True)

    def cookies(self) -> list[dict[str, object]]:
        """The cookies, for a browser with scripts."""
        return [
            {"name": one.name, "value": one.value, "domain": "127.0.0.1", "path": "/",
             "secure": True, "httpOnly": True}
            for one in self._client.cookies.jar
        ]  # fmt: skip

    def take_cookies(self, other: Browserless) -> None:
        """Have the cookies of another as well, as tabs of one browser do."""
        self._client.cookies.update(other._client.cookies)

    @property
    def session(self) -> str:
        """The token of the session."""
        return str(self._client.cookies["__Host-sid"])

    @session.setter
    def session(self, value: str) -> None:
        self._client.cookies.clear()
        self._client.cookies.set("__Host-sid", value)


class _Plain(httpx.HTTPTransport):
    """Cookies of `__Host-` want https; the portal of the tests speaks http on the loopback."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        plain = httpx.Request(
            request.method, request.url.copy_with(scheme="http"), headers=request.headers,
            stream=request.stream, extensions=request.extensions,
        )  # fmt: skip
        return super().handle_request(plain)


def token(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return found[1]
