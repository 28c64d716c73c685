"""The entrance to provisioning, over a real database: what phones, apps and guessers are told."""

from __future__ import annotations

import json
import random
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from msgspec.structs import replace

from softswitch.control.errors import OperationError
from softswitch.operations.context import Context
from softswitch.operations.devices import codes, devices
from softswitch.operations.dispatch import perform
from softswitch.operations.lines import lines
from softswitch.operations.registry import OPERATIONS
from softswitch.provisioning.answering import Provisioning
from softswitch.provisioning.exchange import (
    NOT_FOUND,
    Arrived,
    FirmwareFile,
    Request,
    Response,
    Seen,
    Strike,
    Wanted,
)
from softswitch.provisioning.guesses import MAX_ADDRESSES, Guesses, source_of
from softswitch.provisioning.profile import profile_of
from softswitch.provisioning.tokens import TOKEN_LENGTH, password_of, token_of
from tests.softswitch.operations.test_devices import NINO, desk, line_of, token_in

__all__ = ["desk"]

MAC = "0015654aa937"
AGENT = "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37"
PHONE, GUESSER = "203.0.113.9", "198.51.100.66"


@dataclass
class Office:
    """Provisioning over the database of an office, and what the portal does beside it."""

    context: Context
    firmware: dict[tuple[str, str], str] = field(default_factory=dict)
    drawn: random.Random = field(default_factory=lambda: random.Random(1))
    strikes: list[str] = field(default_factory=list)
    needs_certificate: bool = False

    def __post_init__(self) -> None:
        self.desk = Provisioning(
            devices.device_store(self.context),
            replace(profile_of(self.context.config), needs_certificate=self.needs_certificate),
            realm=self.context.config.realm,
            fresh_token=lambda: token_of(self.drawn.randbytes(2 * TOKEN_LENGTH)),
            firmware_of=lambda kind, model: self.firmware.get((kind, model)),
        )

    def ask(self, path: str, **more: Any) -> Response | FirmwareFile:
        """The answer, after the operation that it needs, and with its effects done."""
        facts: dict[str, Any] = {
            "method": "GET", "query": {}, "body": b"", "peer": PHONE, "secure": True,
            "certificate_names": None, "now_ms": self.context.now_ms(),
        }  # fmt: skip
        headers = {"user-agent": more.pop("agent", AGENT)} | more.pop("headers", {})
        found = self.desk.answer(Request(path=path, headers=headers, **facts | more))
        if isinstance(found, Wanted):
            found = self._performed(found)
        for effect in found.effects:
            match effect:
                case Arrived(device_id, token_hash):
                    self._perform("device_arrived", device=device_id, token_hash=token_hash)
                case Strike(address):
                    self.strikes.append(address)
                case _:
                    pass
        return found

    def _performed(self, wanted: Wanted) -> Response:
        context = replace_actor(self.context, wanted)
        try:
            result = perform(context, OPERATIONS[wanted.operation], wanted.arguments)
        except OperationError as error:
            return wanted.refused(error)
        return wanted.then(result)

    def _perform(self, operation: str, **arguments: object) -> None:
        perform(self.context, OPERATIONS[operation], arguments)


def replace_actor(context: Context, wanted: Wanted) -> Context:
    import dataclasses

    return dataclasses.replace(context, actor=wanted.actor)


def body(found: Response | FirmwareFile) -> str:
    assert isinstance(found, Response) and found.status == 200, found
    return found.body.decode()


def settings_in(found: Response | FirmwareFile) -> dict[str, str]:
    lines = body(found).splitlines()[1:]
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


def enrolled(office: Office, **more: Any) -> tuple[str, str]:
    """The id of a phone that has set itself up, and its permanent URL's path."""
    row = devices.device_add(office.context, NINO, "yealink", mac=MAC, **more)
    found = settings_in(office.ask(f"/d/{token_in(row)}/{MAC}.cfg"))
    path = found["static.auto_provision.server.url"].removeprefix("https://prov.example.org")
    office.ask(f"{path}{MAC}.cfg")
    return str(row["id"]), path


