"""Both laws, sample by sample against the C module that Python came with."""

import warnings

import numpy as np
import pytest

from rtp.batch import LAW_INDEX, decoded, encoded
from rtp.g711 import LAWS, PCMA, PCMU

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

EVERY_OCTET = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("law", "oracle"), [(PCMU, audioop.ulaw2lin), (PCMA, audioop.alaw2lin)], ids=["u", "A"]
)
def test_every_octet_is_decoded_exactly(law, oracle):
    assert law.decode(EVERY_OCTET).tobytes() == oracle(EVERY_OCTET, 2)


@pytest.mark.parametrize(
    ("law", "oracle"), [(PCMU, audioop.lin2ulaw), (PCMA, audioop.lin2alaw)], ids=["u", "A"]
)
def test_every_sample_is_encoded_exactly(law, oracle):
    assert law.encode(EVERY_SAMPLE) == oracle(EVERY_SAMPLE.tobytes(), 2)


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=["u", "A"])
def test_what_was_decoded_is_encoded_to_the_same_sound(law):
    once = law.decode(EVERY_OCTET)
    assert (law.decode(law.encode(once)) == once).all()


def test_many_frames_are_encoded_at_once():
    frames = EVERY_SAMPLE.reshape(-1, 256)
    assert PCMU.encode(frames) == b"".join(PCMU.encode(frame) for frame in frames)


def test_silence_is_a_sample_of_nearly_nothing():
    assert [abs(int(law.decode(law.silence)[0])) for law in (PCMU, PCMA)] == [0, 8]
    assert {name: law.payload_type for name, law in LAWS.items()} == {"PCMU": 0, "PCMA": 8}


@pytest.mark.parametrize("names", [["PCMU"], ["PCMA"], ["PCMA", "PCMU"], ["PCMU", "PCMA", "PCMU"]])
def test_a_ticks_frames_are_decoded_and_encoded_each_in_its_law(names):
    """At once, in whatever laws: the same as one by one."""
    rng = np.random.default_rng(2)
    octets = rng.integers(0, 256, (len(names), 160), dtype=np.uint8)
    frames = decoded(octets, np.array([LAW_INDEX[LAWS[name]] for name in names]))
    each = [LAWS[name].decode(row.tobytes()) for name, row in zip(names, octets, strict=True)]
    assert (frames == np.stack(each)).all()
    said = rng.integers(-32768, 32768, (len(names), 160)).astype(np.int16)
    each = [LAWS[name].encode(row) for name, row in zip(names, said, strict=True)]
    assert encoded(said, names) == each


def test_another_codec_is_prepared_in_pcmu():
    said = np.full((2, 160), 1000, np.int16)
    assert encoded(said, ["G722", "G722"]) == [PCMU.encode(row) for row in said]
    assert encoded(said, [None, "PCMA"]) == [PCMU.encode(said[0]), PCMA.encode(said[1])]
