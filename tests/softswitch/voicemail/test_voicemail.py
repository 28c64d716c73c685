"""Mailboxes: which calls they take, how messages are kept, and what a crash leaves of them."""

from __future__ import annotations

import asyncio
import email
import email.policy
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from aiosmtpd.smtp import SMTP
from sqlalchemy.exc import OperationalError

from billing.facts.authorization import AddAccount
from billing.stores.schema import metadata
from billing.stores.store import Store
from rtp.control import Recorded
from rtp.disk import Disk
from rtp.session import WorkerLost
from rtp.sound_file import load
from rtp.wav import parse
from softswitch.config.mail import MailSection
from softswitch.config.voicemail import VoicemailSection
from softswitch.mail.outbox import Outbox
from softswitch.mail.postman import Postman
from softswitch.subscribers import pins
from softswitch.subscribers.directory import Directory, Line, Waiting
from softswitch.subscribers.directory_store import DirectoryStore
from softswitch.subscribers.mailbox import VoiceMailbox, takes_after, takes_at_once
from softswitch.subscribers.pin_guard import PinGuard
from softswitch.subscribers.pin_tries import LOCKED_MS, PinTries
from softswitch.subscribers.refusal import NO_ANSWER, SUBSCRIBER_ABSENT, Refusal
from softswitch.voicemail.desk import NoRoom, Visitor, VoicemailDesk
from softswitch.voicemail.shelf import Shelf
from softswitch.voicemail.store import MailboxFull, VoicemailStore, forget_mailbox

DAY_MS = 86_400_000
ANNA = Visitor("+995322000002", "+995322000002", "call1")
TONE = (6000 * np.sin(2 * np.pi * 440 / 8000 * np.arange(8000 * 10))).astype("<i2")

BUSY = Refusal(486, "phone_refused")
DECLINED = Refusal(603, "phone_refused")
NOBODY_ANSWERED = Refusal(480, "no_answer", cause=NO_ANSWER, ended_by="timer")
ABSENT = Refusal(480, "callee_not_registered", cause=SUBSCRIBER_ABSENT)
OUT_OF_ORDER = Refusal(503, "media_worker_died", ended_by="operator")


# Which calls


@pytest.mark.parametrize(
    ("refusal", "takes"),
    [
        (BUSY, "busy"),
        (DECLINED, "busy"),
        (NOBODY_ANSWERED, "no_answer"),
        (ABSENT, "unreachable"),
        (OUT_OF_ORDER, None),
        (Refusal(404, "number_not_dialable", why="no such user"), None),
    ],
)
def test_after_which_failures_a_mailbox_takes_a_call(refusal, takes) -> None:
    assert takes_after(VoiceMailbox(), refusal, sent_on=False) == takes
    assert takes_after(None, refusal, sent_on=False) is None
    only = VoiceMailbox(takes=("no_answer",))
    assert takes_after(only, refusal, sent_on=False) == (takes if takes == "no_answer" else None)


def test_a_forwarding_that_led_nowhere_leaves_the_call_to_the_mailbox() -> None:
    nowhere = Refusal(404, "trunk_answered", trunk="north", answer=404)
    assert takes_after(VoiceMailbox(), nowhere, sent_on=True) == "unreachable"
    assert takes_after(VoiceMailbox(), OUT_OF_ORDER, sent_on=True) is None


@pytest.mark.parametrize(
    ("mailbox", "busy", "reachable", "takes"),
    [
        (None, True, False, None),
        (VoiceMailbox(), False, True, None),
        (VoiceMailbox(), True, True, "busy"),
        (VoiceMailbox(), False, False, "unreachable"),
        (VoiceMailbox(takes=("no_answer",)), True, False, None),
        (VoiceMailbox(takes=("always",)), False, True, "always"),
    ],
)
def test_which_calls_it_takes_before_a_phone_rings(mailbox, busy, reachable, takes) -> None:
    assert takes_at_once(mailbox, busy=busy, reachable=reachable) == takes


# What is kept


class Log:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, event: str, **values: object) -> None:
        self.errors.append(event)

    warning = error