def test_a_phone_sets_itself_up_by_its_one_time_url_and_goes_on_by_the_permanent_one(
    desk: Context,
) -> None:
    office = Office(desk)
    row = devices.device_add(desk, NINO, "yealink")
    once = f"/d/{token_in(row)}/"
    # What such a phone asks first isn't there, and costs it nothing.
    for file in ("y000000000028.boot", f"{MAC}.boot", "y000000000028.cfg"):
        assert office.ask(once + file) == replace(
            NOT_FOUND, effects=(Seen(str(row["id"]), desk.now_ms(), PHONE, AGENT),)
        )
    first = settings_in(office.ask(f"{once}{MAC}.cfg"))
    permanent = first["static.auto_provision.server.url"]
    assert permanent.startswith("https://prov.example.org/d/") and once not in permanent
    path = permanent.removeprefix("https://prov.example.org")
    token = path.split("/")[2]
    (device,) = line_of(desk).devices
    assert first["account.1.password"] == password_of(token, device.username)
    again = office.ask(f"{path}{MAC}.cfg")
    assert settings_in(again) == first
    assert devices.device_show(desk, str(row["id"]))["state"] == "ready"
    assert office.ask(f"{once}{MAC}.cfg") == replace(NOT_FOUND, effects=(Strike(PHONE),))
    assert isinstance(again, Response) and ("Cache-Control", "no-store") in again.headers


def test_the_same_request_gets_the_same_octets(desk: Context) -> None:
    office = Office(desk)
    _, path = enrolled(office)
    assert body(office.ask(f"{path}{MAC}.cfg")) == body(office.ask(f"{path}{MAC}.cfg"))


def test_a_rotated_phone_is_led_to_another_url_and_has_another_password(desk: Context) -> None:
    office = Office(desk)
    device, path = enrolled(office)
    before = settings_in(office.ask(f"{path}{MAC}.cfg"))
    devices.device_rotate(desk, device)
    after = settings_in(office.ask(f"{path}{MAC}.cfg"))
    assert after["account.1.password"] != before["account.1.password"]
    following = after["static.auto_provision.server.url"]
    assert following != before["static.auto_provision.server.url"]
    office.ask(f"{following.removeprefix('https://prov.example.org')}{MAC}.cfg")
    assert office.ask(f"{path}{MAC}.cfg").effects == (Strike(PHONE),)
    assert len(line_of(desk).devices[0].secrets) == 1


def test_a_removed_phone_is_told_nothing(desk: Context) -> None:
    office = Office(desk)
    device, path = enrolled(office)
    devices.device_remove(desk, device)
    assert office.ask(f"{path}{MAC}.cfg") == replace(NOT_FOUND, effects=(Strike(PHONE),))


OTHER = "Yealink SIP-T46G 28.72.0.1 00:15:65:00:00:01"


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("001565000001.cfg", {"agent": "curl/8"}),
        (f"{MAC}.cfg", {"agent": OTHER}),
        ("001565000001.cfg", {}),
        ("phonebook.xml", {"agent": OTHER}),
        (f"{MAC}.cfg", {"query": {"mac": "00:15:65:00:00:01"}}),
    ],
)
def test_another_phones_mac_is_answered_as_a_wrong_token(
    desk: Context, file: str, more: dict[str, Any]
) -> None:
    office = Office(desk)
    _, path = enrolled(office)
    wrong = office.ask(path + file, peer=GUESSER, **more)
    unknown = office.ask(f"/d/{'x' * 26}/{file}", peer=GUESSER, **more)
    assert wrong == unknown == replace(NOT_FOUND, effects=(Strike(GUESSER),))


def test_nothing_is_told_without_https(desk: Context) -> None:
    office = Office(desk)
    _, path = enrolled(office)
    assert office.ask(f"{path}{MAC}.cfg", secure=False) == NOT_FOUND


