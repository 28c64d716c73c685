"""a=crypto, read strictly."""

import base64

import pytest

from sip.offer_answer import audio_of, media_target
from sip.sdes import MAX_LINES, SUITES, Crypto, attribute, cryptos
from sip.sdp import SessionDescription

KEY = bytes(range(30))
INLINE = base64.b64encode(KEY).decode()
SUITE = "AES_CM_128_HMAC_SHA1_80"


def read(*values):
    return cryptos(tuple(("crypto", value) for value in values))


@pytest.mark.parametrize("suite", SUITES)
def test_what_we_write_is_what_we_read(suite):
    key = bytes(range(SUITES[suite]))
    assert cryptos((attribute("7", suite, key),)) == (Crypto("7", suite, key),)


@pytest.mark.parametrize(
    "value",
    [
        f"1 {SUITE} inline:{INLINE}",
        f"1 {SUITE} inline:{INLINE}|2^20",
        f"1 {SUITE} inline:{INLINE}|1048576",
        f"1 {SUITE} inline:{INLINE} WSH=128",
        f"1  {SUITE}  inline:{INLINE}|2^31 ",
    ],
)
def test_lines_that_can_be_used(value):
    assert read(value) == (Crypto("1", SUITE, KEY),)


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"{SUITE} inline:{INLINE}",
        f"x {SUITE} inline:{INLINE}",
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{INLINE}",
        f"1 {SUITE} inline:{INLINE[:-4]}",
        f"1 {SUITE} inline:{INLINE}AAAA",
        f"1 {SUITE} inline:{INLINE[:-1]}=",
        f"1 {SUITE} inline:{INLINE}|2^20|1:4",
        f"1 {SUITE} inline:{INLINE} UNENCRYPTED_SRTP",
        f"1 {SUITE} inline:{INLINE} KDR=1",
        f"1 {SUITE} inline:{INLINE};inline:{INLINE}",
        f"1 {SUITE} inline:{'A' * 5000}",
    ],
)
def test_lines_that_cannot_be_used_are_passed_over(value):
    good = f"2 {SUITE} inline:{INLINE}"
    assert read(value, good) == (Crypto("2", SUITE, KEY),)


def test_lines_are_bounded():
    assert len(read(*[f"1 {SUITE} inline:{INLINE}"] * 100)) == MAX_LINES


def test_a_key_is_never_shown():
    (crypto,) = read(f"1 {SUITE} inline:{INLINE}")
    assert INLINE not in repr(crypto) and repr(KEY) not in repr(crypto)


def described(protocol, *lines):
    audio = "".join(f"a=crypto:{line}\r\n" for line in lines)
    return SessionDescription.parse(
        f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        f"m=audio 4000 {protocol} 0\r\n{audio}".encode()
    )


def test_a_secure_stream_without_a_key_that_we_can_use_is_none_for_us():
    assert audio_of(described("RTP/SAVP")) is None
    assert audio_of(described("RTP/SAVP", f"1 {SUITE} inline:{INLINE}")) == 0
    assert audio_of(described("RTP/AVP", "nonsense")) == 0


def test_a_stream_that_can_do_both_says_so_in_plain_rtp():
    target = media_target(described("RTP/AVP", f"1 {SUITE} inline:{INLINE}"))
    assert (target.protocol, [c.suite for c in target.cryptos]) == ("RTP/AVP", [SUITE])
