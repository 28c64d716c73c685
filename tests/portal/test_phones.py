"""Phones at the portal's own listener: TLS, factory certificates, firmware, and what is told to a
switch that isn't there."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import httpx
import pytest

from softswitch.config.config import Config
from softswitch.operations.accounts import accounts
from softswitch.operations.context import Context
from softswitch.operations.devices import devices, portal_notes
from softswitch.operations.installation import setup
from softswitch.operations.lines import lines
from softswitch.portal.phone_listener import phone_listener
from softswitch.portal.phones import Firmware, PhoneDesk
from softswitch.portal.portal import Portal
from softswitch.provisioning.device_secrets import digest_secrets
from softswitch.provisioning.exchange import NOT_FOUND
from softswitch.provisioning.tokens import TOKEN_LENGTH, hash_of, token_of
from tests.certificates import Authority

MAC, TOKEN = "0015654aa937", "abcdefghjkmnpqrstuvwxyz234"
AGENT = {"user-agent": "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37"}
CONFIGURATION = setup.configuration_text(
    domain="sip.example.org", address="127.0.0.1", port=5060, country="GE", currency="GEL",
    time_zone="Asia/Tbilisi",
)  # fmt: skip
Script = Callable[[httpx.AsyncClient, PhoneDesk], Coroutine[object, object, None]]


class Office:
    """A folder with a phone that has set itself up, an authority, and a factory's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.factory = Authority(folder, "factory")
        self.pair = self.authority.issue("localhost", "127.0.0.1")
        self.bound = socket.socket()
        self.bound.bind(("127.0.0.1", 0))
        self.port = self.bound.getsockname()[1]
        setup.init(folder / "softswitch.toml", CONFIGURATION, lambda context: None)

    def config(self, **more: str) -> Config:
        section = {"url": f"https://localhost:{self.port}", "listen": f"127.0.0.1:{self.port}"}
        lines = "".join(f'{key} = "{value}"\n' for key, value in (section | more).items())
        text = (self.folder / "softswitch.toml").read_text()
        if "[tls]" not in text:
            text += f'\n[tls]\ncertificates = ["{self.pair.certificate}:{self.pair.key}"]\n'
        path = self.folder / "provisioned.toml"
        path.write_text(f"{text}\n[provisioning]\n{lines}")
        return setup.load(path)

    def enrol(self, config: Config) -> str:
        """The id of a phone that has its permanent token."""
        with setup.opened(config) as context:
            accounts.account_add(context, "Nino")
            lines.line_add(context, "+995322000001", "Nino", "secret")
            row = devices.device_add(context, "+995322000001", "yealink", mac=MAC)
            return self.hand_over(context, row)

    def hand_over(self, context: Context, row: dict[str, object]) -> str:  # type: ignore[type-arg]
        device, once = str(row["id"]), str(row["url"]).rstrip("/").rpartition("/")[2]
        found = devices.device_store(context).get(device)
        assert found is not None
        made = digest_secrets(TOKEN, [each.username for each in found.lines], context.config.realm)
        portal_notes.device_hand_over(context, device, hash_of(once), hash_of(TOKEN), made, MAC)
        portal_notes.device_arrived(context, device, hash_of(TOKEN))
        return device

    def run(self, config: Config, script: Script, *, shows: str | None = None) -> None:
        """Run a script with a client over TLS, which may show a certificate of the factory."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if shows is not None:
            pair = self.factory.issue(common=shows, file="phone")
            context.load_cert_chain(pair.certificate, pair.key)

        async def scene() -> None:
            portal = Portal(config)
            try:
                base = f"https://localhost:{self.port}"
                client = httpx.AsyncClient(verify=context, base_url=base, headers=AGENT)
                async with phone_listener(config, portal.phones, self.bound), client:
                    await _listens(client)
                    await script(client, portal.phones)
            finally:
                await portal.close()

        asyncio.run(scene())


async def _listens(client: httpx.AsyncClient) -> None:
    for _ in range(200):
        try:
            await client.get("/favicon.ico")
        except httpx.ConnectError:
            await asyncio.sleep(0.02)
        else:
            return
    raise TimeoutError("the listener doesn't answer")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.bound.close()


def test_known_phones_are_served_while_the_switch_is_away_and_new_ones_come_again(
    office: Office,
) -> None:
    config = office.config()
    office.enrol(config)
    with setup.opened(config) as context:
        row = devices.device_add(context, "+995322000001", "snom", mac="000413922d24")

    async def script(client: httpx.AsyncClient, _: PhoneDesk) -> None:
        known = await client.get(f"/d/{TOKEN}/{MAC}.cfg")
        assert known.status_code == 200 and "account.1.password" in known.text
        assert known.headers["cache-control"] == "no-store"
        assert "server" not in known.headers
        path = str(row["url"]).partition(str(office.port))[2]
        new = await client.get(f"{path}000413922d24.xml", headers={"user-agent": ""})
        assert (new.status_code, new.headers["retry-after"]) == (503, "30")

    office.run(config, script)


def test_three_thousand_guesses_over_https_get_nothing_and_bar_the_guesser_alone(
    office: Office,
) -> None:
    config = office.config()
    office.enrol(config)
    drawn = random.Random(5)

    async def script(client: httpx.AsyncClient, desk: PhoneDesk) -> None:
        answers: set[tuple[bytes, bytes]] = set()

        async def guess() -> None:
            tls = client_tls(office)
            reader, writer = await asyncio.open_connection("localhost", office.port, ssl=tls)
            for _ in range(150):
                wrong = token_of(drawn.randbytes(2 * TOKEN_LENGTH))
                path = drawn.choice((f"/d/{wrong}/{MAC}.cfg", f"/app/{wrong}/balance", f"/{wrong}"))
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                answers.add((head.splitlines()[0], await reader.readexactly(len(NOT_FOUND.body))))
            writer.close()

        await asyncio.gather(*(guess() for _ in range(20)))
        assert answers == {(b"HTTP/1.1 404 Not Found", NOT_FOUND.body)}
        barred = await client.get(f"/d/{TOKEN}/{MAC}.cfg")  # even with the right token
        assert (barred.status_code, barred.content) == (404, NOT_FOUND.body)
        transport = httpx.AsyncHTTPTransport(verify=client_tls(office), local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=transport, base_url=client.base_url) as phone:
            served = await phone.get(f"/d/{TOKEN}/{MAC}.cfg", headers=AGENT)
            assert served.status_code == 200 and "account.1.password" in served.text

    office.run(config, script)


def client_tls(office: Office) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(office.authority.file))


@pytest.mark.parametrize(
    ("shows", "status"), [(None, 404), ("00:15:65:00:00:01", 404), ("00:15:65:4A:A9:37", 200)]
)
def test_a_phone_shows_the_certificate_of_its_factory(
    office: Office, shows: str | None, status: int
) -> None:
    config = office.config(client_certificates="required", client_ca=str(office.factory.file))
    office.enrol(config)

    async def script(client: httpx.AsyncClient, _: PhoneDesk) -> None:
        assert (await client.get(f"/d/{TOKEN}/{MAC}.cfg")).status_code == status

    office.run(config, script, shows=shows)


def test_a_certificate_of_another_authority_opens_no_connection(office: Office) -> None:
    config = office.config(client_certificates="required", client_ca=str(office.authority.file))
    with pytest.raises((httpx.TransportError, ssl.SSLError)):
        office.run(config, _nothing, shows="00:15:65:4A:A9:37")


async def _nothing(client: httpx.AsyncClient, _: PhoneDesk) -> None:
    pass


def test_firmware_is_offered_by_model_and_its_download_resumes(office: Office) -> None:
    config = office.config()
    office.enrol(config)
    folder = config.provisioning.firmware_dir / "yealink" / "T46G"
    folder.mkdir(parents=True)
    for at, name in enumerate(("old.rom", "new.rom")):
        (folder / name).write_bytes(name.encode() * 100)
        os.utime(folder / name, (at, at))

    async def script(client: httpx.AsyncClient, _: PhoneDesk) -> None:
        settings = (await client.get(f"/d/{TOKEN}/{MAC}.cfg")).text
        assert f"/d/{TOKEN}/firmware/new.rom" in settings
        url = f"/d/{TOKEN}/firmware/new.rom"
        whole = await client.get(url)
        assert whole.content == b"new.rom" * 100
        rest = await client.get(url, headers={"range": "bytes=600-"})
        assert (rest.status_code, rest.content) == (206, whole.content[600:])
        assert rest.headers["content-range"] == "bytes 600-699/700"
        assert (await client.get(f"/d/{TOKEN}/firmware/none.rom")).status_code == 404
        outside = await client.get(f"/d/{TOKEN}/firmware/..%2f..%2f..%2fsoftswitch.toml")
        assert outside.status_code == 404

    office.run(config, script)


def test_no_path_leads_out_of_the_folder_of_firmware(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "firmware"
    (folder / "yealink" / "T46G").mkdir(parents=True)
    (folder / "yealink" / "T46G" / "link").symlink_to(tmp_path / "secret")
    firmware = Firmware(folder)
    for path in ("../secret", "yealink/../../secret", "yealink/T46G/link", "yealink", ""):
        assert firmware.file(path) is None
    assert firmware.newest("yealink", "") is None
    assert firmware.newest("yealink", "T48G") is None


def test_a_listener_needs_a_certificate(tmp_path: Path) -> None:
    from softswitch.config.config import ConfigError

    office = Office(tmp_path)
    office.bound.close()
    path = tmp_path / "softswitch.toml"
    path.write_text(path.read_text() + '\n[provisioning]\nlisten = "127.0.0.1:8443"\n')
    with pytest.raises(ConfigError, match=r"needs \[tls\] certificates"):
        setup.load(path)
