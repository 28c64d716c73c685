"""A room of five for ten minutes: whole periods of tones, so that every break shows."""

import numpy as np
from studio import FRAME, Studio, law_of

from rtp.g711 import PCMA, PCMU

MINUTES_OF_FRAMES = 10 * 60 * 50
SETTLED = 10
"""Frames in which people come in, with their tones."""


def periods(per_frame, amplitude):
    """A frame of whole periods."""
    time = np.arange(FRAME)
    return np.rint(amplitude * np.sin(2 * np.pi * per_frame * time / FRAME)).astype(np.int16)


def test_each_hears_the_others_and_not_himself_without_a_break_for_ten_minutes():
    studio = Studio()
    people = [studio.caller(law=PCMU if index % 2 else PCMA) for index in range(5)]
    for phone in people:
        studio.hear(phone, "room", room=7)
    kilohertz = law_of(periods(20, 4000), people[0].law)
    low = law_of(periods(8, 2000), people[1].law)
    silent = np.zeros(FRAME, np.int16)
    said = {people[0]: kilohertz, people[1]: low}
    speaking = [(phone, lambda _, frame=said.get(phone, silent): frame) for phone in people]
    for _ in range(60):
        studio.run(MINUTES_OF_FRAMES // 60, *speaking)
        for phone in people:
            heard = phone.heard
            phone.datagrams.clear()
            assert len(heard) == MINUTES_OF_FRAMES // 60 * FRAME
            frames = heard.reshape(-1, FRAME)[SETTLED:]
            assert (frames == frames[0]).all()  # the same phase all along: no break, no drift
            expected = sum(
                (frame.astype(int) for other, frame in said.items() if other is not phone),
                np.zeros(FRAME, int),
            )
            # Silence of A-law is 8 and not 0; and the sum is rounded once more for the line.
            assert np.abs(frames[0] - expected).max() < 300
            assert correlates(frames[0], kilohertz) == (phone is not people[0])
            assert correlates(frames[0], low) == (phone is not people[1])
    for number in range(1, 6):
        side = studio.engine.session(number).sound.sides[0]
        assert side.inbound.buffer.waiting <= 2 * FRAME


def correlates(heard, said):
    product = float((heard.astype(float) * said).sum())
    return product > 0.5 * float((said.astype(float) ** 2).sum())
