"""Apps that sleep are woken by a push message when their line is called."""

import json

import pytest
from exchange import Exchange

from sip.credentials import Credentials
from sip.digest import Algorithm, ha1
from softswitch.subscribers.device_credentials import DeviceCredentials, PushAddress

ANA, BEKA = "+995322000001", "+995322000002"
GATEWAY = "https://push.example.org/send"
ADDRESS = PushAddress("com.example.app", "token-of-the-phone", "selector-1")


def app(*addresses):
    """A device of Beka's line that is an app."""
    made = {each: ha1(each, "app", "example.org", "second") for each in Algorithm}
    return DeviceCredentials("app", (made,), addresses)


class Office:
    """Ana's phone, and Beka's line with an app; push messages wake the app after a second."""

    def __init__(self, config="", addresses=(ADDRESS,), status=200):
        self.exchange = Exchange(seed=1, config=f"[provisioning]\n{config}")
        self.exchange.tariff(("on_net", 60_000, 1, 1))
        self.pushed, self.status = [], status
        self.exchange.post = self.post
        line = self.exchange.line(ANA, self.exchange.account(10_000_000))
        self.ana = self.exchange.phone(line, "198.51.100.1")
        self.ana.register()
        self.line = self.exchange.line(
            BEKA, self.exchange.account(10_000_000), devices=(app(*addresses),)
        )
        self.app = self.exchange.phone(self.line, "198.51.100.2")
        self.app.credentials = Credentials("app", "second")
        self.exchange.run(1.0)

    async def post(self, url, body):
        if self.status is None:
            raise OSError("push.example.org has no address")
        self.pushed.append((url, json.loads(body)))
        if self.status == 200:
            self.exchange.loop.call_later(1.0, self.app.register)
        return self.status

    def close(self):
        self.exchange.run_until_idle()
        left = self.exchange.left()
        assert left == dict.fromkeys(left, 0)
        assert self.exchange.log.errors == [] and self.exchange.store.verify() == []
        self.exchange.close()


ON = f'push_url = "{GATEWAY}"\npush_seconds = 5\n'


def test_a_sleeping_app_is_woken_and_takes_the_call():
    office = Office(ON)
    session = office.ana.call(BEKA)
    office.exchange.run(4.0)
    assert office.ana.status == 200 and len(office.app.talking) == 1
    ((url, said),) = office.pushed
    assert url == GATEWAY
    assert said == {
        "verb": "NotifyIncomingCall", "AppId": "com.example.app",
        "DeviceToken": "token-of-the-phone", "Selector": "selector-1", "UserName": ANA,
        "DisplayName": "",
    }  # fmt: skip
    office.ana.hang_up(session)
    office.close()


def test_an_app_that_is_registered_gets_no_push_message():
    office = Office(ON)
    office.app.register()
    office.exchange.run(1.0)
    session = office.ana.call(BEKA)
    office.exchange.run(3.0)
    assert office.ana.status == 200 and office.pushed == []
    office.ana.hang_up(session)
    office.close()


def test_an_app_is_woken_beside_a_phone_that_rings():
    office = Office(ON)
    desk = office.exchange.phone(office.line, "198.51.100.3")
    desk.behaviour.answer = 0
    desk.register()
    office.exchange.run(1.0)
    session = office.ana.call(BEKA)
    office.exchange.run(4.0)
    assert office.ana.status == 200
    assert (len(desk.talking), len(office.app.talking), len(office.pushed)) == (0, 1, 1)
    office.ana.hang_up(session)
    office.close()


@pytest.mark.parametrize("status", [500, None])
def test_a_call_that_wakes_nobody_ends_after_its_wait(status):
    office = Office(ON, status=status)
    office.ana.call(BEKA)
    office.exchange.run(4.0)
    assert office.ana.status is None  # it waits
    office.exchange.run(3.0)
    assert office.ana.status == 480
    (facts,) = (facts for event, facts in office.exchange.log.warnings if event == "app not woken")
    assert facts["line"] == BEKA and "token" not in str(facts)
    (cdr,) = office.exchange.store.cdrs()
    assert facts["call"] == cdr.call_id
    office.close()


@pytest.mark.parametrize(
    "given", [{"config": "push_seconds = 5\n"}, {"config": ON, "addresses": ()}]
)
def test_without_a_gateway_or_a_token_a_call_is_refused_at_once(given):
    office = Office(**given)
    office.ana.call(BEKA)
    office.exchange.run(1.0)
    assert (office.ana.status, office.pushed) == (480, [])
    office.close()
