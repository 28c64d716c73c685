"""What the switch says in SDP where it talks itself."""

import pytest

from sip.errors import SipError
from sip.offer_answer import Codec, media_target
from sip.own_description import answer, offer
from sip.sdp import SessionDescription

OURS = {"origin_id": 7, "version": 1, "address": "192.0.2.1", "port": 20_000}
LAWS = (Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000))
OPUS = Codec(111, "OPUS", 48_000, 2, "maxplaybackrate=8000;useinbandfec=1")


def offered(formats, *attributes, more=""):
    lines = ["v=0", "o=- 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0"]
    lines += [f"m=audio 4000 RTP/AVP {formats}", *(f"a={value}" for value in attributes)]
    text = "\r\n".join(lines) + "\r\n" + more
    return SessionDescription.parse(text.encode())


def answered(*args, **more):
    description, codec = answer(offered(*args, **more), LAWS, **OURS)
    return media_target(SessionDescription.parse(bytes(description))), codec


def test_the_callers_first_codec_that_we_speak_is_chosen_and_no_other():
    target, codec = answered("9 8 0 101", "rtpmap:101 telephone-event/8000", "ptime:30")
    assert codec.name == "PCMA"
    assert [(c.payload_type, c.name) for c in target.codecs] == [
        (8, "PCMA"),
        (101, "TELEPHONE-EVENT"),
    ]
    assert (target.address, target.rtp_port, target.direction) == ("192.0.2.1", 20_000, "sendrecv")


def test_keys_have_the_payload_type_that_the_caller_gave_them():
    target, _ = answered("0 96", "rtpmap:96 telephone-event/8000")
    assert target.codecs[1] == Codec(96, "TELEPHONE-EVENT", 8000, 1, "0-15")


def test_keys_of_another_clock_are_not_taken():
    target, _ = answered("0 96", "rtpmap:96 telephone-event/48000")
    assert [c.name for c in target.codecs] == ["PCMU"]


def opus_answered(*events):
    numbers = " ".join(event.split()[0] for event in events)
    lines = [f"rtpmap:{event}" for event in events]
    description, _ = answer(
        offered(f"96 {numbers}", "rtpmap:96 opus/48000/2", "fmtp:96 stereo=1", *lines),
        (*LAWS, OPUS),
        **OURS,
    )
    return description.media[0]


def test_opus_is_answered_under_the_callers_number_with_what_we_wish_ourselves():
    audio = opus_answered("97 telephone-event/8000", "98 telephone-event/48000")
    assert audio.formats == ("96", "98")
    assert [value for name, value in audio.attributes if name in ("rtpmap", "fmtp")] == [
        "96 opus/48000/2",
        "96 maxplaybackrate=8000;useinbandfec=1",
        "98 telephone-event/48000",
        "98 0-15",
    ]


def test_keys_of_8_khz_beside_opus_are_taken_if_there_are_no_others():
    assert opus_answered("97 telephone-event/8000").formats == ("96", "97")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
        ("sendrecv", "sendrecv"),
    ],
)
def test_the_direction_is_mirrored(theirs, ours):
    assert answered("0", theirs)[0].direction == ours


def test_other_streams_keep_their_places_and_are_refused():
    video = "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    description, _ = answer(offered("0", more=video), LAWS, **OURS)
    assert [(media.kind, media.port) for media in description.media] == [
        ("audio", 20_000),
        ("video", 0),
    ]


def test_nothing_in_common_is_488():
    with pytest.raises(SipError) as refused:
        answered("9 18")
    assert refused.value.status == 488


def test_our_own_offer_names_all_that_we_speak():
    events = Codec(101, "TELEPHONE-EVENT", 8000, 1, "0-15")
    target = media_target(SessionDescription.parse(bytes(offer([*LAWS, events], **OURS))))
    assert [c.payload_type for c in target.codecs] == [0, 8, 101]
    assert target.direction == "sendrecv"


@pytest.mark.parametrize(("said", "packet_ms"), [("30", 30), ("x", 20), ("0", 20), ("99999", 20)])
def test_packet_length_is_read(said, packet_ms):
    assert media_target(offered("0", f"ptime:{said}")).packet_ms == packet_ms