class House:
    """A database, a folder and a desk; time stands still unless somebody moves it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.now = 1_780_000_000_000
        self.folder = folder / "voicemail"
        self.store = Store(url or f"sqlite:///{folder}/switch.db")
        self.store.create()
        self.store.apply([AddAccount("a", "person", "GEL", 0, "default", 0)])
        self.lines = DirectoryStore(self.store.engine)
        self.lines.add_lines([Line(0, "+995322000001", "nino", 1, _Secrets())])
        self.messages = VoicemailStore(self.store.engine)
        self.messages.save(1, VoiceMailbox(email="nino@example.org"))
        self.outbox = Outbox(self.store.engine)
        self.log = Log()
        self.lamps: list[int] = []
        self.open()

    def open(self, **settings: int) -> None:
        """Start (again): what is in memory is read anew."""
        self.directory = Directory(self.lines.lines())
        chance = iter(range(1, 1000))
        self.desk = VoicemailDesk(
            self.messages,
            Shelf(self.folder),
            VoicemailSection(min_free_megabytes=0, **settings),
            self.directory,
            PinGuard(PinTries(self.store.engine), self._at_once, lambda: self.now, self.log),
            self._at_once,
            randbits=lambda bits: next(chance) + self.now,
            wall_ms=lambda: self.now,
            zone="Asia/Tbilisi",
            log=self.log,
            lines_changed=self.lamps.extend,
        )

    @staticmethod
    async def _at_once(work, *arguments):
        return work(*arguments)

    @property
    def line(self) -> Line:
        line = self.directory.line(1)
        assert line is not None and line.mailbox is not None
        return line

    def begin(self, visitor: Visitor = ANNA) -> str:
        return asyncio.run(self.desk.begin(self.line, self.line.mailbox, visitor))

    def record(self, message: str, sound: np.ndarray, *, close: bool = True) -> None:
        """As the worker's disk thread writes it."""
        told: list[object] = []
        disk = Disk(told.append)
        disk.open(1, self.desk.path(message), 1)
        for start in range(0, len(sound), 4000):
            disk.write(1, sound[start : start + 4000].tobytes())
        if close:
            disk.close(1)
            assert told[0].reason == ""

    def end(
        self,
        message: str,
        reason: str = "closed",
        error: Exception | None = None,
        milliseconds: int = 5_000,
    ) -> None:
        async def work() -> None:
            recorded = asyncio.get_running_loop().create_future()
            self.desk.keep(message, recorded)
            if error is None:
                recorded.set_result(Recorded(1, 1, milliseconds, reason))
            else:
                recorded.set_exception(error)
            await self.desk.close()

        asyncio.run(work())

    def leave(self, sound: np.ndarray = TONE, visitor: Visitor = ANNA) -> str:
        message = self.begin(visitor)
        self.record(message, sound)
        self.end(message)
        return message

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*"))

    def kept(self) -> list[str]:
        return [message.id for message in self.messages.messages(1)]


class _Secrets(dict):
    def __missing__(self, key: object) -> str:
        return "x"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.store.close()


def test_a_message_is_seen_when_its_file_is_whole_and_lights_the_lamp(house: House) -> None:
    message = house.begin()
    house.record(message, TONE, close=False)
    assert house.kept() == [] and house.line.waiting == Waiting(0, 0)
    house.record(house.begin(), TONE)
    house.end(message)
    (found,) = house.messages.messages(1)
    assert (found.id, found.state, found.calling) == (message, "new", ANNA.calling)
    assert found.duration_ms == 10_000
    assert house.line.waiting == Waiting(1, 0) and house.lamps == [1]
    assert house.lines.lines()[0].waiting == Waiting(1, 0)
    assert len(load(Path(house.desk.path(message))).samples) == 80_000


def test_silence_at_its_ends_is_cut(house: House) -> None:
    silence = np.zeros(8000 * 3, "<i2")
    message = house.leave(np.concatenate([silence, TONE[: 8000 * 4], silence]))
    assert house.messages.messages(1)[0].duration_ms == 4_400
    assert len(load(Path(house.desk.path(message))).samples) == 4400 * 8


@pytest.mark.parametrize("sound", [TONE[:1], TONE[:3000], np.zeros(80_000, "<i2")])
def test_what_says_nothing_leaves_nothing(house: House, sound: np.ndarray) -> None:
    house.leave(sound)
    assert house.kept() == [] and house.files == [] and house.outbox.list() == []
    assert house.messages.unfinished() == [] and house.lamps == []