def test_a_configuration_is_told_to_no_client_that_shows_no_mac(desk: Context) -> None:
    office = Office(desk)
    row = devices.device_add(desk, NINO, "snom", mac="000413922d24")
    found = office.ask(f"/d/{token_in(row)}/snomD785.htm", agent="curl/8")
    assert isinstance(found, Response) and found.status == 404
    agent = "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12 000413922D24 SXM:0)"
    assert "<settings>" in body(office.ask(f"/d/{token_in(row)}/snomD785.htm", agent=agent))


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (None, 404),
        (frozenset[str](), 404),
        (frozenset({"00:15:65:00:00:01"}), 404),
        (frozenset({"00:15:65:4A:A9:37"}), 200),
        (frozenset({"yealink-0015654aa937.example"}), 200),
    ],
)
def test_the_certificate_of_the_factory_is_needed_too_where_it_is_asked_for(
    desk: Context, names: frozenset[str] | None, status: int
) -> None:
    office = Office(desk, needs_certificate=True)
    row = devices.device_add(desk, NINO, "yealink", mac=MAC)
    found = office.ask(f"/d/{token_in(row)}/{MAC}.cfg", certificate_names=names)
    assert isinstance(found, Response) and found.status == status


def test_after_ten_guesses_an_address_is_told_nothing_for_an_hour(desk: Context) -> None:
    office = Office(desk)
    _, path = enrolled(office)
    for n in range(10):
        office.ask(f"/d/{n:026}/x", peer=GUESSER)
    assert office.strikes == [GUESSER] * 10
    assert office.ask(f"{path}{MAC}.cfg", peer=GUESSER) == NOT_FOUND
    assert office.strikes == [GUESSER] * 10  # nothing is looked at
    assert "account.1" in body(office.ask(f"{path}{MAC}.cfg"))  # the phone is elsewhere
    now = desk.now_ms()
    desk.now_ms = lambda: now + 3_600_000
    assert "account.1" in body(office.ask(f"{path}{MAC}.cfg", peer=GUESSER))


def test_guesses_of_ipv6_are_counted_for_the_network_of_a_guesser() -> None:
    guesses = Guesses()
    for n in range(10):
        guesses.note(f"2001:db8:0:1::{n:x}", 0)
    assert guesses.barred("2001:db8:0:1:ffff::1", 1)
    assert not guesses.barred("2001:db8:0:2::1", 1)
    assert source_of("::ffff:192.0.2.1") == source_of("192.0.2.1") == "192.0.2.1"
    assert source_of("fe80::1%eth0") == source_of("fe80::2")
    assert source_of("no address") == "no address"


def test_guessers_can_fill_no_memory() -> None:
    guesses = Guesses()
    for n in range(MAX_ADDRESSES + 1000):
        guesses.note(f"host{n}", 0)
    assert len(guesses._counts) == MAX_ADDRESSES


def test_a_hundred_thousand_guesses_get_no_octet_of_a_configuration(desk: Context) -> None:
    office = Office(desk)
    _, path = enrolled(office)
    token, drawn = path.split("/")[2], random.Random(7)
    answers = set()
    for n in range(100_000):
        guess = token_of(drawn.randbytes(52)) if n % 2 else token[:-1] + "23456789"[n % 8]
        if guess != token:
            found = office.ask(f"/d/{guess}/{MAC}.cfg", peer=f"198.18.{n >> 8 & 255}.{n & 255}")
            answers.add((found.status, found.body) if isinstance(found, Response) else None)
    assert answers == {(404, b"Not found.\n")}
    assert "account.1" in body(office.ask(f"{path}{MAC}.cfg"))


def test_an_unknown_token_takes_as_long_as_a_wrong_mac(desk: Context) -> None:
    office = Office(desk)
    _, path = enrolled(office)
    unknown = f"/d/{'x' * 26}/001565000001.cfg"
    wrong = f"{path}001565000001.cfg"

    def spent(asked: str, n: int) -> float:
        begun = time.perf_counter()
        office.ask(asked, peer=f"198.18.{n >> 8}.{n & 255}")
        return time.perf_counter() - begun

    for n in range(50):
        spent(unknown, n), spent(wrong, n)
    times = sorted((spent(unknown, n), spent(wrong, n)) for n in range(50, 350))
    medians = [sorted(each)[150] for each in zip(*times, strict=True)]
    assert medians[1] < 3 * medians[0]


