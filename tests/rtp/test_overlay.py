"""What is played above all that somebody hears: a warning over music on hold, a tone over the
other one's voice."""

import numpy as np
import pytest
from studio import FRAME, Studio, sine

from rtp.control import Play, Played, PlayItem, StopPlaying
from rtp.overlay import TURNED_DOWN
from rtp.telephone_event import TelephoneEvent

VOICE, MUSIC = 300, 700
"""Hertz; the beep has 1000, for 400 ms."""
BEEP = PlayItem(tone="beep")
BEEP_FRAMES = 20


@pytest.fixture
def studio():
    return Studio()


def level(samples, hertz):
    """Amplitude of one frequency."""
    time = np.arange(len(samples)) / 8000
    return abs(2 * (samples * np.exp(-2j * np.pi * hertz * time)).mean())


def over(phone, playing=1, item=BEEP):
    return Play(phone.session, phone.side, playing, (item,), over=True)


def test_a_tone_is_mixed_into_what_the_other_one_says(studio):
    a, b = studio.call()
    studio.run(20, (a, sine(VOICE, 20)), (b, sine(MUSIC, 20)))
    before = len(a.datagrams), len(b.datagrams)
    assert before == (20, 20) and studio.tier.due_at is None
    studio.tell(over(a))
    studio.run(BEEP_FRAMES, (a, sine(VOICE, 20)), (b, sine(MUSIC, 20)))
    assert studio.messages(Played) == [Played(1, "a", 1, "end")]
    middle = a.heard[26 * FRAME : 36 * FRAME]
    assert level(middle, 1000) > 5000
    assert 0.8 < level(middle, MUSIC) / (TURNED_DOWN * 5000) < 1.2
    assert b.heard[20 * FRAME :].tobytes() == sine(VOICE, 20).tobytes()  # passed on as it came
    studio.run(10, (a, sine(VOICE, 10)), (b, sine(MUSIC, 10)))
    assert studio.tier.due_at is None
    assert len(a.datagrams) == 50 and len(b.datagrams) == 50
    assert (a.heard[-10 * FRAME :] == sine(MUSIC, 10)).all()


def test_a_warning_doesnt_wait_behind_music_and_the_music_goes_on(studio):
    a, _ = studio.call()
    music = PlayItem(file="music.wav")
    studio.tell(Play(a.session, "a", 1, (music,), repeat=True))
    studio.loads("music.wav", np.tile(sine(MUSIC, 5), 20))
    studio.run(10)
    studio.tell(over(a, 2))
    studio.run(BEEP_FRAMES)
    assert [(m.playing, m.reason) for m in studio.messages(Played)] == [(2, "end")]
    assert level(a.heard[12 * FRAME : 28 * FRAME], 1000) > 5000
    assert level(a.heard[12 * FRAME : 28 * FRAME], MUSIC) > 1000
    studio.run(10)
    after = a.heard[-8 * FRAME :]
    assert level(after, 1000) < 200 and level(after, MUSIC) > 4500
    studio.tell(StopPlaying(a.session, "a"))
    studio.run(2)
    assert studio.tier.due_at is None


def test_a_warning_is_heard_to_its_end_though_the_music_stops(studio):
    a, b = studio.call()
    studio.tell(Play(a.session, "a", 1, (PlayItem(tone="ringback"),), repeat=True))
    studio.tell(over(a, 2))
    studio.run(5)
    studio.tell(StopPlaying(a.session, "a"))
    studio.run(20, (b, sine(MUSIC, 20)))
    ended = [(m.playing, m.reason) for m in studio.messages(Played)]
    assert ended == [(1, "stopped"), (2, "end")]
    assert level(a.heard[8 * FRAME : 16 * FRAME], 1000) > 5000


def test_keys_that_are_pressed_meanwhile_arrive(studio):
    a, b = studio.call()
    studio.tell(over(a))
    studio.run(3)
    b.press(bytes(TelephoneEvent(5, True, 640)), b.timestamp)
    studio.run(20)
    assert a.digits == "5"


def test_over_the_echo(studio):
    a = studio.caller()
    studio.hear(a, "echo")
    studio.tell(over(a))
    studio.run(BEEP_FRAMES, (a, sine(VOICE, 20)))
    middle = a.heard[6 * FRAME : 16 * FRAME]
    assert level(middle, 1000) > 5000 and level(middle, VOICE) > 1000


def test_what_cant_be_read_leaves_the_call_to_the_relay(studio):
    a, b = studio.call()
    studio.tell(over(a, 1, PlayItem(file="nothing.wav")))
    studio.run(2, (b, sine(MUSIC, 2)))
    studio.loads("nothing.wav", None, "isn't there")
    studio.run(3, (b, sine(MUSIC, 3)))
    assert [m.reason for m in studio.messages(Played)] == ["failed"]
    assert studio.tier.due_at is None
