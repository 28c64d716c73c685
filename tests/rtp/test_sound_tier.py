"""What the switch itself says, hears and records; in virtual time, sample by sample."""

import gc
import itertools

import numpy as np
import pytest
from studio import FRAME, Studio, law_of, sine

from rtp.control import (
    Close,
    Digit,
    Hear,
    Listen,
    Mute,
    Open,
    Play,
    Played,
    PlayItem,
    Press,
    Record,
    Recorded,
    SendDigits,
    SideSpec,
    Silent,
    Speaker,
    StopPlaying,
    StopRecording,
)
from rtp.dtmf import digit_tone
from rtp.formats import UNKNOWN
from rtp.g711 import PCMA, PCMU
from rtp.telephone_event import TelephoneEvent
from rtp.tones import tone

PROMPT = law_of((3000 * np.sin(np.arange(5 * FRAME) / 4)).astype(np.int16))


@pytest.fixture
def studio():
    return Studio()


def play(phone, *items, playing=7, **how):
    return Play(phone.session, phone.side, playing, items, **how)


def event(code, duration, *, end=False):
    return bytes(TelephoneEvent(code, end, duration))


# Echo


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=["u", "A"])
def test_an_echo_is_what_was_said_two_frames_later(studio, law):
    caller = studio.caller(law=law)
    studio.hear(caller, "echo")
    said = law_of(sine(440, 50), law)
    studio.run(50, (caller, said))
    assert not np.abs(caller.heard[:FRAME] - law.decode(law.silence)[0]).any()
    assert (caller.heard[FRAME:] == said[:-FRAME]).all()


def test_our_packets_are_a_stream_of_their_own(studio):
    caller = studio.caller()
    studio.hear(caller, "echo")
    studio.run(20, (caller, sine(440, 20)))
    packets = caller.packets
    assert len({packet.ssrc for packet in packets}) == 1
    assert [packet.marker for packet in packets] == [True] + [False] * 19
    assert {(b.sequence_number - a.sequence_number) & 0xFFFF for a, b in pairs(packets)} == {1}
    assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairs(packets)} == {160}


def pairs(items):
    return list(itertools.pairwise(items))


@pytest.mark.parametrize("packet_ms", [10, 30, 40, 60])
def test_packets_have_the_length_that_the_peer_asks_for_whatever_it_sends(studio, packet_ms):
    caller = studio.caller(packet_ms=packet_ms)
    studio.hear(caller, "echo")
    said = sine(440, 60)
    size, sent = 8 * packet_ms, 0
    for frame in range(60):
        while sent < (frame + 1) * FRAME and sent + size <= len(said):
            caller.say(said[sent : sent + size])
            sent += size
        studio.tick()
    assert {len(packet.payload) for packet in caller.packets} == {size}
    assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairs(caller.packets)} == {size}
    assert [packet.marker for packet in caller.packets].count(True) == 1
    heard = caller.heard
    begin = FRAME
    assert (heard[begin : begin + 5000] == said[:5000]).all()


def test_nothing_is_sent_to_who_does_not_want_to_hear_or_speaks_no_common_law(studio):
    caller = studio.caller()
    studio.hear(caller, "echo")
    studio.tick()
    before = len(caller.packets)
    relay_side = studio.engine.session(caller.session).relay.sides[0]
    relay_side.direction = "sendonly"
    studio.run(5)
    assert len(caller.packets) == before
    relay_side.direction = "sendrecv"
    spoken, relay_side.formats = relay_side.formats, UNKNOWN
    studio.run(5)
    assert len(caller.packets) == before
    relay_side.formats = spoken
    studio.tick()
    first = caller.packets[before]
    assert first.marker  # after a pause
    assert (first.timestamp - caller.packets[before - 1].timestamp) & 0xFFFFFFFF == 11 * FRAME


# Prompts and tones


