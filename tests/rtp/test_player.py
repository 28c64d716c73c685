"""Prompts and tones, sample by sample."""

import numpy as np
import pytest

from rtp.player import MAX_QUEUED, Piece, Player, Playing

FRAME = 160


def ramp(first, count):
    """Samples that tell which they are."""
    return np.arange(first, first + count).astype(np.int16)


def playing(number, *pieces, **how):
    it = Playing(number, **how)
    it.set_pieces([piece if isinstance(piece, Piece) else Piece(piece) for piece in pieces])
    return it


def heard(player, frames=100):
    """Everything until there is nothing more."""
    sound = []
    for _ in range(frames):
        frame = player.frame()
        if frame is None:
            break
        assert len(frame) == FRAME
        sound.append(frame)
    return np.concatenate(sound) if sound else np.empty(0, np.int16)


def test_nothing_to_play_is_none():
    player = Player()
    assert player.frame() is None and not player.busy


def test_pieces_follow_each_other_without_a_gap_and_end_in_silence():
    player = Player()
    player.play(playing(1, ramp(1, 250), ramp(251, 30), ramp(281, 400)))
    sound = heard(player)
    assert (sound[:680] == ramp(1, 680)).all()
    assert len(sound) == 800 and not sound[680:].any()
    assert player.finished == [1] and not player.busy


def test_what_is_queued_follows_without_a_gap():
    player = Player()
    player.play(playing(1, ramp(1, 100)))
    player.play(playing(2, ramp(101, 100)))
    assert (heard(player)[:200] == ramp(1, 200)).all()
    assert player.finished == [1, 2]


def test_a_tone_is_repeated_for_as_long_as_was_said():
    player = Player()
    player.play(playing(1, Piece(ramp(0, 70), length=200)))
    sound = heard(player)
    assert (sound[:200] == np.concatenate([ramp(0, 70), ramp(0, 70), ramp(0, 60)])).all()
    assert not sound[200:].any()


def test_music_goes_round_without_a_seam():
    player = Player()
    player.play(playing(1, ramp(0, 90), ramp(90, 37), repeat=True))
    sound = heard(player, 50)
    assert (sound == np.arange(50 * FRAME) % 127).all()
    assert player.finished == []


def test_what_is_stopped_fades_away_within_five_milliseconds():
    player = Player()
    player.play(playing(1, np.full(4000, 8000, np.int16)))
    player.play(playing(2, ramp(0, 300)))
    player.frame()
    assert player.stop() == [1, 2]
    tail = heard(player)
    assert len(tail) == FRAME and not player.busy
    assert (tail[:40] == 8000 - 200 * np.arange(40)).all() and not tail[40:].any()


def test_a_key_stops_what_lets_itself_be_stopped():
    player = Player()
    player.play(playing(1, ramp(0, 400)))
    player.play(playing(2, ramp(0, 400), barge_in=True))
    assert player.barge_in() == []
    for _ in range(3):
        player.frame()
    assert player.finished == [1]
    assert player.barge_in() == [2]
    assert len(heard(player)) == FRAME


def test_what_is_not_loaded_yet_holds_up_what_comes_after_it():
    player, late = Player(), Playing(1)
    player.play(late)
    player.play(playing(2, ramp(101, 60)))
    assert player.frame() is None and player.busy
    late.set_pieces([Piece(ramp(1, 100))])
    assert (player.frame() == ramp(1, 160)).all()


def test_what_cannot_be_loaded_is_left_out():
    player, lost = Player(), Playing(1)
    player.play(lost)
    player.play(playing(2, ramp(1, 160)))
    player.drop(lost)
    assert (heard(player) == ramp(1, 160)).all()


@pytest.mark.parametrize("repeat", [False, True])
def test_nothing_in_it_is_finished_at_once(repeat):
    player = Player()
    player.play(playing(1, np.empty(0, np.int16), repeat=repeat))
    player.frame()
    assert player.finished == [1]


def test_only_so_much_waits():
    player = Player()
    taken = [player.play(playing(n, ramp(0, 10))) for n in range(MAX_QUEUED + 1)]
    assert taken == [True] * MAX_QUEUED + [False]
