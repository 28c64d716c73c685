"""What is played, what is refused and why, and what is converted."""

import contextlib
import io
import struct
import time

import numpy as np
import pytest
import soundfile

from rtp.sound_file import convert, load
from rtp.wav import WavError, file_bytes, header, parse

SAMPLES = (10_000 * np.sin(np.arange(800) / 3)).astype(np.int16)


def chunk(kind, body, size=None):
    size = len(body) if size is None else size
    return kind + struct.pack("<I", size) + body + b"\0" * (len(body) % 2)


def fmt(tag=1, channels=1, rate=8000, bits=16, extra=b""):
    frame = channels * bits // 8
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits) + extra
    )


def riff(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


DATA = chunk(b"data", SAMPLES.tobytes())
GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def test_a_file_is_written_and_read():
    wav = parse(file_bytes(SAMPLES))
    assert (wav.samples == SAMPLES).all() and not wav.truncated


def test_what_we_write_others_read():
    samples, rate = soundfile.read(io.BytesIO(file_bytes(SAMPLES)), dtype="int16")
    assert rate == 8000 and (samples == SAMPLES).all()
    assert len(header(100, channels=2)) == 44


@pytest.mark.parametrize(
    "data",
    [
        riff(fmt(), chunk(b"LIST", b"INFOISFT\x06\0\0\0Editor"), DATA),
        riff(chunk(b"bext", b"odd"), fmt(), chunk(b"cue ", b"12345"), DATA, chunk(b"id3 ", b"x")),
        riff(fmt(0xFFFE, extra=struct.pack("<HHI", 22, 16, 4) + GUID), DATA),
        riff(fmt(extra=b"\0\0"), DATA),
    ],
    ids=["list", "odd chunks", "extensible", "long format"],
)
def test_what_stands_beside_the_sound_does_not_disturb(data):
    wav = parse(data)
    assert (wav.samples == SAMPLES).all() and not wav.truncated


def test_a_truncated_file_is_played_as_far_as_it_goes():
    wav = parse(file_bytes(SAMPLES)[:-801])
    assert wav.truncated
    assert (wav.samples == SAMPLES[:399]).all()


def test_half_a_sample_at_the_end_is_left_out():
    wav = parse(riff(fmt(), chunk(b"data", SAMPLES.tobytes() + b"x")))
    assert (wav.samples == SAMPLES).all() and not wav.truncated


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 octets are no WAV file"),
        (b"OggS" + bytes(100), "doesn't begin as a WAV file"),
        (riff(fmt(rate=44_100), DATA), "44100 samples a second; 8000 are needed"),
        (riff(fmt(rate=0), DATA), "0 samples a second"),
        (riff(fmt(bits=24), DATA), "24 bits a sample; 16 are needed"),
        (riff(fmt(bits=8), DATA), "8 bits a sample"),
        (riff(fmt(channels=2), DATA), "2 channels; one is needed"),
        (riff(fmt(tag=7, bits=8), DATA), "u-law; PCM is needed"),
        (riff(fmt(tag=0x55), DATA), "format 0x0055; PCM is needed"),
        (riff(fmt(0xFFFE, extra=bytes(24)), DATA), "format 0xfffe; PCM is needed"),
        (riff(DATA), "the sound stands before its format"),
        (riff(fmt()), "no sound in it"),
        (riff(fmt(), chunk(b"data", b"")), "there is no sound in it"),
        (riff(chunk(b"fmt ", b"\1\0"), DATA), "a format of 2 octets"),
        (riff(fmt(), DATA, size=0), "sizes were never filled in"),
        (riff(fmt(), DATA, size=0xFFFFFFFF), "sizes were never filled in"),
        (riff(fmt(), chunk(b"data", bytes(8), 0xFFFFFFFF)), "sizes were never filled in"),
        (riff(chunk(b"junk", b"", 0xFFFFFFF0), fmt(), DATA), "no format in it"),
        (riff(*[chunk(b"junk", b"")] * 1_000_000, fmt(), DATA), "more than 64 chunks"),
        (
            riff(fmt(), chunk(b"data", bytes(2 * 8000 * 3601))),
            "^the file lasts 3601 seconds, at most 3600 are allowed$",
        ),
        (
            riff(fmt(rate=44_100, channels=2, bits=24), chunk(b"data", bytes(44_100 * 6))),
            "^44100 samples a second; 8000 are needed; 24 bits a sample; 16 are needed; "
            "2 channels; one is needed$",
        ),
    ],
)
def test_a_file_is_refused_with_its_reason_and_quickly(data, reason):
    begun = time.perf_counter()
    with pytest.raises(WavError, match=reason):
        parse(data)
    assert time.perf_counter() - begun < 0.1


def test_rubbish_is_refused_or_read_and_nothing_else():
    rng = np.random.default_rng(4)
    good = riff(chunk(b"LIST", b"INFO"), fmt(), DATA)
    for _ in range(3000):
        data = bytearray(good[: rng.integers(len(good))])
        for at in rng.integers(0, 60, 3):
            if at < len(data):
                data[at] = rng.integers(256)
        with contextlib.suppress(WavError):
            assert len(parse(bytes(data)).samples) <= len(data) // 2


def test_a_file_is_loaded(tmp_path):
    path = tmp_path / "hello.wav"
    path.write_bytes(file_bytes(SAMPLES))
    assert (load(path).samples == SAMPLES).all()
    with path.open("wb") as file:
        file.write(riff(fmt(), chunk(b"data", b"", size=16_000 * 4000))[:44])
        file.truncate(44 + 16_000 * 4000)  # sparse: takes no room
    with pytest.raises(WavError, match="the file lasts 4000 seconds, at most 3600 are allowed"):
        load(path)


def uploaded(samples, rate, **how):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **how)
    file.seek(0)
    return convert(file)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [300, 1000, 3300])
def test_speech_band_survives_conversion_from_any_rate(rate, hertz):
    time = np.arange(rate) / rate
    heard = uploaded(0.5 * np.sin(2 * np.pi * hertz * time), rate, format="WAV", subtype="PCM_24")
    expected = 16_384 * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000)
    assert len(heard) == 8000
    difference = (heard - expected)[200:-200]
    assert np.sqrt((difference**2).mean()) < 16_384 / 2**0.5 * 0.003


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_what_8_khz_cannot_hold_does_not_come_back_as_something_else(rate):
    time = np.arange(rate) / rate
    heard = uploaded(0.5 * np.sin(2 * np.pi * 5000 * time), rate, format="FLAC")
    assert np.abs(heard[200:-200]).max() < 16


def test_stereo_is_mixed_and_other_formats_are_read():
    left, right = np.full(4000, 0.5), np.full(4000, -0.25)
    heard = uploaded(np.stack([left, right], 1), 8000, format="WAV", subtype="FLOAT")
    assert set(heard) == {4096}
    tone = 0.3 * np.sin(np.arange(16_000) / 5)
    assert len(uploaded(tone, 16_000, format="OGG", subtype="VORBIS")) == 8000


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", bytes(5000), riff(fmt(rate=0), DATA), riff(fmt(channels=9), DATA)]
)
def test_what_cannot_be_converted_is_refused(data):
    with pytest.raises(WavError):
        convert(io.BytesIO(data))
