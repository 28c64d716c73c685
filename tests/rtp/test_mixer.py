"""Who hears what in a conference, sample by sample."""

import numpy as np
import pytest

from rtp.mixer import Member, Mixer, Room

FRAME = 160


def mixed(made, said):
    """The frame that each member hears, room by room; anything may change before the next tick."""
    mixer = Mixer(made)
    heard = mixer.mix(said)
    mixer.give_back()
    return heard


def rooms(*sizes):
    made = []
    for number, size in enumerate(sizes):
        room = Room(number)
        room.members = [Member((number, seat)) for seat in range(size)]
        made.append(room)
    return made


def sine(hertz, amplitude, frames, phase=0.0):
    time = np.arange(frames * FRAME) / 8000
    return (amplitude * np.sin(2 * np.pi * hertz * time + phase)).astype(np.int16)


def conferred(made, voices):
    """What each hears over time, for what each says over time."""
    voices = np.stack(voices)
    mixer = Mixer(made)
    ticks = [
        mixer.mix(voices[:, at : at + FRAME].copy()) for at in range(0, voices.shape[1], FRAME)
    ]
    mixer.give_back()
    return np.concatenate(ticks, axis=1).astype(int)


@pytest.mark.parametrize("sizes", [(1,), (2,), (5,), (2, 7, 1, 3), (5, 5, 5), (4, 40, 1), (33,)])
def test_everybody_hears_exactly_the_sum_of_the_others_in_the_room(sizes):
    rng = np.random.default_rng(1)
    said = rng.integers(-3000, 3000, (sum(sizes), FRAME)).astype(np.int16)
    heard = mixed(rooms(*sizes), said.copy())
    first = 0
    for size in sizes:
        room = said[first : first + size].astype(int)
        assert (heard[first : first + size] == room.sum(axis=0) - room).all()
        first += size


def test_no_room_is_no_work():
    assert len(mixed([], np.empty((0, FRAME), np.int16))) == 0


def test_loud_voices_together_are_turned_down_without_clicks_and_come_back():
    made = rooms(3)
    loud = [sine(440, 25_000, 100), sine(440, 25_000, 100), np.zeros(100 * FRAME, np.int16)]
    loud[1][: 30 * FRAME] = 0
    loud[1][60 * FRAME :] = 0
    heard = conferred(made, loud)[2]
    # One voice alone is untouched, and again some time after.
    assert (heard[: 30 * FRAME] == loud[0][: 30 * FRAME]).all()
    assert (heard[-FRAME:] == loud[0][-FRAME:]).all()
    both = heard[31 * FRAME : 60 * FRAME]
    assert 32_000 < np.abs(both).max() <= 32_767
    # As smooth as a full sine of that pitch: hard saturation would bend at its edges.
    bend = np.abs(np.diff(both, 2)).max()
    assert bend < 1.1 * 32_767 * (2 * np.pi * 440 / 8000) ** 2


def test_only_those_who_hear_too_much_hear_it_quieter():
    made = rooms(3)
    said = [sine(440, 25_000, 5), sine(440, 25_000, 5), np.zeros(5 * FRAME, np.int16)]
    heard = conferred(made, said)
    assert (heard[0] == said[1]).all() and (heard[1] == said[0]).all()
    assert [member.gain < 1 for member in made[0].members] == [False, False, True]


def test_who_is_muted_is_faded_out_and_in():
    made = rooms(2)
    speaker = made[0].members[0]
    voice = np.full((2, FRAME), 10_000, np.int16)
    voice[1] = 0

    def tick():
        return mixed(made, voice.copy())[1].astype(int)

    assert (tick() == 10_000).all()
    speaker.muted = True
    fade = tick()
    assert fade[0] == 10_000 and fade[-1] == 0 and np.abs(np.diff(fade)).max() < 70
    assert not tick().any()
    speaker.muted = False
    rise = tick()
    assert rise[0] == 0 and rise[-1] == 10_000 and np.abs(np.diff(rise)).max() < 70
    assert (tick() == 10_000).all()


def test_who_comes_muted_was_never_heard():
    made = rooms(2)
    made[0].members[0] = Member("late", muted=True)
    assert not mixed(made, np.full((2, FRAME), 5000, np.int16))[1].any()


def test_an_announcement_is_heard_by_all_in_the_room_and_once():
    made = rooms(2, 2)
    made[1].announcement = np.full(FRAME, 300, np.int16)
    said = np.zeros((4, FRAME), np.int16)
    said[2] = 50
    assert mixed(made, said.copy())[:, 0].tolist() == [
        0,
        0,
        300,
        350,
    ]
    assert mixed(made, said.copy())[:, 0].tolist() == [
        0,
        0,
        0,
        50,
    ]


def floor(made, voices):
    """Who has the floor after each tick in which that changed."""
    (room,) = made
    said = np.stack(voices)
    taken = []
    for at in range(0, said.shape[1], FRAME):
        mixed(made, said[:, at : at + FRAME].copy())
        if room.find_speaker():
            taken.append((at // FRAME, room.speaker.key[1]))
    return taken


def test_the_floor_may_change_only_where_somebody_is_loud_enough():
    made = rooms(2, 2)
    said = np.zeros((4, FRAME), np.int16)
    said[3] = 8000
    for _ in range(5):
        mixed(made, said.copy())
    assert [room.floor_may_change for room in made] == [False, True]
    assert made[1].find_speaker() and made[1].speaker is made[1].members[1]
    mixed(made, said.copy())
    assert not made[1].floor_may_change


def test_who_speaks_has_the_floor_and_keeps_it_in_a_pause():
    first, second = sine(300, 8000, 150), sine(300, 8000, 150)
    first[50 * FRAME :] = 0
    second[: 80 * FRAME] = 0
    taken = floor(rooms(3), [first, second, np.zeros(150 * FRAME, np.int16)])
    assert [who for _, who in taken] == [0, 1]
    assert taken[0][0] < 5 and 80 <= taken[1][0] < 100


def test_two_who_speak_at_once_do_not_take_the_floor_from_each_other_all_the_time():
    rng = np.random.default_rng(2)
    voices = [sine(300, 8000, 300), sine(310, 8500, 300)]
    noise = [voice + rng.normal(0, 300, len(voice)) for voice in voices]
    taken = floor(rooms(2), [voice.astype(np.int16) for voice in noise])
    assert len(taken) == 1


def test_noise_takes_no_floor():
    assert floor(rooms(2), [sine(300, 100, 50), sine(310, 50, 50)]) == []
