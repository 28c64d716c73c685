"""Firefox with the page that is a phone, driven by WebDriver BiDi."""

import asyncio
import contextlib
import functools
import itertools
import json
import re
import shutil
import subprocess

import pytest
import websockets
from chromium import becomes_true, pages, register
from switchboard import until

PREFERENCES = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.navigator.audio.fake_frequency": 440,
    "network.proxy.type": 0,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "browser.shell.checkDefaultBrowser": False,
}
START_SECONDS = 90.0
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Firefox:
    """One browser with one page."""

    def __init__(self, folder):
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if program is None:
            pytest.skip("Firefox isn't installed (Debian package firefox-esr)")
        profile = folder / "profile"
        profile.mkdir(parents=True)
        (profile / "user.js").write_text(
            "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
                    for name, value in PREFERENCES.items())
        )  # fmt: skip
        self._said = folder / "firefox.log"
        self._log = self._said.open("wb")
        self.process = subprocess.Popen(
            [program, "--headless", "--no-remote", "--profile", str(profile),
             "--remote-debugging-port=0"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._count = itertools.count(1)

    @classmethod
    async def open(cls, folder, address):
        browser = cls(folder)
        try:
            async with asyncio.timeout(START_SECONDS):
                uri = await asyncio.to_thread(until, browser._uri, "Firefox listens", START_SECONDS)
                browser._socket = await websockets.connect(f"{uri}/session", max_size=1 << 24)
                await browser._send("session.new", capabilities={})
                tree = await browser._send("browsingContext.getTree")
                browser._page = tree["contexts"][0]["context"]
                await browser._send(
                    "browsingContext.navigate", context=browser._page, url=address, wait="complete"
                )
                await browser.until("typeof window.phone == 'object'", START_SECONDS)
        except BaseException:
            browser.process.kill()
            browser._log.close()
            raise
        return browser

    def _uri(self):
        found = _LISTENS.search(self._said.read_text())
        return found and found[1]

    async def _send(self, method, **params):
        number = next(self._count)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(await self._socket.recv())
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    async def run(self, script):
        """The value of an expression in the page; of a promise, what it resolves to."""
        whole = f"(async () => JSON.stringify((await ({script})) ?? null))()"
        async with asyncio.timeout(30):
            answer = await self._send(
                "script.evaluate", expression=whole, awaitPromise=True,
                target={"context": self._page}, userActivation=True,
            )  # fmt: skip
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    async def until(self, script, seconds=30):
        """Wait until an expression is true."""
        await becomes_true(self, script, seconds)

    async def close(self):
        await self._socket.close()
        self.process.terminate()
        try:
            await asyncio.to_thread(functools.partial(self.process.wait, 20))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


@contextlib.asynccontextmanager
async def registered_firefox(board, folder, login):
    """One whose page is a registered phone of a board's line; its voice is a tone of 440 Hz."""
    with pages() as address:
        made = await Firefox.open(folder / f"firefox-{login}", address)
        try:
            await made.run("phone.fake = true")
            await register(made, board, login)
            yield made
        finally:
            await made.close()
