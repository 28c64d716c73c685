"""Sound for tests: made, written, and found again in what was recorded."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 8000
FRAME = 160
"""20 ms, what a packet carries."""


LEAD_SECONDS = 0.3
TRAIL_SECONDS = 0.6


def speech(seconds: float, seed: int) -> np.ndarray:
    """Noise in the band of speech, in syllables of changing loudness, between two silences.

    Unlike a tone it looks like itself at one place only, so that its place, gaps and repetitions
    can be seen. Another seed sounds different everywhere.
    """
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    voice = np.fft.irfft(spectrum, count)
    time = np.arange(count) / RATE
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time + rng.uniform(0, 6))
    signal = voice * syllables
    signal *= 6000 / np.sqrt((signal**2).mean())
    lead, trail = (np.zeros(int(seconds * RATE)) for seconds in (LEAD_SECONDS, TRAIL_SECONDS))
    return np.concatenate([lead, signal.clip(-32000, 32000), trail])


def wideband(samples: np.ndarray) -> np.ndarray:
    """The same sound, with 16,000 samples a second."""
    spectrum = np.fft.rfft(samples)
    return 2 * np.fft.irfft(np.pad(spectrum, (0, len(samples) // 2)), 2 * len(samples))


def delayed(samples: np.ndarray, by: float) -> np.ndarray:
    """The same sound, a part of a sample later."""
    spectrum = np.fft.rfft(samples)
    turned = np.exp(-2j * np.pi * by * np.arange(len(spectrum)) / len(samples))
    return np.fft.irfft(spectrum * turned, len(samples))


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


@dataclass(frozen=True)
class Match:
    """How what was heard lies upon what was said.

    Args:
        correlation: 1 for the same, near 0 for another sound.
        level_db: how much louder it is heard.
        gaps: frames of 20 ms that aren't as they were said.
        frames: those that were compared.
        coded_once: each value of a sample is always heard as the same one, which its coding has
            made of it: nothing on the way has made it anew.
    """

    correlation: float
    level_db: float
    gaps: int
    frames: int
    coded_once: bool


def match(said: np.ndarray, heard: np.ndarray) -> Match:
    """Find what was said in what was heard, and compare frame by frame."""
    size = 1 << (len(said) + len(heard) - 1).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    lag = int(np.fft.irfft(product, size).argmax())
    if lag > size // 2:
        lag -= size
    heard = heard[lag:] if lag > 0 else np.concatenate([np.zeros(-lag), heard])
    heard = np.pad(heard, (0, max(0, len(said) - len(heard))))[: len(said)]
    loud = _power(said)
    correlation = float((said * heard).sum() / np.sqrt(_power(heard) * loud + 1e-9))
    level = 10 * np.log10((_power(heard) + 1e-9) / loud)
    pairs = [
        (said[start : start + FRAME], heard[start : start + FRAME])
        for start in range(0, len(said) - FRAME + 1, FRAME)
        if _power(said[start : start + FRAME]) > 1000.0 * FRAME
    ]
    frames = [_like(*pair) for pair in pairs]
    coded_once = _always_the_same(*map(np.concatenate, zip(*pairs, strict=True)))
    return Match(correlation, float(level), frames.count(False), len(frames), coded_once)


def _always_the_same(said: np.ndarray, heard: np.ndarray) -> bool:
    """Whether what is heard follows from what is said, sample by sample."""
    pairs = np.unique(np.stack([said, heard]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1]


def _power(samples: np.ndarray) -> float:
    return float((samples**2).sum())


def _like(said: np.ndarray, heard: np.ndarray) -> bool:
    """The same frame, but for the rounding of G.711 (35 dB below the signal)."""
    return _power(said - heard) < 0.01 * _power(said)


def tone(folder: Path, hertz: float, seconds: float = 60.0) -> Path:
    """A WAV file in the folder with a tone."""
    at = np.arange(int(seconds * RATE)) / RATE
    return write_wav(folder / f"{hertz}.wav", np.rint(8000 * np.sin(2 * np.pi * hertz * at)))


def loudest(path: Path) -> float:
    """The loudest frequency of the last second but one of a recording, in Hz."""
    last = read_wav(path)[-2 * RATE : -RATE]
    power = np.abs(np.fft.rfft(last * np.hanning(len(last)))) ** 2
    return float(power.argmax() * RATE / len(last))
