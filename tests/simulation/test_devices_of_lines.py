"""Devices of a line in a running switch: passwords of their own, and check-sync."""

from dataclasses import replace

import pytest
from exchange import Exchange

from sip.credentials import Credentials
from sip.digest import Algorithm, ha1
from softswitch.control.actor import Actor
from softswitch.operations.context import Context
from softswitch.process.live import Live
from softswitch.process.live_devices import MAX_SOURCES, _ask, guard_strike
from softswitch.provisioning.device import Device, DeviceLine
from softswitch.subscribers.device_credentials import DeviceCredentials

ANA = "+995322000001"


def credentials(username: str, *passwords: str) -> DeviceCredentials:
    return DeviceCredentials(
        username,
        tuple(
            {each: ha1(each, username, "example.org", password) for each in Algorithm}
            for password in passwords
        ),
    )


@pytest.fixture
def exchange():
    made = Exchange(seed=1)
    yield made
    assert made.log.errors == []
    made.close()


@pytest.fixture
def line(exchange):
    return exchange.line(
        ANA,
        exchange.account(10_000_000),
        devices=(credentials("desk", "first"), credentials("app", "second")),
    )


def phone(exchange, line, host, username, password):
    made = exchange.phone(line, host)
    made.credentials = Credentials(username, password)
    made.register()
    return made


def changed(exchange, line):
    """A line as operations change it: the switch hears first that it changes, then has it."""
    exchange.switch.lines_changing([line], [])
    exchange.directory.put_lines([line])
    exchange.switch.lines_changed([line.id])


def registered(exchange, line) -> set[str]:
    now = exchange.switch.wall_seconds()
    return {binding.username for binding in exchange.switch.registrar.lookup(line.login, now)}


def test_a_removed_device_is_shut_at_once_and_the_others_are_rung(exchange, line):
    exchange.directory.put_lines([line])
    stolen = phone(exchange, line, "198.51.100.1", "desk", "first")
    app = phone(exchange, line, "198.51.100.2", "app", "second")
    own = phone(exchange, line, "198.51.100.3", line.login, "secret")
    exchange.run(1.0)
    assert [each.registered for each in (stolen, app, own)] == [200, 200, 200]
    assert registered(exchange, line) == {"desk", "app", line.login}
    changed(exchange, replace(line, devices=line.devices[1:]))
    assert registered(exchange, line) == {"app", line.login}
    stolen.register()
    exchange.run(1.0)
    assert stolen.registered == 403
    assert registered(exchange, line) == {"app", line.login}


def test_another_password_of_the_line_shuts_none_of_its_devices(exchange, line):
    phone(exchange, line, "198.51.100.2", "app", "second")
    phone(exchange, line, "198.51.100.3", line.login, "secret")
    exchange.run(1.0)
    secrets = {each: ha1(each, line.login, "example.org", "another") for each in Algorithm}
    changed(exchange, replace(line, ha1=secrets))
    assert registered(exchange, line) == {"app"}


def test_a_device_stays_registered_while_its_password_changes(exchange, line):
    phone(exchange, line, "198.51.100.2", "app", "second")
    exchange.run(1.0)
    desk, _ = line.devices
    during = replace(line, devices=(desk, credentials("app", "second", "third")))
    changed(exchange, during)
    assert registered(exchange, line) == {"app"}
    changed(exchange, replace(line, devices=(desk, credentials("app", "third"))))
    assert registered(exchange, line) == {"app"}
    changed(exchange, replace(line, devices=(desk, credentials("app", "fourth"))))
    assert registered(exchange, line) == set()


def live(exchange) -> Live:
    context = Context(exchange.config, None, None, None, None, actor=Actor("nino", "admin"))
    return Live(context, exchange.switch, None, 0, None)


def test_check_sync_goes_to_the_device_alone(exchange, line):
    desk = phone(exchange, line, "198.51.100.1", "desk", "first")
    app = phone(exchange, line, "198.51.100.2", "app", "second")
    exchange.run(1.0)
    sent: list[bytes] = []
    exchange.switch.agent.stack.add_tap(
        lambda seen: sent.append(seen[3]) if seen[1] and b"check-sync" in seen[3] else None
    )
    device = Device("d", line.account_id, "yealink", 0, lines=(DeviceLine(1, line.id, "desk"),))
    (asked,) = exchange.loop.run_until_complete(_ask(live(exchange), device))
    exchange.run(1.0)
    assert desk.address[0] in asked and app.address[0] not in asked
    (notify,) = set(sent)
    assert notify.startswith(f"NOTIFY sip:{line.login}@198.51.100.1".encode())
    assert b"\r\nEvent: check-sync;reboot=false\r\n" in notify


def test_guesses_of_urls_stand_in_the_list_of_bans(exchange):
    for _ in range(10):
        guard_strike(live(exchange), ["203.0.113.66", "2001:db8::1"])
    bans = exchange.switch.guard.bans(exchange.switch.now())
    assert {(ban.source, ban.login) for ban in bans} >= {("203.0.113.66", "provisioning")}
    guard_strike(
        live(exchange), ["nonsense", *(f"10.0.{n >> 8}.{n & 255}" for n in range(2 * MAX_SOURCES))]
    )
    assert len(exchange.switch.guard) <= MAX_SOURCES + 2
