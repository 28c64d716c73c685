"""Passkeys of staff in Chromium, whose DevTools protocol has authenticators in software."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from served import PASSWORD, Browserless, Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

expect.set_options(timeout=60_000)
pytestmark = pytest.mark.timeout(300)  # real processes, on machines that may be busy


@pytest.fixture(scope="module")
def named(portal: Served) -> str:
    """The address of a portal that has a name: browsers keep no passkeys for a number."""
    url = f"http://localhost:{portal.port}"
    path = portal.folder / "softswitch.toml"
    text = path.read_text().replace("[portal]\n", f'[portal]\npublic_url = "{url}"\n')
    portal.stop("portal")
    path.write_text(text)
    portal.start("portal")
    return url


class Keys:
    """The authenticators of one browser."""

    def __init__(self, page: Page) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")

    def plug_in(self, transport: str) -> str:
        """An authenticator that verifies its user; its id."""
        options = {
            "protocol": "ctap2", "transport": transport, "hasResidentKey": True,
            "hasUserVerification": True, "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return str(made["authenticatorId"])

    def unplug(self, authenticator: str) -> None:
        self._cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": authenticator})

    def copy(self, authenticator: str) -> dict[str, object]:
        """Its only credential, with the private key."""
        found = self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})
        (credential,) = found["credentials"]
        return dict(credential)

    def restore(self, authenticator: str, credential: dict[str, object]) -> None:
        self._cdp.send("WebAuthn.clearCredentials", {"authenticatorId": authenticator})
        self._cdp.send(
            "WebAuthn.addCredential",
            {"authenticatorId": authenticator, "credential": credential},
        )


@contextmanager
def staff_at(browser: Browser, portal: Served, url: str, login: str) -> Iterator[Page]:
    """A page of a new administrator, who has a password and no second factor yet."""
    (user,) = portal.command("user", "add", login, "--role", "admin")
    person = Browserless(portal.url)
    person.sign_in(login, str(user["password"]))
    person.post("/password", old=user["password"], new=PASSWORD, again=PASSWORD)
    context = browser.new_context(locale="en")
    cookies = [{**one, "domain": "localhost"} for one in person.cookies()]
    context.add_cookies(cookies)  # type: ignore[arg-type]
    context.set_default_timeout(120_000)
    page = context.new_page()
    errors = list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{url}/sign-in")
    yield page
    context.close()
    assert errors == []


def add(page: Page, name: str) -> None:
    page.get_by_label("Name, such as").fill(name)
    page.get_by_role("button", name="Add a passkey").click()


def sign_out(page: Page, url: str) -> None:
    page.goto("about:blank")  # the board's own requests would get cookies of a stranger
    page.context.clear_cookies()
    page.goto(f"{url}/op")
    expect(page.locator("body")).to_have_attribute("data-page", "login")


def use_passkey(page: Page) -> None:
    page.get_by_role("button", name="Use a passkey").click()


def give_password(page: Page, login: str) -> None:
    page.get_by_label("Login").fill(login)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body")).to_have_attribute("data-page", "login-code")


def test_staff_sign_in_with_a_passkey_alone_or_after_the_password(
    portal: Served, named: str, browser: Browser
) -> None:
    with staff_at(browser, portal, named, "nino") as page:
        Keys(page).plug_in("internal")
        add(page, "work phone")
        expect(page.locator(".codes code")).to_have_count(10)
        code = page.locator(".codes code").first.inner_text()
        page.goto(f"{named}/op")
        expect(page.locator("body")).to_have_attribute("data-page", "board")

        sign_out(page, named)
        use_passkey(page)
        expect(page.locator("body")).to_have_attribute("data-page", "board")

        sign_out(page, named)
        give_password(page, "nino")
        use_passkey(page)
        expect(page.locator("body")).to_have_attribute("data-page", "board")

        sign_out(page, named)
        give_password(page, "nino")
        page.get_by_label("One-time code").fill(code)
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("body")).to_have_attribute("data-page", "board")
        (shown,) = portal.command("user", "show", "nino")
        assert (shown["passkeys"], shown["totp"]) == (1, False)


@pytest.mark.long  # the ceremony's own tests refuse the same
def test_of_several_passkeys_a_removed_one_signs_in_no_more(
    portal: Served, named: str, browser: Browser
) -> None:
    with staff_at(browser, portal, named, "vera") as page:
        keys = Keys(page)
        phone = keys.plug_in("internal")
        add(page, "phone")
        page.get_by_role("link", name="Continue").click()
        old = keys.copy(phone)
        keys.unplug(phone)
        key = keys.plug_in("usb")
        add(page, "key on the ring")
        expect(page.locator("ul.rows li")).to_have_count(2)

        page.locator("li", has_text="phone").get_by_role("button", name="Remove").click()
        expect(page.locator("ul.rows li")).to_have_count(1)
        sign_out(page, named)
        use_passkey(page)
        expect(page.locator("body")).to_have_attribute("data-page", "board")

        sign_out(page, named)
        keys.restore(key, old)
        use_passkey(page)
        expect(page.locator("[data-code=passkey_wrong]")).to_be_visible()


@pytest.mark.long  # the ceremony's own tests refuse the same
def test_a_copied_passkey_and_an_answer_that_is_sent_again_are_refused(
    portal: Served, named: str, browser: Browser
) -> None:
    with staff_at(browser, portal, named, "lasha") as page:
        keys = Keys(page)
        phone = keys.plug_in("internal")
        add(page, "phone")
        page.get_by_role("link", name="Continue").click()
        copied = keys.copy(phone)

        sign_out(page, named)
        with page.expect_request(
            lambda one: one.method == "POST" and "credential=%7B" in (one.post_data or "")
        ) as sent:
            use_passkey(page)
        expect(page.locator("body")).to_have_attribute("data-page", "board")
        found = re.search("credential=([^&]+)", sent.value.post_data or "")
        assert found is not None
        sign_out(page, named)
        token = page.locator("input[name=csrf]").first.input_value()
        again = page.context.request.post(
            f"{named}/login", headers={"origin": named, "content-type":
            "application/x-www-form-urlencoded"}, data=f"csrf={token}&credential={found[1]}",
        )  # fmt: skip
        assert "passkey_wrong" in again.text()

        keys.restore(phone, copied)
        use_passkey(page)
        expect(page.locator("[data-code=passkey_wrong]")).to_be_visible()


def test_a_browser_without_the_passkey_says_that_it_did_not_work(
    portal: Served, named: str, browser: Browser
) -> None:
    with staff_at(browser, portal, named, "zaza") as page:
        sign_out(page, named)
        page.evaluate(
            "() => { navigator.credentials.get = () => Promise.reject(new Error('no')); }"
        )
        use_passkey(page)
        expect(page.get_by_role("alert")).to_contain_text("That didn't work")
