"""Tones of the country and music: only where the operator wants them."""

import numpy as np
import pytest
from exchange import Exchange
from phones import CODECS

from rtp.g711 import PCMU
from rtp.tones import cadence
from rtp.wav import file_bytes

LARI = 1_000_000
MOBILE = "+995577123456"


@pytest.fixture
def make(request):
    def made(tones: str, balance=10 * LARI):
        exchange = Exchange(seed=1, config=f"[tones]\n{tones}\n")
        request.addfinalizer(exchange.close)
        exchange.tariff(("995", 60_000, 1, 1))
        line = exchange.line("+995322000001", exchange.account(balance))
        phone = exchange.phone(line, "198.51.100.1")
        phone.register()
        exchange.run(1.0)
        return exchange, listening(phone), listening(exchange.trunk("carrier", "203.0.113.5"))

    return made


def listening(phone):
    """Keeps the packets that a phone hears."""
    phone.packets = []
    hear = phone._hear

    def heard(data, source):
        phone.packets.append(data)
        hear(data, source)

    phone._hear = heard
    return phone


def with_another(phone, codec):
    """An offer of the phone's with one codec more, which it would rather have."""
    number = CODECS[codec]
    return (
        phone._description()
        .replace(b"AVP 0 101", b"AVP %d 0 101" % number)
        .replace(b"a=rtpmap:0", b"a=rtpmap:%d %s/8000\r\na=rtpmap:0" % (number, codec.encode()))
    )


