"""A portal with its switch for all tests of a module, people who sign in, and a browser."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from served import Browserless, Served, served

from billing.stores.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module on the databases that its DATABASES names; on PostgreSQL only among the tests
    that take minutes."""
    if "portal" not in metafunc.fixturenames:
        return
    names = getattr(metafunc.module, "DATABASES", ("sqlite",))
    marks = {"postgresql": [pytest.mark.long, pytest.mark.timeout(900)]}
    params = [pytest.param(name, marks=marks.get(name, ()), id=name) for name in names]
    metafunc.parametrize("portal", params, indirect=True, scope="module")


@pytest.fixture(scope="module")
def portal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A demo switch with its portal; Ana's account is 1, her login `ana`."""
    url = ""
    if request.param == "postgresql":
        folder = tmp_path_factory.mktemp("database").name
        url = empty_database(request.getfixturevalue("postgresql"), f"{folder}_{os.getpid()}")
    with served(tmp_path_factory.mktemp("portal"), database=url) as made:
        yield made


def empty_database(server: str, name: str) -> str:
    """The URL of a new database on a server."""
    store = Store(server)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    store.close()
    return server.replace("/postgres?", f"/{name}?")


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
