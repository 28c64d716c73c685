"""Five baresip phones in a room: each hears the four others, and not himself."""

import contextlib

import pytest
from long_calls import PEOPLE, Phones, come_together, with_five_lines

SECONDS = 10.0
"""In the first two of them everybody is greeted, and hears nobody."""


@pytest.fixture
def board(make_board):
    made = make_board(CONFERENCE__SERVICE="free")
    made.start()
    with_five_lines(made)
    return made


def test_a8_five_phones_hear_the_others_and_not_themselves(board, tmp_path):
    """Made in real time, on a machine that may be busy: what comes late is broken, but most of it
    is whole. For ten minutes, and with figures: long_calls."""
    with contextlib.closing(Phones(board, tmp_path, SECONDS)) as phones:
        come_together(board, phones)
        board.talk(SECONDS)
        phones.hang_up()
        found = phones.heard()
    for login, heard in found.items():
        assert set(heard) == set(PEOPLE)
        for who, tone in heard.items():
            if who == login:
                assert tone.level_db < -40.0, (login, found)
            else:
                assert abs(tone.level_db) < 0.3, (login, who, tone)
                assert tone.broken < 0.2 and tone.seconds > SECONDS / 2, (login, who, tone)
    cdrs = board.cdrs()
    assert [(cdr["type"], cdr["sip_status"]) for cdr in cdrs] == [("service", 200)] * len(PEOPLE)
    assert all(cdr["media"]["caller"]["lost"] == 0 for cdr in cdrs)
