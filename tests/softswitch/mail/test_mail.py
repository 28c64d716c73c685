"""Mails: composed, queued once, handed to a real SMTP server, tried again."""

from __future__ import annotations

import asyncio
import email
import ssl
from email import policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from certificates import Authority

from billing.stores.store import Store
from softswitch.config.mail import MailSection
from softswitch.mail.letter import Attachment, Mail, compose
from softswitch.mail.outbox import FIRST_RETRY_MS, GIVE_UP_MS, LONGEST_RETRY_MS, Outbox, next_try
from softswitch.mail.postman import Postman
from softswitch.subscribers.mail_address import is_address

NOW = 1_780_000_000_000
HELLO = Mail("notice:1", "nino@example.org", "Balance: 0.50 ₾", "Your balance is low — top up.\n")


def outcomes(queued, outcome):
    """Nobody watches here."""


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, event: str, **values: object) -> None:
        self.lines.append(event)

    warning = error


class Receiver:
    """What an SMTP server took; `answers` are what it says to the next recipients or messages."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.answers: list[str] = []
        self.recipient_answers: list[str] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.taken.append(envelope.content)
        return "250 taken"


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def store(tmp_path: Path):
    made = Store(f"sqlite:///{tmp_path}/mail.db")
    made.create()
    yield made
    made.close()


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store.engine)


@pytest.fixture
def carry(outbox, receiver, clock, tmp_path):
    """Lets the postman go once, to a real SMTP server."""
    log = Log()

    async def once() -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(receiver), "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        settings = MailSection(server=f"{host}:{port}", security="none", sender="s@example.org")
        async with server:
            postman = Postman(settings, outbox, tmp_path, "example.org", clock, log, outcomes)
            return await postman.carry()

    def carry() -> int:
        return asyncio.run(once())

    carry.log = log
    return carry


def read(data: bytes):
    return email.message_from_bytes(data, policy=policy.default)


@pytest.mark.parametrize("text", ["a@b", "nino.b+x@mail.example.org", "o'neil@example.org"])
def test_an_address(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b", "a b@c", "a@b,c@d", "a@b\r\nBcc: c@d", "<a@b>", "a@-b", "a@b..c",
     "x" * 250 + "@b.c", "ნინო@example.org"],
)  # fmt: skip
def test_no_address(text: str) -> None:
    assert not is_address(text)
    with pytest.raises(ValueError, match="no e-mail address"):
        Mail("k", text, "s", "t")


def test_no_header_can_be_smuggled_into_a_mail() -> None:
    with pytest.raises(ValueError, match="printable"):
        Mail("k", "a@b", "Hello\r\nBcc: x@y", "t")


def test_a_mail_as_a_reader_sees_it() -> None:
    wav = b"RIFF" + bytes(range(256)) * 40
    mail = Mail("v:1", "a@b.ge", "ხმოვანი შეტყობინება", "გამარჯობა\n.\nFrom me\n",
                Attachment("x", "message.wav", "audio/wav"))  # fmt: skip
    data = compose(mail, "switch@example.org", "example.org", NOW, wav)
    assert data.isascii() and all(len(line) <= 998 for line in data.split(b"\r\n"))
    message = read(data)
    assert (message["Subject"], message["To"]) == (mail.subject, "a@b.ge")
    assert message["Date"].datetime.timestamp() == NOW // 1000
    text, sound = message.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == mail.text
    assert (sound.get_content_type(), sound.get_filename()) == ("audio/wav", "message.wav")
    assert sound.get_content() == wav


def test_a_mail_is_queued_once_and_sent_once(outbox, carry, receiver) -> None:
    assert outbox.put(HELLO, NOW)
    assert not outbox.put(HELLO, NOW + 1)
    assert [carry(), carry()] == [1, 0]
    (data,) = receiver.taken
    message = read(data)
    assert message["Subject"] == HELLO.subject
    assert message.get_content().strip() == HELLO.text.strip()
    assert not outbox.put(HELLO, NOW + 2)
    assert [(one.state, one.attempts) for one in outbox.list()] == [("sent", 1)]


def test_a_copy_after_a_crash_has_the_same_message_id(outbox, carry, receiver, clock) -> None:
    outbox.put(HELLO, NOW)
    (queued,) = outbox.due(NOW, 10)
    carry()
    # As if the switch had died between the server's 250 and its own note of it.
    outbox._change(queued.id, state="waiting", done_at=None)
    assert carry() == 0  # not before its time
    clock.now += FIRST_RETRY_MS
    assert carry() == 1
    first, second = map(read, receiver.taken)
    assert first["Message-ID"] == second["Message-ID"]


def test_a_server_that_has_no_time_is_asked_again_later(outbox, carry, receiver, clock) -> None:
    outbox.put(HELLO, NOW)
    receiver.answers = ["451 greylisted"]
    assert carry() == 0
    (queued,) = outbox.list()
    assert (queued.state, queued.attempts) == ("waiting", 1)
    assert "greylisted" in queued.error
    assert carry() == 0 and not receiver.taken
    clock.now += FIRST_RETRY_MS
    assert carry() == 1
    assert outbox.list()[0].error == ""


def test_a_recipient_who_doesnt_exist_fails_alone_and_for_good(outbox, carry, receiver) -> None:
    outbox.put(Mail("n:1", "gone@example.org", "s", "t"), NOW)
    outbox.put(Mail("n:2", "here@example.org", "s", "t"), NOW)
    receiver.recipient_answers = ["550 no such user"]
    assert carry() == 1
    here, gone = outbox.list()
    assert (gone.state, here.state) == ("failed", "sent")
    assert "no such user" in gone.error
    assert carry.log.lines == ["a mail was refused"]


def test_a_server_that_isnt_there_holds_all_mails_and_is_named_once(
    outbox, tmp_path, clock
) -> None:
    settings = MailSection(server="127.0.0.1:9", security="none", sender="s@example.org")
    log = Log()
    postman = Postman(settings, outbox, tmp_path, "example.org", clock, log, outcomes)
    for number in range(3):
        outbox.put(Mail(f"n:{number}", "a@example.org", "s", "t"), NOW)
    for _ in range(3):
        assert asyncio.run(postman.carry()) == 0
    assert sorted(one.attempts for one in outbox.list()) == [1, 1, 1]  # each round asked once
    assert log.lines == ["mails wait for the SMTP server"]
    clock.now += GIVE_UP_MS
    asyncio.run(postman.carry())
    assert "failed" in {one.state for one in outbox.list()}


def secured(outbox, clock, tmp_path, **settings) -> tuple[int, list[str], list[bytes]]:
    """Carry to a server that takes mails after STARTTLS and a password; what was sent, what was
    logged, and what the server got."""
    receiver, log = Receiver(), Log()
    pair = Authority(tmp_path).issue("127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)

    def proves(server, session, envelope, mechanism, data) -> AuthResult:
        known = (data.login, data.password) == (b"switch", b"secret")
        return AuthResult(success=known, handled=False)  # the server says which

    async def once() -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(receiver, tls_context=tls, require_starttls=True, auth_required=True,
                         authenticator=proves), "127.0.0.1", 0)  # fmt: skip
        host, port = server.sockets[0].getsockname()
        section = MailSection(
            server=f"{host}:{port}", sender="s@example.org", username="switch", **settings
        )
        async with server:
            postman = Postman(section, outbox, tmp_path, "example.org", clock, log, outcomes)
            return await postman.carry()

    return asyncio.run(once()), log.lines, receiver.taken


def test_a_server_that_wants_encryption_and_a_password(outbox, clock, tmp_path) -> None:
    outbox.put(HELLO, NOW)
    trusted = {"trusted_ca": tmp_path / "authority.pem", "password": "secret"}
    sent, _, taken = secured(outbox, clock, tmp_path, **trusted)
    assert sent == 1 and len(taken) == 1


@pytest.mark.parametrize(
    ("case", "why"), [("wrong password", "535"), ("unknown authority", "certificate")]
)
def test_a_server_that_cant_be_trusted_or_doesnt_trust_us_gets_nothing(
    outbox, clock, tmp_path, case, why
) -> None:
    outbox.put(HELLO, NOW)
    trusted = {"trusted_ca": tmp_path / "authority.pem"} if case == "wrong password" else {}
    sent, lines, taken = secured(outbox, clock, tmp_path, **trusted, password="wrong")
    assert (sent, taken, lines) == (0, [], ["mails wait for the SMTP server"])
    (waiting,) = outbox.list()
    assert waiting.state == "waiting"  # the mail is right, the settings aren't
    assert why in waiting.error


def test_the_times_between_tries_grow_to_hours() -> None:
    gaps = [next_try(attempts, 0) for attempts in (1, 2, 3, 8, 9, 1000)]
    assert gaps == [60_000, 120_000, 240_000, 7_680_000, LONGEST_RETRY_MS, LONGEST_RETRY_MS]


def test_an_attachment_is_read_when_it_is_sent(outbox, carry, receiver, tmp_path) -> None:
    (tmp_path / "m.wav").write_bytes(b"RIFF....WAVE")
    wav = Attachment("m.wav", "message.wav", "audio/wav")
    outbox.put(Mail("v:1", "a@example.org", "s", "t", wav), NOW)
    outbox.put(Mail("v:2", "a@example.org", "s", "t", Attachment("no.wav", "m", "audio/wav")), NOW)
    assert carry() == 1
    missing, sent = outbox.list()
    assert (sent.state, missing.state) == ("sent", "failed")
    *_, sound = read(receiver.taken[0]).iter_parts()
    assert sound.get_content() == b"RIFF....WAVE"


def test_records_of_mails_go_after_a_month(outbox, carry, receiver, clock) -> None:
    outbox.put(HELLO, NOW)
    carry()
    assert outbox.forget(NOW + 29 * 86_400_000) == 0
    assert outbox.forget(NOW + 31 * 86_400_000) == 1


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"server": "smtp.example.org"}, "sender is needed"),
        ({"server": "smtp.example.org", "sender": "me"}, "no e-mail address"),
        ({"sender": "a@b", "username": "u", "security": "none"}, "over the wire"),
        ({"server": "a:b:c", "sender": "a@b"}, "not an address"),
    ],
)
def test_what_is_wrong_with_the_section(keys: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MailSection(**keys)
    assert MailSection(server="smtp.example.org", sender="a@b").server.port == 587
