"""T.38 in session descriptions: what crosses from leg to leg, and what is refused."""

import pytest

from sip.errors import SipError
from sip.offer_answer import relayed
from sip.sdp import SessionDescription
from sip.t38 import (
    FaxTarget,
    check_fax_answer,
    fax_alone,
    fax_target,
    is_fax_alone,
    with_fax,
)

HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = b"m=audio 4000 RTP/AVP 0\r\n"
NO_AUDIO = b"m=audio 0 RTP/AVP 0\r\n"
FAX = b"m=image 4400 udptl t38\r\n"
PLACE = {"origin_id": 7, "version": 1, "address": "198.51.100.9", "port": 20_001}


def read(*streams):
    return SessionDescription.parse(HEAD + b"".join(streams))


@pytest.mark.parametrize(
    ("streams", "alone"),
    [
        ((FAX,), True),
        ((NO_AUDIO, FAX), True),
        ((b"m=image 4400 UDPTL T38\r\n",), True),
        ((AUDIO, FAX), False),
        ((AUDIO,), False),
        ((b"m=image 0 udptl t38\r\n",), False),
        ((b"m=image 4400 TCP t38\r\n",), False),
        ((b"m=image 4400 RTP/AVP 98\r\n",), False),
    ],
)
def test_fax_in_the_place_of_sound(streams, alone):
    assert is_fax_alone(read(*streams)) is alone


def test_the_target_is_the_streams_own_address():
    own = FAX + b"c=IN IP4 192.0.2.44\r\n"
    assert fax_target(read(own)) == FaxTarget("192.0.2.44", 4400)
    assert fax_target(read(FAX)) == FaxTarget("192.0.2.1", 4400)
    assert fax_target(read(FAX + b"c=IN IP4 fax.example.org\r\n")) == FaxTarget("", 4400)
    assert fax_target(read(AUDIO)) is None


def test_attributes_of_t38_cross_as_they_were_written_and_others_dont():
    said = (
        b"a=T38FaxVersion:3\r\na=T38MaxBitRate:33600\r\na=T38FaxFillBitRemoval:0\r\n"
        b"a=T38FaxTranscodingMMR\r\na=t38FaxMaxBuffer:1800\r\na=T38VendorInfo:0 0 37\r\n"
        b"a=sendrecv\r\na=ptime:20\r\na=candidate:1 1 UDP 1 192.0.2.1 4400 typ host\r\n"
    )
    ours = fax_alone(read(NO_AUDIO, FAX + said), **PLACE)
    lines = bytes(ours).split(b"\r\n")
    assert b"c=IN IP4 198.51.100.9" in lines and b"192.0.2.1" not in bytes(ours)
    assert lines[lines.index(b"m=audio 0 RTP/AVP 0") + 1 :] == [
        b"m=image 20001 udptl t38",
        b"a=T38FaxVersion:3",
        b"a=T38MaxBitRate:33600",
        b"a=T38FaxFillBitRemoval:0",
        b"a=T38FaxTranscodingMMR",
        b"a=t38FaxMaxBuffer:1800",
        b"a=T38VendorInfo:0 0 37",
        b"a=sendrecv",
        b"",
    ]


def test_an_answer_keeps_the_places_of_its_offer():
    ours = fax_alone(read(FAX), **PLACE, answering=read(FAX, AUDIO))
    assert [(m.kind, m.port) for m in ours.media] == [("image", 20_001), ("audio", 0)]


def test_fax_beside_sound_has_its_own_port():
    heard = read(AUDIO, FAX)
    ours = with_fax(relayed(heard, **{**PLACE, "port": 20_000}), heard, 20_001)
    assert [(m.kind, m.port) for m in ours.media] == [("audio", 20_000), ("image", 20_001)]
    assert with_fax(ours, read(AUDIO), 20_001) is ours


def test_no_fax_is_488():
    with pytest.raises(SipError) as refused:
        fax_alone(read(AUDIO), **PLACE)
    assert refused.value.status == 488


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ((FAX,), (NO_AUDIO, FAX)),
        ((AUDIO, FAX), (FAX, AUDIO)),
        ((AUDIO,), (FAX,)),
        ((FAX,), (b"m=image 0 udptl t38\r\n",)),
    ],
)
def test_an_answer_to_something_else_is_488(offer, answer):
    with pytest.raises(SipError) as refused:
        check_fax_answer(read(*offer), read(*answer))
    assert refused.value.status == 488


def test_an_answer_to_the_offered_stream_is_right():
    check_fax_answer(read(AUDIO, FAX), read(NO_AUDIO, FAX))
    check_fax_answer(read(FAX), read(FAX))
