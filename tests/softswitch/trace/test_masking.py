"""Messages as others may see them: no secret, and every length as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import digest
from sip.digest import Algorithm, ha1
from softswitch.trace.masking import mask

HEAD = b"INVITE sip:+995322000002@example.org SIP/2.0\r\nCall-ID: c\r\n"
RESPONSE = b"6629fae49393a05397450978507c4ef1"


def masked(fields: bytes, body: bytes = b"", start: bytes = HEAD) -> bytes:
    message = start + fields + b"\r\n\r\n" + body
    result = mask(message)
    assert len(result) == len(message)
    return result


@pytest.mark.parametrize(
    "fields",
    [
        b'Authorization: Digest username="ana", realm="r", nonce="n", response="%s"',
        b'authorization : digest username="ana", RESPONSE = "%s", nonce="n"',
        b"Proxy-Authorization: Digest response=%s,nonce=n",
        b'Proxy-Authorization: Digest username="ana",\r\n response="%s"',
        b'Proxy-Authorization: Digest username="ana", response\r\n =\r\n "%s"',
        b'Authorization: Digest cnonce="%s", qop=auth',
        b'Authentication-Info: rspauth="%s", qop=auth',
        b'Authorization: Digest response="%s',
        b'Authorization: Digest response="\\"%s", username="ana"',
        b"Authorization: Basic %s",
        b"Authorization: Bearer  %s",
        b"Proxy-Authorization:\r\n Basic %s",
        b"Contact: <sip:ana:%s@198.51.100.1>",
        b"X-Any: password=%s",
    ],
)
def test_what_proves_a_password_is_not_shown(fields):
    result = masked(fields % RESPONSE)
    assert RESPONSE not in result and b"x" * len(RESPONSE) in result


def test_the_rest_of_a_field_stays_readable():
    result = masked(b'Authorization: Digest username="ana", nonce="n1", response="%s", uri="sip:x"'
                    % RESPONSE)  # fmt: skip
    assert b'username="ana", nonce="n1", response="' in result
    assert result.endswith(b'", uri="sip:x"\r\n\r\n')


def test_answers_of_our_own_stack_are_covered():
    for algorithm in Algorithm:
        challenge = b'Digest realm="r", nonce="n", qop="auth", algorithm=%s' % (
            algorithm.value.encode()
        )
        value = digest.answer([challenge], "ana", "pa55word", "INVITE", b"sip:x", cnonce="c0ffee11")
        given = digest.Credentials.parse(value)
        result = masked(b"Authorization: " + value)
        secret = ha1(algorithm, "ana", "r", "pa55word")
        for word in (given.response, given.cnonce, secret, "pa55word"):
            assert word.encode() not in result


@pytest.mark.parametrize(
    "line",
    [
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s|2^20|1:4",
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s",
        b"a=crypto:2 F8_128_HMAC_SHA1_80 inline:abcd|2^20|1:4;inline:%s|2^20|2:4",
        b"A=CRYPTO:1 AES_CM_128_HMAC_SHA1_80 INLINE:%s",
        b"k=base64:%s",
        b"k=clear:%s",
        b"a=key-mgmt:mikey %s",
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b""])
def test_keys_of_media_are_not_shown(line, end):
    key = b"d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
    body = b"v=0\r\nm=audio 4000 RTP/SAVP 0" + (end or b"\r\n") + line % key + end
    result = masked(b"Content-Type: application/sdp", body)
    assert key not in result and b"m=audio 4000 RTP/SAVP 0" in result


def test_words_and_keys_pressed_are_nobodys_business():
    text = masked(b"Content-Type: text/plain", b"meet me at 5\r\nB.", b"MESSAGE sip:x SIP/2.0\r\n")
    assert text.endswith(b"\r\n\r\nxxxxxxxxxxxx\r\nxx")
    info = b"INFO sip:x SIP/2.0\r\n"
    assert masked(b"c: d", b"Signal=7\r\nDuration=160\r\n", info).endswith(
        b"Signal=x\r\nDuration=160\r\n"
    )
    assert masked(b"c: d", b"7", info).endswith(b"\r\n\r\nx")


def test_what_has_no_secret_stays_as_it_is():
    message = HEAD + (
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"Contact: <sip:10.0.0.1:5060;transport=tcp>, <sip:ana@host:5080>\r\n"
        b'WWW-Authenticate: Digest realm="r", nonce="abc", qop="auth"\r\n\r\n'
        b"v=0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
    assert mask(message) == message


@given(st.binary(max_size=400))
def test_anything_keeps_its_length(data):
    assert len(mask(data)) == len(data)
    assert len(mask(HEAD + data)) == len(HEAD + data)


@given(st.binary(min_size=1, max_size=60).filter(lambda b: b"\r" not in b and b"\n" not in b))
def test_a_quoted_response_is_never_shown(noise):
    result = mask(HEAD + b'Authorization: Digest a="' + noise.replace(b'"', b"") + b'", response="'
                  + RESPONSE + b'"\r\n\r\n')  # fmt: skip
    assert RESPONSE not in result


def test_no_input_takes_long():
    import time

    pieces = (b'response="', b"authorization:", b"sip:a:", b"sip:", b"inline:", b"k=",
              b"a=key-mgmt:", b"\\", b" \t", b"authorization: x ", b"sip:" + b"a" * 50,
              b"\r\nk=", b"\r\nsignal=", b"\r\n \t", b"response ", b"password = ",
              b"authorization:  ", b'response="\\')  # fmt: skip
    for piece in pieces:
        hostile = HEAD + piece * (65_000 // len(piece))
        for data in (hostile, HEAD + b"\r\n" + hostile, b"INFO x\r\n\r\n" + hostile):
            started = time.process_time()
            mask(data[:65_000])
            assert time.process_time() - started < 0.1, piece