def test_phone_book_firmware_and_logs(desk: Context) -> None:
    office = Office(desk, firmware={("yealink", "T46G"): "T46G-28.83.0.120.rom"})
    lines.line_set(desk, NINO, "display_name", "Nino")
    _, path = enrolled(office)
    book = ET.fromstring(body(office.ask(f"{path}phonebook.xml")))
    assert [(each.findtext("Name"), each.findtext("Telephone")) for each in book] == [
        ("Nino", NINO)
    ]
    found = settings_in(office.ask(f"{path}{MAC}.cfg"))
    assert found["static.firmware.url"].endswith(f"{path}firmware/T46G-28.83.0.120.rom")
    file = office.ask(f"{path}firmware/T46G-28.83.0.120.rom")
    assert isinstance(file, FirmwareFile) and file.path == "yealink/T46G/T46G-28.83.0.120.rom"
    poly = devices.device_add(desk, NINO, "poly", mac="0004f2000001")
    once = f"/d/{token_in(poly)}/0004f2000001"
    assert "CONFIG_FILES" in body(office.ask(f"{once}.cfg", agent=""))
    assert body(office.ask(f"{once}-app.log", agent="", method="PUT", body=b"log")) == ""


def test_an_app_exchanges_its_code_once(desk: Context) -> None:
    office = Office(desk)
    code = str(codes.provisioning_code_add(desk, NINO)["code"])
    query = {"cloud_username": code, "cloud_password": "", "cloud_id": "EXAMPLE"}
    account = ET.fromstring(body(office.ask("/app/prov", query=query, agent="Acrobits")))
    assert account.tag == "account" and account.findtext("username") == NINO[1:]
    assert account.findtext("userCallerId") == NINO
    assert account.findtext("codecOrder") == "9,8,0"
    assert office.ask("/app/prov", query=query).effects == (Strike(PHONE),)
    path = (account.findtext("extProvUrl") or "").removeprefix("https://prov.example.org")
    renewed = ET.fromstring(body(office.ask(path, agent="Acrobits")))
    assert renewed.findtext("password") == account.findtext("password")


def test_linphone_is_led_to_its_permanent_url(desk: Context) -> None:
    office = Office(desk)
    row = codes.provisioning_code_add(desk, NINO, "linphone")
    path = str(row["url"]).removeprefix("https://prov.example.org")
    found = ET.fromstring(body(office.ask(path, agent="Linphonec/5.1.65")))
    name = "{http://www.linphone.org/xsds/lpconfig.xsd}"
    entries = {
        (section.get("name"), entry.get("name")): entry.text
        for section in found.iter(f"{name}section")
        for entry in section.iter(f"{name}entry")
    }
    assert entries["proxy_0", "reg_proxy"] == "<sip:sip.example.org:5060;transport=udp>"
    assert entries["auth_info_0", "username"] == NINO[1:]
    again = (entries["misc", "config-uri"] or "").removeprefix("https://prov.example.org")
    renewed = body(office.ask(again, agent="Linphonec/5.1.65"))
    assert f">{entries['auth_info_0', 'passwd']}<" in renewed


@pytest.fixture
def app(desk: Context) -> Callable[..., Response | FirmwareFile]:
    """Asks web services as an app that has set itself up."""
    office = Office(desk)
    code = str(codes.provisioning_code_add(desk, NINO)["code"])
    found = office.ask("/app/prov", query={"cloud_username": code}, agent="")
    account = ET.fromstring(body(found))
    base = (account.findtext("genericBalanceCheckUrl") or "").removesuffix("balance")
    path = base.removeprefix("https://prov.example.org")
    return lambda service, **more: office.ask(path + service, agent="Acrobits", **more)


def test_an_apps_balance_is_its_accounts(app: Any, desk: Context) -> None:
    from softswitch.operations.accounts import accounts

    accounts.account_topup(desk, "Nino", "12.34", "payment")
    assert body(app("balance")) == '{"balanceString":"12.34 ₾","balance":12.34,"currency":"GEL"}'
    shown = ET.fromstring(body(app("balance", headers={"accept": "application/xml"})))
    assert (shown.findtext("error"), shown.findtext("balanceString")) == ("0", "12.34 ₾")


