"""PINs: which are taken, and how they are kept."""

import pytest

from softswitch.subscribers import pins

SALT = bytes(range(16))


@pytest.mark.parametrize("pin", ["4711", "0815", "90210", "8675309", "13579135"])
def test_a_pin_that_may_be_chosen(pin):
    pins.check_strength(pin, "+995322000001")


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("", "4 to 8"), ("123", "4 to 8"), ("12345678901", "4 to 8"), ("12a4", "4 to 8"),
        ("١٢٣٥", "4 to 8"), ("7777", "guessed"), ("1234", "guessed"), ("7890", "guessed"),
        ("8765", "guessed"), ("0001", "end of the line's number"),
    ],
)  # fmt: skip
def test_a_pin_that_may_not(pin, why):
    with pytest.raises(pins.WeakPin, match=why):
        pins.check_strength(pin, "+995322000001")


def test_what_is_kept_tells_nothing_and_fits_one_pin():
    kept = pins.hashed("4711", SALT)
    assert "4711" not in kept
    assert pins.fits("4711", kept)
    assert not pins.fits("4712", kept)
    assert pins.hashed("4711", bytes(16)) != kept
