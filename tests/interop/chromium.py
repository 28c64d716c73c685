"""Chromium with a page that is a phone, driven by its debugging protocol."""

import asyncio
import contextlib
import functools
import http.server
import itertools
import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import websockets
from switchboard import until

import softswitch.portal

HERE = Path(__file__).parent
STATIC = Path(softswitch.portal.__file__).parent / "static"
PAGE = '<!doctype html><title>phone</title><script type="module" src="/browser_page.js"></script>'
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0",
)  # fmt: skip
START_SECONDS = 30.0


class _Files(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        name = self.path.lstrip("/")
        found = {"jssip.min.js": STATIC, "browser_page.js": HERE}.get(name)
        body = PAGE.encode() if found is None else (found / name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if found is None else "text/javascript")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def pages():
    """A web server with the page; its address. Browsers take loopback for a secure origin."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Chromium:
    """One browser with one page."""

    def __init__(self, folder, address):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            pytest.skip("Chromium isn't installed (Debian package chromium)")
        self._log = open(folder / "chromium.log", "wb")  # noqa: SIM115 - closed in close()
        self.process = subprocess.Popen(
            [program, *ARGUMENTS, f"--user-data-dir={folder / 'profile'}", address],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._port_file = folder / "profile" / "DevToolsActivePort"
        self._address = address
        self._count = itertools.count(1)

    @classmethod
    async def open(cls, folder, address):
        folder.mkdir()
        browser = cls(folder, address)
        async with asyncio.timeout(START_SECONDS):
            await asyncio.to_thread(until, browser._has_port, "Chromium listens", START_SECONDS)
            port, path = browser._port_file.read_text().split()
            uri = f"ws://127.0.0.1:{port}{path}"
            browser._socket = await websockets.connect(uri, max_size=1 << 24)
            await browser._attach()
        return browser

    def _has_port(self):
        return self._port_file.exists() and self._port_file.read_text().strip()

    async def _attach(self):
        while True:
            targets = (await self._send("Target.getTargets"))["targetInfos"]
            page = next((one for one in targets if one["url"] == self._address), None)
            if page is not None:
                break
            await asyncio.sleep(0.1)
        attached = await self._send(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        await self.until("typeof window.phone == 'object'")

    async def _send(self, method, session=None, **params):
        number = next(self._count)
        more = {} if session is None else {"sessionId": session}
        await self._socket.send(
            json.dumps({"id": number, "method": method, "params": params, **more})
        )
        while True:
            answer = json.loads(await self._socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def run(self, script):
        """The value of an expression in the page; of a promise, what it resolves to."""
        async with asyncio.timeout(20):
            result = await self._send(
                "Runtime.evaluate", self._session, expression=script, awaitPromise=True,
                returnByValue=True, userGesture=True,
            )  # fmt: skip
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, script, seconds=15):
        """Wait until an expression is true."""
        await becomes_true(self, script, seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    async def close(self):
        await self._socket.close()
        self.process.terminate()
        try:
            await asyncio.to_thread(functools.partial(self.process.wait, 10))
        except subprocess.TimeoutExpired:
            self.kill()
        self._log.close()


@contextlib.asynccontextmanager
async def registered_chromium(board, folder, login, hertz=440):
    """One whose page is a registered phone of a board's line, with a tone for a voice."""
    with pages() as address:
        made = await Chromium.open(folder / f"chromium-{login}", address)
        try:
            await made.run(f"phone.hertz = {hertz}")
            await register(made, board, login)
            yield made
        finally:
            await made.close()


async def register(page, board, login):
    """Make a page a phone of a line, in whichever browser."""
    script = f"phone.start('{login}', '127.0.0.1', 'ws://{board.host}:{board.web}')"
    assert await page.run(script) == "registered"


async def becomes_true(page, script, seconds):
    """Wait until an expression of a page is true, in whichever browser."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                if await page.run(script):
                    return
                await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {script}")