def loud_ms(phone, first=0):
    """How much of what was heard is a tone; what the other phone sends isn't."""
    sound = b"".join(p[12:] for p in phone.packets[first:] if p[12:] != bytes(160))
    samples = PCMU.decode(sound[: len(sound) // 160 * 160])
    return int((np.abs(samples.reshape(-1, 160)).max(axis=1) > 1000).sum()) * 20


def ended(exchange):
    exchange.run_until_idle()
    left = exchange.left()
    assert left == dict.fromkeys(left, 0)
    assert exchange.log.errors == [] and exchange.store.verify() == []
    return exchange.store.cdrs()[-1]


class TestRingback:
    def test_a_caller_hears_it_until_the_answer_and_then_the_other_side(self, make):
        exchange, phone, trunk = make("ringback = true")
        trunk.behaviour.rings, trunk.behaviour.talks = 11.0, 20.0
        phone.call(MOBILE)
        exchange.run(11.0)
        on, off = (part.milliseconds for part in cadence("ringback", "GE"))
        assert (on, off) == (1000, 4000)
        assert 2_900 <= loud_ms(phone) <= 3_100  # at 0, 5 and 10 s
        exchange.run(1.0)
        before = len(phone.packets)
        exchange.run(15.0)
        assert phone.talking and loud_ms(phone, before) == 0
        assert len(phone.packets) - before < 10  # what the far end sends, and nothing of ours
        cdr = ended(exchange)
        assert (cdr.sip_status, cdr.ended_by) == (200, "callee")

    def test_not_over_what_the_called_side_gives(self, make):
        exchange, phone, trunk = make("ringback = true")
        trunk.behaviour.early_media, trunk.behaviour.rings = True, 6.0
        phone.call(MOBILE)
        exchange.run(5.0)
        assert phone.packets == []
        exchange.run(5.0)
        for session in [*phone.talking]:
            phone.hang_up(session)
        ended(exchange)

    def test_a_caller_who_gives_up_leaves_nothing(self, make):
        exchange, phone, trunk = make("ringback = true")
        trunk.behaviour.answer = 0
        session = phone.call(MOBILE)
        exchange.run(3.0)
        session.cancel(phone.now)
        phone.endpoint.drain()
        assert ended(exchange).sip_status == 487
        assert 900 <= loud_ms(phone) <= 1_100

    def test_a_phone_that_acknowledges_it_hears_it_whatever_it_offers(self, make):
        exchange, phone, trunk = make("ringback = true")
        trunk.behaviour.answer = 0
        session = phone.call(MOBILE, body=with_another(phone, "G729"))  # and it supports 100rel
        exchange.run(3.0)
        session.cancel(phone.now)
        phone.endpoint.drain()
        assert ended(exchange).sip_status == 487
        assert 900 <= loud_ms(phone) <= 1_100

    @pytest.mark.parametrize(
        ("offers", "answers", "again", "codec"),
        [
            ("G729", "PCMU", 0, "PCMU"),
            ("G722", "G722", 0, "PCMU/G722"),  # it expects PCMU now, and we know both
            ("G729", "G729", 1, "G729"),  # nobody could translate: it is offered anew
        ],
    )
    def test_and_talks_by_whatever_the_called_side_answers(
        self, make, offers, answers, again, codec
    ):
        exchange, phone, trunk = make("ringback = true")
        trunk.codec, trunk.behaviour.rings, trunk.behaviour.talks = answers, 3.0, 20.0
        phone.call(MOBILE, body=with_another(phone, offers))
        exchange.run(3.5)
        phone.codec = "G729" if again else "PCMU"
        exchange.run(10.0)
        assert phone.talking and phone.events.count("Reinvited") == again
        cdr = ended(exchange)
        assert (cdr.sip_status, cdr.codec) == (200, codec)

    def test_by_default_the_phone_makes_it(self, make):
        exchange, phone, trunk = make("")
        trunk.behaviour.answer = 0
        session = phone.call(MOBILE)
        exchange.run(3.0)
        session.cancel(phone.now)
        phone.endpoint.drain()
        ended(exchange)
        assert phone.packets == []


class TestRefusals:
    @pytest.mark.parametrize(
        ("answers", "share"),
        [
            (486, 0.5),  # busy: as long on as off
            (503, 0.5),  # congestion
            (404, 0.5),  # special information: a second of tones, a second of pause
        ],
    )
    def test_a_line_hears_the_countrys_tone_for_four_seconds(self, make, answers, share):
        exchange, phone, trunk = make("refusals = true")
        trunk.behaviour.answer = answers
        phone.call(MOBILE)
        cdr = ended(exchange)
        assert cdr.sip_status == phone.status == answers
        assert 210 <= len(phone.packets) <= 225  # with the pause that empties buffers
        assert abs(loud_ms(phone) / 4000 - share) < 0.1
        assert cdr.ended_at - cdr.setup_at < 1_500

    def test_a_person_who_declined_has_no_tone(self, make):
        exchange, phone, trunk = make("refusals = true")
        trunk.behaviour.answer = 603
        phone.call(MOBILE)
        assert ended(exchange).sip_status == 603 and phone.packets == []


class TestMusicOnHold:
    @pytest.fixture
    def music(self, tmp_path):
        time = np.arange(16_000) / 8000
        path = tmp_path / "music.wav"
        path.write_bytes(file_bytes((8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)))
        return path

    def talking(self, exchange, phone, trunk):
        trunk.behaviour.talks = None
        session = phone.call(MOBILE)
        exchange.run(5.0)
        assert phone.talking
        return session

    def test_who_is_on_hold_hears_it_again_and_again_until_the_call_goes_on(self, make, music):
        exchange, phone, trunk = make(f'hold_music = "{music}"')
        session = self.talking(exchange, phone, trunk)
        phone.hold(session)
        exchange.run(1.0)
        before, mine = len(trunk.packets), len(phone.packets)
        exchange.run(5.0)
        assert 245 <= len(trunk.packets) - before <= 255
        assert loud_ms(trunk, before) > 4_800  # the file has two seconds
        assert len(phone.packets) - mine < 5
        phone.hold(session, "sendrecv")
        exchange.run(1.0)
        before = len(trunk.packets)
        exchange.run(5.0)
        assert loud_ms(trunk, before) == 0
        phone.hang_up(session)
        assert ended(exchange).ended_by == "caller"

    def test_hanging_up_on_hold_leaves_nothing(self, make, music):
        exchange, phone, trunk = make(f'hold_music = "{music}"')
        session = self.talking(exchange, phone, trunk)
        phone.hold(session)
        exchange.run(3.0)
        phone.hang_up(session)
        ended(exchange)

    def test_a_file_that_isnt_there_is_named_and_the_call_goes_on(self, make, tmp_path):
        exchange, phone, trunk = make(f'hold_music = "{tmp_path / "none.wav"}"')
        session = self.talking(exchange, phone, trunk)
        phone.hold(session)
        exchange.run(3.0)
        phone.hold(session, "sendrecv")
        exchange.run(1.0)
        assert phone.talking and trunk.talking
        phone.hang_up(session)
        ended(exchange)
        assert [event for event, _ in exchange.log.warnings] == ["a tone can't be played"]

    def test_without_a_file_it_is_silent(self, make):
        exchange, phone, trunk = make("")
        session = self.talking(exchange, phone, trunk)
        phone.hold(session)
        exchange.run(1.0)
        before = len(trunk.packets)
        exchange.run(4.0)
        assert loud_ms(trunk, before) == 0
        phone.hang_up(session)
        ended(exchange)