@pytest.mark.parametrize(("milliseconds", "errors"), [(0, []), (20, ["a message was cut short"])])
def test_a_recording_that_never_began_leaves_nothing(
    house: House, milliseconds: int, errors: list[str]
) -> None:
    """Who hangs up at the tone is no error; a file that can't be opened is one."""
    house.end(house.begin(), "failed", milliseconds=milliseconds)
    assert house.messages.unfinished() == [] and house.files == []
    assert house.log.errors == errors


@pytest.mark.parametrize("error", [None, WorkerLost("the worker died")])
def test_what_a_full_disk_or_a_dead_worker_cut_short_is_kept_as_far_as_it_came(
    house: House, error: Exception | None
) -> None:
    message = house.begin()
    house.record(message, TONE[: 8000 * 7], close=False)
    house.end(message, "failed", error)
    assert house.messages.messages(1)[0].duration_ms == 7_000
    assert house.files == [f"{message}.wav"]


def test_after_a_crash_what_was_being_recorded_is_finished_and_the_rest_swept(
    house: House,
) -> None:
    long, short, never = house.begin(), house.begin(), house.begin()
    house.record(long, TONE[: 8000 * 6], close=False)
    house.record(short, TONE[:2000], close=False)
    (house.folder / "stranger.wav").write_bytes(b"RIFF")
    (house.folder / "stranger2.wav.part").write_bytes(b"")
    house.open()
    assert house.desk.recover() == (1, 2)
    assert house.kept() == [long] and house.files == [f"{long}.wav"]
    assert never not in house.kept() and house.messages.unfinished() == []
    assert house.line.waiting == Waiting(1, 0)
    assert [mail.mail.key for mail in house.outbox.list()] == [f"voicemail:{long}"]
    house.open()
    assert house.desk.recover() == (0, 0)


def test_a_crash_after_the_file_and_before_the_row_loses_nothing(house: House) -> None:
    message = house.begin()
    house.record(message, TONE)
    house.desk._shelf.finish(message, 1)
    house.open()
    assert house.desk.recover() == (1, 0)
    assert house.kept() == [message]