_NAMES = st.sampled_from(
    ["sms_to", "sms_body", "targetNumber", "last_id", "last_sent_id", "selector", "call_token",
     "call_app", "other_token", "content_type", "x"]
)  # fmt: skip
_TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["+995322000002", "1", "*97", "112", "]]>", "\x00", "\ud800", "0" * 400]),
)
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "sent",
    [
        {"query": {"sms_to": "+995322000002", "sms_body": "გამარჯობა & co"}},
        {"method": "POST", "headers": FORM,
         "body": "sms_to=%2B995322000002&sms_body=გამარჯობა+%26+co".encode()},
        {"method": "POST", "headers": JSON,
         "body": '{"sms_to":"+995322000002","sms_body":"გამარჯობა & co"}'.encode()},
    ],
    ids=["query", "form", "json"],
)  # fmt: skip
def test_an_app_sends_texts_and_fetches_them(app: Any, sent: dict[str, Any]) -> None:
    assert '"sms_id":"1"' in body(app("send", **sent))
    found = body(app("fetch"))
    assert '"received_smss":[]' in found and '"sms_text":"გამარჯობა & co"' in found
    assert '"waiting"' not in found
    shown = ET.fromstring(body(app("fetch", headers={"accept": "text/xml"})))
    assert shown.findtext("sent_smss/item/recipient") == "+995322000002"
    assert '"sent_smss":[]' in body(app("fetch", query={"last_id": "1", "last_sent_id": "1"}))


def test_a_refusal_is_a_sentence_for_the_subscriber(app: Any, desk: Context) -> None:
    lines.line_set(desk, NINO, "language", "ru")
    found = app("rate", query={"targetNumber": "+4930123456"})
    assert found.status == 422 and "message" in found.body.decode()
    assert "softswitch" not in found.body.decode()


@pytest.mark.parametrize("sent", [b"{", b"[]", b'{"a":{}}', b"\xff", b"x" * 70_000])
def test_malformed_arguments_are_refused(app: Any, sent: bytes) -> None:
    assert app("send", method="POST", headers=JSON, body=sent).status == 400


@settings_of_hypothesis(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    service=st.sampled_from(["balance", "rate", "send", "fetch", "push", "", "x", "../d"]),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    query=st.dictionaries(_NAMES, _TEXTS, max_size=4),
    headers=st.fixed_dictionaries({
        "content-type": st.sampled_from([*FORM.values(), *JSON.values(), "text/plain", "a/b;c"]),
        "accept": st.sampled_from(["application/xml", "application/json", "*/*", ""]),
    }),
    sent=st.one_of(
        st.binary(max_size=200),
        st.dictionaries(_NAMES, st.one_of(_TEXTS, st.integers(), st.none()), max_size=6).map(
            lambda made: json.dumps(made).encode()
        ),
    ),
)  # fmt: skip
def test_whatever_an_app_sends_is_answered_in_the_form_that_it_takes(
    app: Any, service: str, method: str, query: Any, headers: Any, sent: bytes
) -> None:
    found = app(service, method=method, query=query, headers=headers, body=sent)
    assert found.status in (200, 400, 404, 422), found
    assert b"Traceback" not in found.body and b"softswitch" not in found.body
    media_type = dict(found.headers)["Content-Type"]
    if found.status in (200, 422):
        if media_type.startswith("application/xml"):
            ET.fromstring(found.body)
        else:
            json.loads(found.body)


def test_push_tokens_are_reported(app: Any, desk: Context) -> None:
    reported = b'{"selector":"s","call_token":"t","call_app":"a"}'
    assert body(app("push", method="POST", headers=JSON, body=reported)) == "{}"
    (token,) = devices.device_store(desk).push_tokens(line_of(desk).id)
    assert (token.selector, token.call_token) == ("s", "t")


def test_a_desk_phones_token_opens_no_web_service(desk: Context) -> None:
    office = Office(desk)
    _, path = enrolled(office)
    token = path.split("/")[2]
    assert office.ask(f"/app/{token}/balance").effects == (Strike(PHONE),)
