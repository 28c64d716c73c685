"""Keys in INFO, as phones write them."""

import pytest

from softswitch.call.media.keys import key_in, relay_body, way_of

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


@pytest.mark.parametrize("policy", ["auto", "rfc4733", "info", "inband"])
@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("takes_info", [True, False])
def test_how_a_leg_hears_of_keys(policy, events, takes_info):
    expected = {
        "info": "info",
        "inband": "tone",
        "rfc4733": "event" if events else "tone",
        "auto": "event" if events else ("info" if takes_info else "tone"),
    }
    assert way_of(policy, events=events, takes_info=takes_info) == expected[policy]


@pytest.mark.parametrize("key", "0123456789*#ABCD")
def test_what_we_write_of_a_key_is_read_as_that_key(key):
    assert key_in(RELAY, relay_body(key, 160)) == key