def test_a_database_out_of_order_keeps_the_message_for_the_next_start(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = house.begin()
    house.record(message, TONE)
    refuse = OperationalError("UPDATE", {}, Exception("database or disk is full"))

    def arrived(*_: object) -> None:
        raise refuse

    with monkeypatch.context() as patch:
        patch.setattr(house.messages, "arrived", arrived)
        house.end(message)
    assert house.log.errors == ["a message waits for the next start"]
    assert house.kept() == []
    house.open()
    house.desk.recover()
    assert house.kept() == [message]


def test_a_full_mailbox_takes_nothing_more(house: House) -> None:
    house.messages.save(1, VoiceMailbox(max_messages=2))
    house.open()
    house.leave()
    house.begin()  # one that is being recorded counts
    with pytest.raises(MailboxFull):
        house.begin()


def test_a_full_disk_takes_no_message(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.desk.settings = VoicemailSection(min_free_megabytes=1_000_000)
    with pytest.raises(NoRoom):
        house.begin()
    assert house.messages.unfinished() == []


def test_a_folder_that_cant_be_had_takes_no_message(house: House) -> None:
    house.folder.write_bytes(b"a file in its place")
    with pytest.raises(NoRoom):
        house.begin()
    assert house.log.errors[0] == "messages can't be kept"


def test_old_messages_go_on_their_day(house: House) -> None:
    old = house.leave()
    house.now += 10 * DAY_MS
    young = house.leave()
    house.now += 20 * DAY_MS - 1
    assert asyncio.run(house.desk.expire()) == 0
    house.now += 1
    assert asyncio.run(house.desk.expire()) == 1
    assert old not in house.kept() and house.files == [f"{young}.wav"]
    assert house.line.waiting == Waiting(1, 0)


def test_saved_messages_count_as_old_ones(house: House) -> None:
    house.leave()
    (message,) = house.messages.messages(1)
    asyncio.run(house.desk.mark(message, "saved"))
    assert house.line.waiting == Waiting(0, 1)
    asyncio.run(house.desk.mark(message, "saved"))
    assert house.lamps == [1, 1]  # not told again what is known
    asyncio.run(house.desk.delete(message))
    assert house.line.waiting == Waiting(0, 0) and house.files == []


def test_a_withheld_number_isnt_told_to_the_line(house: House) -> None:
    house.leave(visitor=Visitor("+995322000009", None, "call2"))
    assert house.messages.messages(1)[0].calling == ""
    (mail,) = house.outbox.list()
    assert mail.mail.subject == "Voice message from an unknown number"
    assert "+995322000009" not in mail.mail.text


def test_the_mail_about_a_message(house: House) -> None:
    message = house.leave()
    (queued,) = house.outbox.list()
    mail = queued.mail
    assert (mail.to, mail.subject) == ("nino@example.org", f"Voice message from {ANNA.calling}")
    assert "Length: 0:10" in mail.text and "2026-05-29" in mail.text
    assert mail.attachment is not None
    assert mail.attachment.path == f"voicemail/{message}.wav"
    assert mail.attachment.content_type == "audio/wav"


def test_pins_are_tried_a_few_times_and_then_not_for_a_while(house: House) -> None:
    def opens(pin: str) -> bool | None:
        return asyncio.run(house.desk.opens(house.line, house.line.mailbox, pin))

    assert opens("4711") is None  # without a PIN nobody comes in from outside
    asyncio.run(house.desk.set_pin(house.line, "4711"))
    assert opens("4711") is True
    assert [opens("0815") for _ in range(pins.MAX_WRONG)] == [False] * pins.MAX_WRONG
    assert opens("4711") is None
    house.open()
    assert opens("4711") is None  # a restart forgets nothing
    house.now += LOCKED_MS
    assert opens("4711") is True
    assert opens("0815") is False and opens("4711") is True


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\0b", "CON", "x" * 300, ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no id"):
        Shelf(tmp_path).path(name)


def test_messages_are_for_the_switch_alone(house: House) -> None:
    house.leave()
    assert os.stat(house.folder).st_mode & 0o077 == 0


def test_the_mail_arrives_with_the_message_as_a_file_that_plays(house: House) -> None:
    silence = np.zeros(8000, "<i2")
    message = house.leave(np.concatenate([silence, TONE[: 8000 * 4], silence]))
    taken: list[bytes] = []

    class Receiver:
        async def handle_DATA(self, server, session, envelope):
            taken.append(envelope.content)
            return "250 taken"

    async def carry() -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(Receiver()), "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        settings = MailSection(server=f"{host}:{port}", security="none", sender="s@example.org")
        async with server:
            postman = Postman(
                settings, house.outbox, house.folder.parent, "example.org",
                lambda: house.now, house.log, lambda queued, outcome: None,
            )  # fmt: skip
            return await postman.carry()

    assert [asyncio.run(carry()), asyncio.run(carry())] == [1, 0]
    (data,) = taken
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    text, sound = parsed.iter_parts()
    assert f"From: {ANNA.calling}" in text.get_content()
    assert sound.get_content_type() == "audio/wav"
    assert sound.get_filename().endswith(".wav")
    assert sound.get_content() == Path(house.desk.path(message)).read_bytes()
    assert len(parse(sound.get_content()).samples) == 4_400 * 8


def test_the_same_on_postgresql(tmp_path: Path, postgresql: str) -> None:
    house = House(tmp_path, postgresql)
    try:
        kept = house.leave()
        broken = house.begin()
        house.record(broken, TONE, close=False)
        house.open()
        assert house.desk.recover() == (1, 0)
        assert house.line.waiting == Waiting(2, 0)
        assert len(house.outbox.due(house.now, 10)) == 2
        first, second = house.messages.messages(1)
        asyncio.run(house.desk.mark(first, "saved"))
        asyncio.run(house.desk.delete(second))
        assert house.line.waiting == Waiting(0, 1) and kept in {first.id, second.id}
        asyncio.run(house.desk.set_pin(house.line, "4711"))
        assert asyncio.run(house.desk.opens(house.line, house.line.mailbox, "4711"))
        house.now += 30 * DAY_MS
        assert asyncio.run(house.desk.expire()) == 1
        house.lines.remove_line(house.line, (forget_mailbox,))
    finally:
        metadata.drop_all(house.store.engine)
        house.store.close()
