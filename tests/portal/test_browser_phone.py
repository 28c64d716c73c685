"""The cabinet's phone in Chromium: it registers by a pass, calls, holds, and breaks no policy; its
calls go on over a reload and a broken WebSocket."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from certificates import Authority
from playwright.sync_api import expect, sync_playwright
from served import Browserless, Served, free_port, served

from softswitch.admission.turn_credentials import turn_credentials

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ARGUMENTS = (
    "--no-sandbox", "--disable-dev-shm-usage", "--ignore-certificate-errors",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
PATIENCE_MS = 60_000
BREAK_SECONDS = 10.0


class Cable:
    """A TCP forwarder before the switch's WebSocket, which can be cut."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                self._open |= {near, far}
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, from_: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := from_.recv(65_536):
                to.sendall(data)
        for one in (from_, to):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # the other thread waits in it
            self._open.discard(one)
            one.close()

    def cut(self) -> None:
        self.is_cut = True
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()


@pytest.fixture(scope="module")
def web_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def cable(web_port: int) -> Iterator[Cable]:
    made = Cable(web_port)
    yield made
    made.close()


@pytest.fixture(scope="module")
def portal(
    tmp_path_factory: pytest.TempPathFactory, web_port: int, cable: Cable
) -> Iterator[Served]:
    """A demo switch that listens on WebSocket over TLS, and whose cabinet has a phone."""
    folder = tmp_path_factory.mktemp("phone")
    pair = Authority(folder).issue("127.0.0.1")
    sip, web = free_port(), web_port
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTSWITCH_SIP__LISTEN", f"udp:127.0.0.1:{sip},wss:127.0.0.1:{web}")
        patch.setenv("SOFTSWITCH_TLS__CERTIFICATES", f"{pair.certificate}:{pair.key}")
        # A server that never answers delays no call.
        patch.setenv("SOFTSWITCH_WEBRTC__TURN", "turn:127.0.0.1:9?transport=tcp,turn:127.0.0.1:9")
        patch.setenv("SOFTSWITCH_WEBRTC__TURN_SECRET", "shared with the server")
        patch.setenv("SOFTSWITCH_PORTAL__PHONE_URL", f"wss://127.0.0.1:{cable.port}")
        (folder / "switch").mkdir()
        with served(folder / "switch") as made:
            yield made


@pytest.fixture(scope="module")
def calling() -> Iterator[Browser]:
    """Chromium with a microphone that beeps."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium isn't installed (Debian package chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def context(calling: Browser, ana: Browserless) -> Iterator[BrowserContext]:
    made = calling.new_context(locale="en", ignore_https_errors=True)
    made.grant_permissions(["microphone"])
    made.add_cookies(ana.cookies())  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, portal: Served) -> Iterator[Page]:
    """The phone of Ana's line, switched on; what breaks in the page fails the test."""
    made, said = context.new_page(), list[str]()
    made.set_default_timeout(PATIENCE_MS)
    made.on("console", lambda message: said.append(message.text))
    made.on("pageerror", lambda error: said.append(str(error)))
    made.goto(f"{portal.url}/phone")
    made.click("#start")
    is_in(made, "ready")
    yield made
    for call in portal.command("call", "list"):
        portal.command("call", "hangup", str(call["id"]))
    assert [text for text in said if "WebSocket connection" not in text] == []


def is_in(page: Page, state: str) -> None:
    expect(page.locator("#state")).to_have_attribute("data-state", state, timeout=PATIENCE_MS)


def hears(page: Page) -> None:
    """Wait until more sound has come; how good it is depends on how busy the machine is."""
    page.evaluate("document.getElementById('quality').dataset.quality = ''")
    quality = page.locator("#quality")
    anything = re.compile("good|fair|poor")
    expect(quality).to_have_attribute("data-quality", anything, timeout=PATIENCE_MS)


def call_echo(page: Page, portal: Served) -> object:
    """Call the echo; the id of the call."""
    for key in "*43":
        page.click(f'[data-key="{key}"]')
    page.click("#call")
    is_in(page, "talking")
    (call,) = portal.command("call", "list")
    return call["id"]


@pytest.mark.timeout(240)
def test_the_cabinets_phone_calls_the_echo_holds_and_hangs_up(portal: Served, page: Page) -> None:
    (binding,) = portal.command("registration", "list")
    assert binding["transport"] == "wss"
    call_echo(page, portal)
    hears(page)
    page.click("#hold")
    is_in(page, "on_hold")
    page.click("#hold")
    is_in(page, "talking")
    page.click("#mute")
    expect(page.locator("#mute")).to_have_text("Unmute")
    page.click("#end")
    is_in(page, "ended")


@pytest.mark.timeout(240)
def test_a_call_goes_on_when_the_page_is_loaded_again(portal: Served, page: Page) -> None:
    call = call_echo(page, portal)
    page.click("#mute")
    page.click("#hold")
    is_in(page, "on_hold")
    page.reload()
    is_in(page, "on_hold")
    page.click("#hold")
    for _ in range(2):
        is_in(page, "talking")
        expect(page.locator("#state")).to_have_text("Talking with *43")
        expect(page.locator("#mute")).to_have_text("Unmute")
        hears(page)
        page.reload()
    is_in(page, "talking")
    assert [row["id"] for row in portal.command("call", "list")] == [call]
    page.click("#end")
    is_in(page, "ended")
    page.reload()
    expect(page.locator("#start")).to_be_enabled()  # nothing is taken up again


@pytest.mark.timeout(240)
def test_a_call_that_ended_meanwhile_is_not_taken_up_again(portal: Served, page: Page) -> None:
    call = call_echo(page, portal)
    page.goto(f"{portal.url}/calls")
    portal.command("call", "hangup", str(call))
    page.goto(f"{portal.url}/phone")
    is_in(page, "ended")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("ends", [False, True])
def test_a_call_goes_on_while_the_websocket_is_gone_for_ten_seconds(
    portal: Served, page: Page, cable: Cable, ends: bool
) -> None:
    call = call_echo(page, portal)
    cable.cut()
    try:
        time.sleep(1.0 if ends else BREAK_SECONDS)
        if ends:
            portal.command("call", "hangup", str(call))
        else:
            hears(page)
            assert [row["id"] for row in portal.command("call", "list")] == [call]
    finally:
        cable.mend()
    if not ends:
        wait_until_registered(portal)
        page.click("#end")  # the BYE goes by the new connection
    is_in(page, "ended")
    assert portal.command("call", "list") == []


def wait_until_registered(portal: Served) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not portal.command("registration", "list"):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_pass_is_given_for_ones_own_line_alone(portal: Served, ana: Browserless) -> None:
    lines = {str(line["account"]): line for line in portal.command("line", "list")}
    mine, foreign = lines.pop("1"), next(iter(lines.values()))
    own = ana.post("/phone", line=mine["number"]).json()
    assert own["auth_username"].startswith(f"{mine['login']}~")
    assert own["server"].startswith("wss://") and own["line"] == mine["number"]
    (turn,) = own["ice_servers"]
    assert turn["urls"] == ["turn:127.0.0.1:9?transport=tcp", "turn:127.0.0.1:9"]
    ends_at, login = turn["username"].split(":")
    assert login == mine["login"] and int(ends_at) > time.time() + 14_400
    assert turn["credential"] == turn_credentials("shared with the server", login, int(ends_at))[1]
    refused = ana.post("/phone", line=foreign["number"])
    assert refused.status_code == 404 and "auth_username" not in refused.text
