"""A portal with its switch for all tests of a module, people who sign in, and a browser."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from served import Browserless, Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A demo switch with its portal; Ana's account is 1, her login `ana`."""
    with served(tmp_path_factory.mktemp("portal")) as made:
        yield made


@pytest.fixture(scope="module")
def ana(portal: Served) -> Browserless:
    """Ana, the owner of account 1, signed in."""
    (user,) = portal.command("user", "add", "ana", "--role", "subscriber", "--account", "1")
    person = Browserless(portal.url)
    person.first_sign_in("ana", str(user["password"]))
    return person


@pytest.fixture(scope="module")
def admin(portal: Served) -> Browserless:
    """An administrator, signed in."""
    (user,) = portal.command("user", "add", "boss", "--role", "admin")
    person = Browserless(portal.url)
    person.first_sign_in("boss", str(user["password"]))
    return person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; skips where there is none. It has a loop of its own, beside which
    no other test of the same process can have one: so it ends with the module."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium isn't installed (Debian package chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()
