"""The cabinet's phone in Chromium: it registers by a pass, calls, holds, and breaks no policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from certificates import Authority
from playwright.sync_api import expect, sync_playwright
from served import Browserless, Served, free_port, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ARGUMENTS = (
    "--no-sandbox", "--disable-dev-shm-usage", "--ignore-certificate-errors",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A demo switch that listens on WebSocket over TLS, and whose cabinet has a phone."""
    folder = tmp_path_factory.mktemp("phone")
    pair = Authority(folder).issue("127.0.0.1")
    sip, web = free_port(), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTSWITCH_SIP__LISTEN", f"udp:127.0.0.1:{sip},wss:127.0.0.1:{web}")
        patch.setenv("SOFTSWITCH_TLS__CERTIFICATES", f"{pair.certificate}:{pair.key}")
        patch.setenv("SOFTSWITCH_PORTAL__PHONE_URL", f"wss://127.0.0.1:{web}")
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


@pytest.mark.timeout(240)
def test_the_cabinets_phone_calls_the_echo_holds_and_hangs_up(
    portal: Served, ana: Browserless, calling: Browser
) -> None:
    context = calling.new_context(locale="en", ignore_https_errors=True)
    context.grant_permissions(["microphone"])
    context.add_cookies(ana.cookies())  # type: ignore[arg-type]
    page, said = context.new_page(), list[str]()
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{portal.url}/phone")
    page.click("#start")
    state = page.locator("#state")
    expect(state).to_have_attribute("data-state", "ready", timeout=PATIENCE_MS)
    (binding,) = portal.command("registration", "list")
    assert binding["transport"] == "wss"
    for key in "*43":
        page.click(f'[data-key="{key}"]')
    page.click("#call")
    expect(state).to_have_attribute("data-state", "talking", timeout=PATIENCE_MS)
    expect(page.locator("#quality")).to_have_attribute("data-quality", "good", timeout=PATIENCE_MS)
    page.click("#hold")
    expect(state).to_have_attribute("data-state", "on_hold", timeout=PATIENCE_MS)
    page.click("#hold")
    expect(state).to_have_attribute("data-state", "talking", timeout=PATIENCE_MS)
    page.click("#mute")
    expect(page.locator("#mute")).to_have_text("Unmute")
    page.click("#end")
    expect(state).to_have_attribute("data-state", "ended", timeout=PATIENCE_MS)
    context.close()
    assert said == []


def test_a_pass_is_given_for_ones_own_line_alone(portal: Served, ana: Browserless) -> None:
    lines = {str(line["account"]): line for line in portal.command("line", "list")}
    mine, foreign = lines.pop("1"), next(iter(lines.values()))
    own = ana.post("/phone", line=mine["number"]).json()
    assert own["auth_username"].startswith(f"{mine['login']}~")
    assert own["server"].startswith("wss://") and own["line"] == mine["number"]
    refused = ana.post("/phone", line=foreign["number"])
    assert refused.status_code == 404 and "auth_username" not in refused.text
