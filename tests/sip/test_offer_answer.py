"""What one leg's description becomes for the other (RFC 3264)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sdp import WHOLE, descriptions

from sip.errors import SipError
from sip.offer_answer import (
    Codec,
    check_answer,
    codecs,
    keep_removed,
    media_target,
    numbered_as,
    relayed,
    share_codec,
)
from sip.sdp import SessionDescription


def described(
    *media: bytes, address: bytes = b"192.0.2.1", session: bytes = b""
) -> SessionDescription:
    head = b"v=0\r\no=- 5 6 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n" % (address, address)
    return SessionDescription.parse(head + session + b"".join(line + b"\r\n" for line in media))


def ours(heard: SessionDescription, **more) -> SessionDescription:
    """Our description for the other leg, at 203.0.113.5:20000."""
    given = {"origin_id": 7, "version": 3, "address": "203.0.113.5", "port": 20000, **more}
    made = relayed(heard, **given)
    assert SessionDescription.parse(bytes(made)) == made
    return made


AUDIO = b"m=audio 4000 RTP/AVP 0 8 101"
EVENTS = b"a=rtpmap:101 telephone-event/8000"


def test_codecs_cross_and_everything_else_is_ours():
    heard = described(
        AUDIO, b"i=mine", b"b=AS:64", EVENTS, b"a=fmtp:101 0-15", b"a=ptime:30", b"a=maxptime:60",
        b"a=rtcp:4005", b"a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host", b"a=ssrc:1 cname:x",
        b"a=crypto:1 X inline:secret", b"a=sendonly", session=b"a=tool:x\r\na=group:BUNDLE 0\r\n",
    )  # fmt: skip
    made = ours(heard)
    assert (made.origin.username, made.origin.session_id, made.origin.version) == ("-", "7", "3")
    assert (made.origin.address, made.connection.address) == ("203.0.113.5", "203.0.113.5")
    assert made.attributes == () and made.other == ()
    (audio,) = made.media
    assert (audio.port, audio.protocol, audio.formats) == (20000, "RTP/AVP", ("0", "8", "101"))
    assert audio.attributes == (
        ("rtpmap", "101 telephone-event/8000"), ("fmtp", "101 0-15"), ("ptime", "30"),
        ("maxptime", "60"), ("sendonly", None),
    )  # fmt: skip
    assert b"192.0.2.1" not in bytes(made) and b"secret" not in bytes(made)


@pytest.mark.parametrize("direction", ["sendrecv", "sendonly", "recvonly", "inactive"])
@pytest.mark.parametrize("level", ["stream", "session"])
def test_a_direction_crosses_from_either_place(direction, level):
    line = b"a=" + direction.encode()
    heard = (
        described(AUDIO, line) if level == "stream" else described(AUDIO, session=line + b"\r\n")
    )
    assert media_target(heard).direction == direction
    assert ours(heard).media[0].direction == direction
    assert ours(heard, hold_direction="inactive").media[0].direction == "inactive"


@pytest.mark.parametrize("address", [b"0.0.0.0", b"::", b"0:0:0:0:0:0:0:0", b"0::0"])
def test_the_old_way_of_hold_never_crosses_as_an_address(address):
    heard = described(AUDIO, address=address)
    target = media_target(heard)
    assert (target.address, target.direction) == ("", "inactive")
    made = ours(heard)
    assert made.media[0].direction == "inactive"
    assert address not in bytes(made) and b"203.0.113.5" in bytes(made)


@pytest.mark.parametrize(
    "address", [b"host.example.org", b"255.255.255.255", b"224.2.1.1", b"ff02::1", b"fe80::1%eth0"]
)
def test_sound_is_never_sent_to_a_name_a_group_or_everybody(address):
    target = media_target(described(AUDIO, address=address))
    assert (target.address, target.direction) == ("", "sendrecv")


def test_refused_streams_keep_their_place_with_port_0():
    heard = described(
        b"m=video 6000 RTP/AVP 31 34", b"a=rtpmap:31 H261/90000", b"m=audio 0 RTP/AVP 0",
        b"m=audio 5000 RTP/SAVP 0", AUDIO, b"m=audio 4100 RTP/AVP 8", b"m=image 4200 udptl t38",
        b"a=T38FaxVersion:0", b"m=application 9 TCP/WSS/BFCP *",
    )  # fmt: skip
    made = ours(heard)
    assert [(m.kind, m.port, m.protocol) for m in made.media] == [
        ("video", 0, "RTP/AVP"), ("audio", 0, "RTP/AVP"), ("audio", 0, "RTP/SAVP"),
        ("audio", 20000, "RTP/AVP"), ("audio", 0, "RTP/AVP"), ("image", 0, "udptl"),
        ("application", 0, "TCP/WSS/BFCP"),
    ]  # fmt: skip
    assert [m.formats for m in made.media if not m.port] == [
        ("31",), ("0",), ("0",), ("8",), ("t38",), ("*",),
    ]  # fmt: skip
    assert all(m.attributes == () for m in made.media if not m.port)


@pytest.mark.parametrize(
    "media",
    [
        (), (b"m=audio 0 RTP/AVP 0",), (b"m=video 6000 RTP/AVP 31",), (b"m=image 4200 udptl t38",),
        (b"m=audio 4000 RTP/SAVP 0",),
    ],
)  # fmt: skip
def test_without_sound_that_we_could_relay_it_is_488(media):
    assert media_target(described(*media)) is None
    with pytest.raises(SipError) as caught:
        ours(described(*media))
    assert caught.value.status == 488


def test_only_allowed_codecs_cross():
    heard = described(b"m=audio 4000 RTP/AVP 9 0 8 101", EVENTS, b"a=fmtp:101 0-15", b"a=fmtp:9 x")
    made = ours(heard, allowed=frozenset({"PCMA", "TELEPHONE-EVENT"}))
    assert made.media[0].formats == ("8", "101")
    assert ("fmtp", "9 x") not in made.media[0].attributes
    with pytest.raises(SipError) as caught:
        ours(heard, allowed=frozenset({"OPUS"}))
    assert caught.value.status == 488


def test_codecs_by_number_and_by_map():
    (stream,) = described(
        b"m=audio 4000 RTP/AVP 0 9 96 97 101 18 99", b"a=rtpmap:96 opus/48000/2",
        b"a=rtpmap:97 iLBC/8000", b"a=rtpmap:101 telephone-event/8000", b"a=fmtp:101 0-16",
        b"a=rtpmap:0 PCMU/8000", b"a=fmtp:18 annexb=no", b"a=rtpmap:99 broken",
        b"a=rtpmap:97 second/1", b"a=rtpmap", b"a=fmtp:96",
    ).media  # fmt: skip
    assert codecs(stream) == (
        Codec(0, "PCMU", 8000), Codec(9, "G722", 8000), Codec(96, "OPUS", 48000, 2, ""),
        Codec(97, "ILBC", 8000), Codec(101, "TELEPHONE-EVENT", 8000, 1, "0-16"),
        Codec(18, "G729", 8000, 1, "annexb=no"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"a=rtpmap:96 x/99999999999", b"a=rtpmap:96 x/-1", b"a=rtpmap:96 x/8000/0x2",
        b"a=rtpmap:96 /8000", b"a=rtpmap:96 x/\xd9\xa3", b"a=rtpmap:96 \xff/8000",
        b"a=rtpmap:96 " + b"x" * 33 + b"/8000", b"a=rtpmap:96", b"a=rtpmap:96 x",
        b"a=rtpmap:96 x/",
    ],
)  # fmt: skip
def test_a_map_that_cant_be_read_is_no_codec(line):
    assert codecs(described(b"m=audio 4000 RTP/AVP 96 200", line).media[0]) == ()


@pytest.mark.parametrize(
    ("lines", "rtcp", "mux"),
    [
        ((), 4001, False),
        ((b"a=rtcp:4007 IN IP4 192.0.2.9",), 4007, False),
        ((b"a=rtcp:99999",), 4001, False),
        ((b"a=rtcp:x",), 4001, False),
        ((b"a=rtcp-mux",), 4000, True),
        ((b"a=rtcp:4007", b"a=rtcp-mux"), 4000, True),
    ],
)
def test_where_rtcp_goes(lines, rtcp, mux):
    target = media_target(described(AUDIO, *lines))
    assert (target.rtp_port, target.rtcp_port, target.rtcp_mux) == (4000, rtcp, mux)


def test_the_telephone_event_type_is_the_one_that_this_leg_names():
    a = described(b"m=audio 4000 RTP/AVP 0 96", b"a=rtpmap:96 telephone-event/8000")
    b = described(b"m=audio 4000 RTP/AVP 0 101", EVENTS)
    for heard, payload_type in ((a, 96), (b, 101)):
        events = [c for c in media_target(heard).codecs if c.name == "TELEPHONE-EVENT"]
        assert [event.payload_type for event in events] == [payload_type]
        assert ours(heard).media[0].formats == ("0", str(payload_type))


# Answers


OFFER = described(b"m=audio 4000 RTP/AVP 0 8 101", EVENTS, b"m=video 6000 RTP/AVP 31")


@pytest.mark.parametrize(
    "media",
    [
        (b"m=audio 5000 RTP/AVP 8", b"m=video 0 RTP/AVP 31"),
        (b"m=audio 5000 RTP/AVP 96", b"a=rtpmap:96 pcma/8000", b"m=video 0 RTP/AVP 31"),
        (b"m=audio 5000 RTP/AVP 0",),  # some forget the streams that they refuse
    ],
)
def test_answers_that_fit(media):
    check_answer(OFFER, described(*media))


@pytest.mark.parametrize(
    "media",
    [
        (),
        (b"m=audio 0 RTP/AVP 0", b"m=video 0 RTP/AVP 31"),
        (b"m=audio 5000 RTP/AVP 3", b"m=video 0 RTP/AVP 31"),
        (b"m=audio 5000 RTP/AVP 96", b"a=rtpmap:96 PCMA/16000", b"m=video 0 RTP/AVP 31"),
        (b"m=video 0 RTP/AVP 31", b"m=audio 5000 RTP/AVP 0"),
        (b"m=audio 5000 RTP/AVP 0", b"m=video 0 RTP/AVP 31", b"m=audio 0 RTP/AVP 0"),
        (b"m=audio 5000 RTP/SAVP 0", b"m=video 0 RTP/AVP 31"),
    ],
)
def test_answers_that_dont(media):
    with pytest.raises(SipError) as caught:
        check_answer(OFFER, described(*media))
    assert caught.value.status == 488


def test_an_answer_takes_the_stream_that_was_offered_not_another_one():
    two = described(AUDIO, b"m=audio 4100 RTP/AVP 0")
    check_answer(two, described(b"m=audio 5000 RTP/AVP 0", b"m=audio 0 RTP/AVP 0"))
    with pytest.raises(SipError):
        check_answer(two, described(b"m=audio 0 RTP/AVP 0", b"m=audio 5000 RTP/AVP 0"))


def test_streams_that_an_answer_forgot_are_refused_in_ours():
    short = described(b"m=audio 5000 RTP/AVP 0")
    made = ours(short, answering=OFFER)
    assert [(m.kind, m.port) for m in made.media] == [("audio", 20000), ("video", 0)]


# Whatever comes


@given(descriptions)
def test_our_description_never_says_nowhere_and_has_one_live_stream(heard):
    if media_target(heard) is None:
        return  # 488, as above
    made = ours(heard)
    assert len(made.media) == len(heard.media)
    assert sum(m.port != 0 for m in made.media) == 1
    addresses = {made.address_of(m) for m in made.media} | {made.origin.address}
    assert addresses == {"203.0.113.5"}
    for stream in made.media:
        assert sum(value is None for _, value in stream.attributes) <= 1


@given(st.binary(max_size=30).map(lambda b: b.translate(None, b"\r\n\0")))
def test_no_attribute_of_theirs_adds_a_line_of_ours(noise):
    heard = SessionDescription.parse(WHOLE + b"a=fmtp:0 " + noise + b"\r\na=rtpmap:0 " + noise)
    assert bytes(ours(heard)).count(b"\r\n") == bytes(ours(heard)).count(b"\n")
    assert [line[:2] for line in bytes(ours(heard)).split(b"\r\n")].count(b"m=") == 1


def test_damaged_attributes_and_formats_that_they_should_explain_do_not_cross():
    heard = described(
        b"m=audio 4000 RTP/AVP 0 101 97 98", b"a=rtpmap:101", b"a=fmtp:101", b"a=rtpmap:97 x/y",
        b"a=fmtp:97 mode=20", b"a=fmtp:0", b"a=rtpmap:0 PCMU", b"a=ptime", b"a=ptime:x",
        b"a=maxptime:0", b"a=rtpmap", b"a=rtpmap:98 iLBC/8000", b"a=rtpmap:98 GSM/8000",
        b"a=fmtp:98 mode=30", b"a=fmtp:98 mode=20",
    )  # fmt: skip
    (audio,) = ours(heard).media
    assert audio.formats == ("0", "98")
    assert audio.attributes == (
        ("rtpmap", "98 iLBC/8000"), ("fmtp", "98 mode=30"), ("sendrecv", None),
    )  # fmt: skip


def test_a_map_with_more_than_one_blank_crosses_with_one():
    heard = described(AUDIO, b"a=rtpmap:101 \t telephone-event/8000 ", b"a=fmtp:101\t0-15")
    assert ours(heard).media[0].attributes == (
        ("rtpmap", "101 telephone-event/8000"), ("fmtp", "101 0-15"), ("sendrecv", None),
    )  # fmt: skip


@pytest.mark.parametrize("profile", [b"RTP/AVPF", b"rtp/avp", b"Rtp/AvpF"])
def test_a_profile_with_feedback_is_spoken_as_the_plain_one(profile):
    heard = described(b"m=audio 4000 %s 0" % profile, b"a=rtcp-fb:* trr-int 5000")
    made = ours(heard)
    assert (made.media[0].protocol, made.media[0].attributes) == ("RTP/AVP", (("sendrecv", None),))
    assert media_target(heard).protocol == profile.decode()


@pytest.mark.parametrize(
    "profile", [b"UDP/TLS/RTP/SAVPF", b"UDP/TLS/RTP/SAVP", b"RTP/SAVPF", b"TCP/RTP/AVP"]
)
def test_profiles_without_keys_that_we_have_are_refused(profile):
    assert media_target(described(b"m=audio 4000 %s 0" % profile)) is None


EVENT_CODEC = Codec(101, "TELEPHONE-EVENT", 8000, 1, "0-15")


def test_a_stream_removed_by_port_0_puts_the_other_leg_on_hold_and_is_answered_by_port_0():
    offer = keep_removed(
        described(b"m=audio 0 RTP/AVP 0", b"m=video 0 RTP/AVP 31"),
        [Codec(8, "PCMA", 8000), EVENT_CODEC],
    )
    target = media_target(offer)
    assert (target.rtp_port, target.rtcp_port, target.direction) == (0, 0, "inactive")
    made = ours(offer)
    assert (made.media[0].port, made.media[0].formats) == (20000, ("8", "101"))
    assert made.media[0].attributes[-1] == ("inactive", None)
    answer = described(b"m=audio 5000 RTP/AVP 8", b"a=inactive", b"m=video 0 RTP/AVP 31")
    check_answer(offer, answer)
    answered = ours(answer, answering=offer)
    assert [(stream.kind, stream.port) for stream in answered.media] == [("audio", 0), ("video", 0)]


@pytest.mark.parametrize(
    "media", [(AUDIO,), (b"m=video 0 RTP/AVP 31",), (b"m=audio 0 UDP/TLS/RTP/SAVPF 0",)]
)
def test_no_other_stream_counts_as_removed(media):
    description = described(*media)
    assert keep_removed(description, [Codec(0, "PCMU", 8000)]) is description
    removed = described(b"m=audio 0 RTP/AVP 0")
    assert keep_removed(removed, []) is removed  # nothing was there before


GATEWAY = described(
    b"m=audio 4000 RTP/AVP 118 97 98", b"a=rtpmap:118 PCMU/8000",
    b"a=rtpmap:97 telephone-event/8000", b"a=fmtp:97 0-15", b"a=rtpmap:98 CN/8000",
)  # fmt: skip


def test_an_answer_by_other_numbers_is_passed_on_by_those_of_its_offer():
    answer = described(
        b"m=audio 5000 RTP/AVP 0 8 101 13", EVENTS, b"a=fmtp:101 0-16", b"a=ptime:30", b"a=recvonly"
    )
    (audio,) = ours(numbered_as(answer, GATEWAY), answering=GATEWAY).media
    assert audio.formats == ("118", "97", "98")  # and no 8, which wasn't offered
    assert audio.attributes == (
        ("rtpmap", "97 telephone-event/8000"), ("fmtp", "97 0-16"), ("ptime", "30"),
        ("rtpmap", "118 PCMU/8000"), ("rtpmap", "98 CN/8000"), ("recvonly", None),
    )  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        (
            b"m=audio 5000 RTP/AVP 118 97", b"a=rtpmap:118 PCMU/8000",
            b"a=rtpmap:97 telephone-event/8000",
        ),
        (b"m=audio 5000 RTP/AVP 18",),  # nothing of it was offered, which is refused elsewhere
    ],
)  # fmt: skip
def test_an_answer_by_the_numbers_of_its_offer_is_passed_on_as_it_is(answer):
    answer = described(*answer)
    assert numbered_as(answer, GATEWAY) is answer


def test_redundancy_is_left_out_of_an_answer_that_is_renumbered():
    offer = described(
        b"m=audio 4000 RTP/AVP 100 111", b"a=rtpmap:111 opus/48000/2", b"a=rtpmap:100 red/48000/2",
        b"a=fmtp:100 111/111",
    )  # fmt: skip
    same = described(
        b"m=audio 5000 RTP/AVP 100 111", b"a=rtpmap:111 opus/48000/2", b"a=rtpmap:100 red/48000/2",
        b"a=fmtp:100 111/111",
    )  # fmt: skip
    assert numbered_as(same, offer) is same
    other = described(
        b"m=audio 5000 RTP/AVP 101 112", b"a=rtpmap:112 opus/48000/2", b"a=rtpmap:101 red/48000/2",
        b"a=fmtp:101 112/112",
    )  # fmt: skip
    (audio,) = ours(numbered_as(other, offer), answering=offer).media
    assert audio.formats == ("111",)
    assert audio.attributes == (("rtpmap", "111 opus/48000/2"), ("sendrecv", None))


def test_redundancy_alone_is_no_codec_in_common():
    red, pcmu, pcma = Codec(100, "RED", 8000), Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000)
    assert not share_codec((red, pcmu), (red, pcma))


payload_types = st.integers(0, 127)
names = st.sampled_from(["PCMU", "PCMA", "opus", "telephone-event", "CN", "red", "AMR"])
maps = st.dictionaries(payload_types, names, min_size=1, max_size=6)


@given(maps, maps)
def test_whatever_was_answered_each_number_of_the_renumbered_answer_means_what_the_offer_says(
    offered, answered
):
    def audio(numbers):
        lines = [f"a=rtpmap:{number} {name}/8000".encode() for number, name in numbers.items()]
        formats = " ".join(map(str, numbers))
        return described(f"m=audio 4000 RTP/AVP {formats}".encode(), *lines)

    offer, answer = audio(offered), audio(answered)
    made = numbered_as(answer, offer)
    if made is answer:
        return  # by the numbers of the offer, or nothing of the offer
    meanings = {(codec.payload_type, codec.name) for codec in codecs(offer.media[0])}
    renumbered = codecs(made.media[0])
    assert {(codec.payload_type, codec.name) for codec in renumbered} <= meanings
    assert len({codec.payload_type for codec in renumbered}) == len(made.media[0].formats)
