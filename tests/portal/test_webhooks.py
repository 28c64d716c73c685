"""Webhooks, from the cause to the receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from certificates import Authority
from served import Served, served

from softswitch.webhooks.posting import PostingError, checked_address


class Receiver(HTTPServer):
    """A program that takes deliveries by TLS, or answers with another status."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authority = Authority(folder)
        pair = self.authority.issue("localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.status = 204
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_port}/hook"

    def wait(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        deadline = time.monotonic() + 20
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.got


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        server.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    made = Receiver(tmp_path_factory.mktemp("receiver"))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Served]:
    """A portal that may deliver to this machine, and trusts the receiver's authority."""
    settings = 'webhook_networks = ["127.0.0.0/8", "::1/128"]\n'
    environment = {"SSL_CERT_FILE": str(receiver.authority.file)}
    with served(tmp_path_factory.mktemp("hooks"), settings, environment) as made:
        yield made


def signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """The signature, worked out from its description alone."""
    key = base64.b64decode(secret.split("_")[1])
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split()


def test_a_payment_is_told_once_and_signed(portal: Served, receiver: Receiver) -> None:
    (made,) = portal.command("webhook", "add", "1", receiver.url, "--event", "payment.*")
    before = len(receiver.got)
    portal.command("account", "topup", "1", "5.00", "--payment-id", "hooked")
    portal.command("account", "topup", "1", "5.00", "--payment-id", "hooked")
    portal.command("account", "topup", "2", "5.00", "--payment-id", "anothers")
    headers, body = receiver.wait(before + 1)[before]
    assert signed_by(str(made["secret"]), headers, body)
    assert not signed_by("whsec_AAAA", headers, body)
    told = json.loads(body)
    assert (told["type"], told["account"]) == ("payment.posted", 1)
    assert told["data"] == {"id": "payment:hooked", "amount": "5.00", "currency": "GEL"}
    time.sleep(2.5)
    assert len(receiver.got) == before + 1
    (delivery,) = portal.command("webhook", "deliveries", str(made["id"]))
    assert (delivery["state"], delivery["status"]) == ("delivered", 204)


def test_after_a_rotation_both_secrets_sign(portal: Served, receiver: Receiver) -> None:
    (made,) = portal.command("webhook", "add", "2", receiver.url)
    (newer,) = portal.command("webhook", "rotate", str(made["id"]))
    before = len(receiver.got)
    portal.command("webhook", "test", str(made["id"]))
    headers, body = receiver.wait(before + 1)[before]
    assert json.loads(body)["type"] == "webhook.test"
    assert signed_by(str(made["secret"]), headers, body)
    assert signed_by(str(newer["secret"]), headers, body)


def test_what_was_refused_is_tried_again(portal: Served, receiver: Receiver) -> None:
    (made,) = portal.command("webhook", "add", "3", receiver.url)
    before, receiver.status = len(receiver.got), 500
    portal.command("webhook", "test", str(made["id"]))
    receiver.wait(before + 1)
    time.sleep(0.5)
    (delivery,) = portal.command("webhook", "deliveries", str(made["id"]))
    assert (delivery["state"], delivery["status"], delivery["attempts"]) == ("waiting", 500, 1)
    receiver.status = 200
    portal.command("webhook", "again", str(made["id"]), str(delivery["id"]))
    first, second = receiver.wait(before + 2)[before:]
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fe80::1",
                "::ffff:127.0.0.1", "224.0.0.1", "0.0.0.0"],
)  # fmt: skip
def test_inside_addresses_get_no_request(address: str) -> None:
    with pytest.raises(PostingError, match="isn't public"):
        checked_address("hook.example.org", 443, resolve=lambda *_: ["93.184.216.34", address])


def test_the_address_that_was_checked_is_the_one_that_is_used() -> None:
    found = checked_address("hook.example.org", 443, resolve=lambda *_: ["93.184.216.34"])
    assert found == "93.184.216.34"