def test_a_prompt_is_played_when_it_is_loaded_and_told_when_it_ended(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(play(caller, PlayItem(file="hello.wav")))
    assert studio.shelf.asked == ["hello.wav"]
    studio.run(3)
    assert not caller.heard.any() and len(caller.heard) == 3 * FRAME
    studio.loads("hello.wav", PROMPT)
    studio.run(7)
    assert (caller.heard[3 * FRAME : 8 * FRAME] == PROMPT).all()
    assert studio.messages(Played) == [Played(1, "a", 7, "end")]


def test_files_tones_and_pauses_follow_each_other(studio):
    caller = studio.caller()
    items = [
        PlayItem(file="one.wav"),
        PlayItem(milliseconds=30),
        PlayItem(tone="busy", country="GE", milliseconds=400),
        PlayItem(file="two.wav"),
        PlayItem(file="one.wav"),
    ]
    studio.tell(play(caller, *items))
    studio.loads("two.wav", PROMPT[:333])
    studio.loads("one.wav", PROMPT[:100])
    studio.run(30)
    busy = law_of(tone("busy", "GE"))
    parts = [PROMPT[:100], np.zeros(240), np.resize(busy, 3200), PROMPT[:333], PROMPT[:100]]
    expected = np.concatenate(parts)
    assert (caller.heard[: len(expected)] == expected).all()


def test_a_file_that_cannot_be_played_fails_with_its_reason_and_the_next_is_played(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(play(caller, PlayItem(file="bad.wav"), PlayItem(file="x.wav"), playing=1))
    studio.tell(play(caller, PlayItem(tone="busy"), playing=2))
    studio.tell(play(caller, PlayItem(tone="trumpet"), playing=3))
    studio.loads("bad.wav", None, "2 channels; one is needed")
    studio.loads("x.wav", PROMPT)
    studio.run(60)
    assert studio.messages(Played) == [
        Played(1, "a", 3, "failed", "no tone 'trumpet'"),
        Played(1, "a", 1, "failed", "bad.wav: 2 channels; one is needed"),
        Played(1, "a", 2, "end"),
    ]


def test_music_goes_on_until_it_is_stopped(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(play(caller, PlayItem(file="music.wav"), repeat=True))
    studio.loads("music.wav", PROMPT[:777])
    studio.run(50)
    assert (caller.heard == np.resize(PROMPT[:777], 50 * FRAME)).all()
    studio.tell(StopPlaying(caller.session, "a"))
    studio.run(3)
    assert not caller.heard[51 * FRAME :].any()
    assert studio.messages(Played) == [Played(1, "a", 7, "stopped")]


def test_what_is_played_into_a_call_is_heard_instead_of_the_other_side_and_then_not(studio):
    alice, bob = studio.call()
    tell = sine(300, 100)
    studio.run(10, (alice, tell), (bob, tell))
    studio.tell(play(bob, PlayItem(file="hello.wav")))
    studio.loads("hello.wav", PROMPT)
    studio.run(10, (alice, tell), (bob, tell))
    ssrcs = [packet.ssrc for packet in bob.packets]
    assert ssrcs[:10] == [alice.ssrc] * 10 and ssrcs[-5:] == [alice.ssrc] * 5
    assert (bob.heard[10 * FRAME : 15 * FRAME] == PROMPT).all()
    assert len(alice.packets) == 20 and {packet.ssrc for packet in alice.packets} == {bob.ssrc}
    assert len(studio.tier) == 0


# Digits


def test_keys_as_events_stop_a_prompt_that_lets_itself_be_stopped(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(Listen(caller.session, "a", True))
    studio.tell(play(caller, PlayItem(tone="ringback"), barge_in=True, playing=1))
    studio.tell(play(caller, PlayItem(tone="ringback"), playing=2))
    studio.run(5)
    for duration in (160, 320, 480, 480, 480):
        caller.press(event(5, duration, end=duration == 480), 5000)
        studio.tick()
    assert studio.messages(Digit) == [Digit(1, "a", "5", "event")]
    assert studio.messages(Played) == [Played(1, "a", 1, "key"), Played(1, "a", 2, "key")]
    assert not caller.heard[-3 * FRAME :].any()


def test_keys_as_tones_are_heard_where_asked_for(studio):
    caller = studio.caller(events=None)
    studio.hear(caller, "prompts")
    sound = np.concatenate([digit_tone("7", 100), np.zeros(6 * FRAME, np.int16)])
    studio.tell(Listen(caller.session, "a", True))
    studio.run(11, (caller, sound))
    assert studio.messages(Digit) == []
    studio.tell(Listen(caller.session, "a", True, in_band=True))
    studio.run(11, (caller, sound))
    assert studio.messages(Digit) == [Digit(1, "a", "7", "tone")]


def test_a_key_told_in_three_ways_is_one_key_and_twice_in_one_way_is_two(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(Listen(caller.session, "a", True, in_band=True))
    caller.press(event(7, 160), 5000)
    studio.run(10, (caller, np.concatenate([digit_tone("7", 100), np.zeros(800, np.int16)])))
    studio.tell(Press(caller.session, "a", "7"))
    studio.tell(Press(caller.session, "a", "x"))
    assert studio.messages(Digit) == [Digit(1, "a", "7", "event")]
    studio.run(30)
    studio.tell(Press(caller.session, "a", "7"))
    studio.tell(Press(caller.session, "a", "7"))
    assert [digit.method for digit in studio.messages(Digit)] == ["event", "info", "info"]


def test_listening_to_a_call_leaves_its_packets_as_they_are(studio):
    alice, bob = studio.call()
    studio.tell(Listen(alice.session, "a", True))
    said = sine(300, 10)
    studio.run(10, (alice, said))
    alice.press(event(3, 160), 7000)
    studio.tick()
    assert studio.messages(Digit) == [Digit(1, "a", "3", "event")]
    assert (bob.heard == said).all() and {packet.ssrc for packet in bob.packets} == {alice.ssrc}
    assert bob.digits == "3"
    studio.tell(Listen(alice.session, "a", False))
    assert len(studio.tier) == 0


def test_keys_are_sent_as_the_peer_understands_them(studio):
    caller, old = studio.caller(), studio.caller(events=None)
    for phone in (caller, old):
        studio.hear(phone, "prompts")
        studio.tell(SendDigits(phone.session, "a", "40#", 80))
    studio.run(60)
    assert caller.digits == "40#" and not caller.heard.any()
    assert old.digits == "" and (old.heard[:640] == law_of(digit_tone("4", 80))).all()
    assert studio.messages(Played) == []


# Recordings


def recorded(studio, recording=9):
    return np.frombuffer(studio.shelf.recordings[recording], "<i2")


def test_a_message_is_recorded_until_silence(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(Record(1, 9, "9.wav", "a", 60.0, 1.0))
    said = np.concatenate([sine(440, 40), np.zeros(100 * FRAME, np.int16)])
    studio.run(140, (caller, said))
    assert studio.shelf.closed == [9]
    assert studio.messages(Recorded) == []
    studio.writes(9)
    assert studio.messages(Recorded) == [Recorded(1, 9, 91 * 20, "silence")]
    assert (recorded(studio)[FRAME : 41 * FRAME] == said[: 40 * FRAME]).all()


def test_a_call_is_recorded_in_stereo_while_its_packets_pass_untouched(studio):
    alice, bob = studio.call()
    hers, his = sine(300, 100), sine(500, 100)
    studio.run(20, (alice, hers), (bob, his))
    studio.tell(Record(1, 9, "9.wav", "both", 600.0))
    later = [
        (phone, lambda n, sound=sound: sound[(20 + n) * FRAME :][:FRAME])
        for phone, sound in ((alice, hers), (bob, his))
    ]
    studio.run(50, *later)
    studio.tell(StopRecording(1, 9))
    studio.writes(9)
    assert studio.messages(Recorded) == [Recorded(1, 9, 1000, "stopped")]
    stereo = recorded(studio).reshape(-1, 2)
    for channel, sound in enumerate((hers, his)):
        assert (stereo[FRAME:, channel] == sound[20 * FRAME : 69 * FRAME]).all()
    assert (bob.heard == hers[: 70 * FRAME]).all() and (alice.heard == his[: 70 * FRAME]).all()
    assert {packet.ssrc for packet in bob.packets} == {alice.ssrc}
    studio.tick()
    assert len(studio.tier) == 0


def test_a_key_ends_a_message(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(Record(1, 9, "9.wav", "a", 60.0, 0.0, "#"))
    studio.run(10, (caller, sine(440, 10)))
    caller.press(event(11, 160), 5000)
    studio.run(2)
    studio.writes(9)
    (over,) = studio.messages(Recorded)
    assert over.reason == "digit"


def test_a_disk_that_fails_ends_the_recording_and_not_the_call(studio):
    alice, bob = studio.call()
    studio.tell(Record(1, 9, "9.wav", "both", 60.0))
    studio.run(5, (alice, sine(440, 5)))
    studio.writes(9, "No space left on device")
    (over,) = studio.messages(Recorded)
    assert (over.reason, over.problem) == ("failed", "No space left on device")
    studio.run(5, (alice, sine(440, 5)))
    assert len(bob.packets) == 10 and len(studio.tier) == 0


def test_a_session_that_ends_completes_its_recording(studio):
    caller = studio.caller()
    studio.hear(caller, "prompts")
    studio.tell(Record(1, 9, "9.wav", "a", 60.0))
    studio.run(10, (caller, sine(440, 10)))
    studio.close(caller)
    studio.writes(9)
    assert studio.messages(Recorded) == [Recorded(1, 9, 200, "closed")]
    assert len(recorded(studio)) == 10 * FRAME and len(studio.tier) == 0


# Conferences


def conference(studio, count, **how):
    members = [studio.caller(**how) for _ in range(count)]
    for member in members:
        studio.hear(member, "room", room=5)
    return members


def test_everybody_hears_the_others(studio):
    ann, bea, cid = conference(studio, 3)
    says = [sine(hz, 50, 3000) for hz in (300, 500, 700)]
    studio.run(50, *zip((ann, bea, cid), says, strict=True))
    for index, member in enumerate((ann, bea, cid)):
        others = sum(said.astype(int) for n, said in enumerate(says) if n != index)
        expected = law_of(others.astype(np.int16))
        assert (member.heard[FRAME:] == expected[:-FRAME]).all()


def test_laws_are_mixed(studio):
    ann, bea = studio.caller(law=PCMU), studio.caller(law=PCMA)
    for member in (ann, bea):
        studio.hear(member, "room", room=1)
    hers, his = sine(300, 20), law_of(sine(500, 20), PCMA)
    studio.run(20, (ann, hers), (bea, his))
    assert (bea.heard[FRAME:] == law_of(hers, PCMA)[:-FRAME]).all()
    assert (ann.heard[FRAME:] == law_of(his)[:-FRAME]).all()


def test_who_is_muted_hears_but_is_not_heard(studio):
    ann, bea = conference(studio, 2)
    studio.tell(Mute(ann.session, "a", True))
    studio.run(20, (ann, sine(300, 20)), (bea, sine(500, 20)))
    assert not bea.heard[2 * FRAME :].any() and ann.heard[2 * FRAME :].any()


def test_the_room_is_told_who_comes_and_goes(studio):
    (ann,) = conference(studio, 1)
    studio.run(5)
    bea = studio.caller()
    studio.hear(bea, "room", room=5, tones=True)
    studio.run(20)
    entry = law_of(tone("entry"))
    assert (ann.heard[5 * FRAME : 5 * FRAME + len(entry)] == entry).all()
    before = len(ann.heard)
    studio.close(bea)
    studio.run(20)
    assert (ann.heard[before : before + len(entry)] == law_of(tone("leaving"))).all()


def test_the_switch_is_told_who_has_the_floor(studio):
    _, bea = conference(studio, 2)
    studio.run(30, (bea, sine(500, 30)))
    assert studio.messages(Speaker) == [Speaker(5, bea.session, "a")]


def test_a_room_has_room_for_so_many_and_goes_with_the_last(studio, monkeypatch):
    monkeypatch.setattr("rtp.rooms.MAX_MEMBERS", 2)
    ann, bea, cid = conference(studio, 3)
    studio.run(10, (ann, sine(300, 10)), (bea, sine(300, 10)))
    assert not cid.heard.any() and len(cid.heard) == 10 * FRAME
    for member in (ann, bea, cid):
        studio.close(member)
    assert len(studio.tier._rooms) == 0 and len(studio.tier) == 0


def test_a_call_walks_from_the_relay_to_a_room_and_back_without_losing_a_packet(studio):
    alice, bob = studio.call()
    carol = studio.caller()
    hers, his = sine(300, 200), sine(500, 200)
    spoken = {"at": 0}

    def talk(frames):
        first = spoken["at"]
        spoken["at"] += frames
        studio.run(
            frames,
            (alice, lambda n: hers[(first + n) * FRAME :][:FRAME]),
            (bob, lambda n: his[(first + n) * FRAME :][:FRAME]),
        )

    talk(30)
    studio.tell(Record(1, 9, "9.wav", "both", 600.0))
    talk(30)
    for phone in (alice, bob, carol):
        studio.hear(phone, "room", room=1)
    talk(40)
    for phone in (alice, bob):
        studio.hear(phone, "peer")
    talk(30)
    studio.tell(StopRecording(1, 9))
    talk(30)
    assert len(bob.packets) == len(alice.packets) == 160
    heard = bob.heard
    assert (heard[: 60 * FRAME] == hers[: 60 * FRAME]).all()
    # By the room it is a frame later: the buffer was running already for the recording.
    assert (heard[61 * FRAME : 100 * FRAME] == hers[60 * FRAME : 99 * FRAME]).all()
    assert (heard[100 * FRAME :] == hers[100 * FRAME : 160 * FRAME]).all()
    both = (hers[60 * FRAME : 99 * FRAME].astype(int) + his[60 * FRAME : 99 * FRAME]).astype("i2")
    begin = len(carol.heard) - 100 * FRAME + FRAME
    assert (carol.heard[begin : begin + 39 * FRAME] == law_of(both)).all()
    left = recorded(studio).reshape(-1, 2)[:, 0]
    assert (left[FRAME:] == hers[30 * FRAME : 129 * FRAME]).all()
    assert len(studio.tier) == 1  # carol waits alone in the room


# Early and late


def test_an_early_announcement_needs_no_other_side(studio):
    studio.tell(Open(1, SideSpec(None), SideSpec(None)))
    caller = studio.phone(1, "a", studio.opened.a_rtp_port)
    studio.tell(play(caller, PlayItem(tone="ringback", country="GE"), repeat=True))
    studio.run(3)
    assert len(caller.packets) == 3 and np.abs(caller.heard).max() > 3000


def test_silence_of_who_talks_with_the_switch_is_noticed(studio):
    caller = studio.caller()
    studio.hear(caller, "echo")
    for _ in range(61 * 50):
        studio.tick()
    assert studio.messages(Silent) == [Silent(1, None)]


def test_late_ticks_are_made_up_for_and_too_late_ones_left_out(studio):
    caller = studio.caller()
    studio.hear(caller, "echo")
    studio.run(10, (caller, sine(440, 10)))
    studio.now += 0.06
    studio.tick(late=0.001)
    assert len(caller.packets) == 14
    assert studio.figures().skipped == 0
    studio.now += 1.0
    studio.tick(late=0.001)
    figures = studio.figures()
    assert len(caller.packets) == 19
    assert (figures.ticks, figures.skipped) == (65, 46)
    assert figures.worst_ms == pytest.approx(1001, abs=0.1) and figures.p50_ms < 1
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairs(caller.packets)}
    assert steps == {FRAME, 47 * FRAME}
    studio.run(5, (caller, sine(440, 5)))
    assert studio.figures(0.1).worst_ms < 1 < studio.figures().worst_ms  # the last five alone


def test_a_session_that_is_over_leaves_nothing_to_the_garbage_collector(studio):
    """Workers run without one."""
    gc.collect()
    gc.disable()
    try:
        caller = studio.caller()
        studio.hear(caller, "room", room=3, tones=True)
        studio.tell(play(caller, PlayItem(tone="busy"), PlayItem(file="never.wav"), repeat=True))
        studio.tell(Record(caller.session, 9, "9.wav", "a", 60.0))
        studio.run(10, (caller, sine(300, 10)))
        studio.close(caller)
        studio.writes(9)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert [thing for thing in gc.garbage if type(thing).__module__.startswith("rtp.")] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_messages_about_nothing_change_nothing(studio):
    caller = studio.caller()
    for message in (
        Hear(99, "a", "echo"),
        Hear(caller.session, "b", "echo"),
        Play(caller.session, "b", 1, (PlayItem(tone="busy"),)),
        StopPlaying(caller.session, "a"),
        StopRecording(caller.session, 4),
        Mute(caller.session, "a", True),
        Listen(caller.session, "b", True),
        SendDigits(caller.session, "b", "1"),
    ):
        studio.tell(message)
    assert len(studio.tier) == 0 and studio.tier.due_at is None
    studio.tell(Close(caller.session))


# For ten minutes


def test_a_kilohertz_through_a_room_of_five_for_ten_minutes_has_no_gap_and_a_flat_delay():
    studio = Studio()
    members = conference(studio, 5)
    period = sine(1000, 1)  # 20 whole periods
    quiet = np.zeros(FRAME, np.int16)
    rng = np.random.default_rng(7)
    speaker, *listeners = members
    for _ in range(10 * 60 * 50):
        # Packets come a little early or late, in any order.
        for member in rng.permutation(5).tolist():
            members[member].say(period if members[member] is speaker else quiet)
        studio.tick(late=float(rng.uniform(0, 0.004)))
    for listener in listeners:
        frames = listener.heard.reshape(-1, FRAME)
        assert len(frames) == 30_000
        assert not frames[0].any()
        assert (frames[1:] == period).all()
        steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairs(listener.packets)}
        assert steps == {FRAME}
    waiting = [member.relay_side.inbound.buffer.waiting for member in studio.tier._sides]
    assert waiting == [FRAME] * 5
    assert not speaker.heard.any()
