"""Keys in INFO, as phones write them."""

import pytest

from softswitch.call.keys import key_in

RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"


@pytest.mark.parametrize(
    ("content_type", "body", "key"),
    [
        (RELAY, b"Signal=5\r\nDuration=160\r\n", "5"),
        (RELAY, b"Signal= *\r\nDuration= 250", "*"),
        (RELAY, b"Duration=100\nsignal=#", "#"),
        (RELAY, b"Signal=11\r\nDuration=160\r\n", "#"),
        (RELAY, b"Signal=d\r\n", "D"),
        (PLAIN, b"7", "7"),
        (PLAIN, b" 10\r\n", "*"),
        (RELAY, b"", None),
        (RELAY, b"Signal=\xd9\xa3\r\n", None),
        (RELAY, b"Signal=16\r\n", None),
        (RELAY, b"Signal=555\r\n", None),
        (RELAY, b"NoSignal=5\r\n", None),
        (PLAIN, b"Signal=5", None),
        (PLAIN, b"5" + b" " * 600, None),
        ("text/plain", b"5", None),
    ],
)
def test_a_key_is_read(content_type, body, key):
    assert key_in(content_type, body) == key
