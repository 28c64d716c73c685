"""SDP of browsers: what Chromium, Firefox and aiortc say, and what we say to them."""

import pytest

from sip.offer_answer import audio_of, codecs, direction_of, media_target, without_extras
from sip.sdp import SessionDescription
from sip.web_description import OwnWeb, dressed, mids_of, web_of

DIGEST = ":".join(f"{octet:02X}" for octet in range(32))
CHROMIUM = (
    "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n"
    "a=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=candidate:1 1 udp 2113937151 a7b3.local 55555 typ host generation 0\r\n"
    "a=ice-ufrag:Kq3e\r\na=ice-pwd:9fJ2kd8sLw0qPz7yTm4vXc1b\r\na=ice-options:trickle\r\n"
    f"a=fingerprint:sha-256 {DIGEST}\r\na=setup:actpass\r\na=mid:0\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\n"
    "a=msid:stream track\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n"
    "a=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
    "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n"
    "a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:Kq3e\r\n"
    "a=ice-pwd:9fJ2kd8sLw0qPz7yTm4vXc1b\r\na=setup:actpass\r\na=mid:1\r\n"
    f"a=fingerprint:sha-256 {DIGEST}\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
)
OWN = OwnWeb("abcdefgh", "0123456789abcdefABCDEF12", f"sha-256 {DIGEST}", "passive")
ANSWER = (
    "v=0\r\no=- 7 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n"
    "m=audio 20000 UDP/TLS/RTP/SAVPF 0 126\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:126 telephone-event/8000\r\na=sendrecv\r\nm=video 0 RTP/AVP 31\r\n"
)


def read(text):
    return SessionDescription.parse(text.encode())


def test_a_browser_is_read_and_its_null_address_is_no_hold():
    offer = read(CHROMIUM)
    target = media_target(offer)
    assert (target.web.ufrag, target.web.password) == ("Kq3e", "9fJ2kd8sLw0qPz7yTm4vXc1b")
    assert (target.web.setup, target.web.multiplexes) == ("actpass", True)
    assert target.web.fingerprints == (f"sha-256 {DIGEST}",)
    assert target.direction == direction_of(offer, offer.media[0]) == "sendrecv"
    assert mids_of(offer) == ("0", "1")
    assert "9fJ2" not in repr(target.web)


def test_lines_of_the_session_count_where_the_stream_has_none():
    """As Firefox writes its fingerprint."""
    stream, _, _ = CHROMIUM.partition("m=video")
    said = stream.replace(f"a=fingerprint:sha-256 {DIGEST}\r\n", "")
    assert audio_of(read(said)) is None
    said = said.replace("t=0 0\r\n", f"t=0 0\r\na=fingerprint:SHA-256 {DIGEST.lower()}\r\n")
    assert media_target(read(said)).web.fingerprints == (f"sha-256 {DIGEST}",)


@pytest.mark.parametrize(
    ("line", "spoiled"),
    [
        ("a=ice-ufrag:Kq3e", "a=ice-ufrag:Kq3"),
        ("a=ice-ufrag:Kq3e", "a=ice-ufrag:Kq 3e"),
        ("a=ice-pwd:9fJ2kd8sLw0qPz7yTm4vXc1b", "a=ice-pwd:tooshort"),
        (f"a=fingerprint:sha-256 {DIGEST}", "a=fingerprint:sha-256 AB:CD"),
        (f"a=fingerprint:sha-256 {DIGEST}", f"a=fingerprint:{DIGEST}"),
        ("a=setup:actpass", "a=setup:holdconn"),
    ],
)
def test_a_stream_with_a_line_that_cant_be_read_isnt_relayed(line, spoiled):
    said = read(CHROMIUM.replace(line, spoiled))
    assert web_of(said, said.media[0]) is None and audio_of(said) is None


@pytest.mark.parametrize("profile", ["UDP/TLS/RTP/SAVP", "RTP/SAVPF", "TCP/TLS/RTP/SAVPF"])
def test_other_names_of_the_profile_are_read(profile):
    assert media_target(read(CHROMIUM.replace("UDP/TLS/RTP/SAVPF", profile))).web is not None


def test_keys_in_sdp_count_before_a_fingerprint():
    key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "\r\na=mid:0"
    target = media_target(
        read(CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVP").replace("a=mid:0", key))
    )
    assert target.web is None and target.cryptos[0].tag == "1"


def test_redundancy_and_comfort_noise_are_left_out():
    offer = without_extras(read(CHROMIUM))
    assert [codec.payload_type for codec in codecs(offer.media[0])] == [111, 9, 0, 8, 110, 126]


def test_an_answer_has_all_that_a_browser_needs():
    answer = str(bytes(dressed(read(ANSWER), OWN, mids=("0", "1"), offer=read(CHROMIUM))), "ascii")
    head, audio, video = answer.split("m=")
    assert head.endswith("a=ice-lite\r\na=group:BUNDLE 0\r\na=msid-semantic:WMS *\r\n")
    assert audio == (
        "audio 20000 UDP/TLS/RTP/SAVPF 0 126\r\na=mid:0\r\na=rtcp-mux\r\na=ice-ufrag:abcdefgh\r\n"
        "a=ice-pwd:0123456789abcdefABCDEF12\r\n"
        f"a=fingerprint:sha-256 {DIGEST}\r\na=setup:passive\r\n"
        "a=candidate:1 1 udp 2130706431 203.0.113.1 20000 typ host\r\na=end-of-candidates\r\n"
        "a=msid:softswitch audio\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:126 telephone-event/8000\r\na=sendrecv\r\n"
    )
    assert video == "video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"


def test_an_offer_numbers_its_streams_itself():
    said = dressed(read(ANSWER), OWN, mids=(), offer=None)
    assert mids_of(said) == ("0", "1")
    assert ("group", "BUNDLE 0") in said.attributes
    assert said.media[1].protocol == "UDP/TLS/RTP/SAVPF"


def test_a_later_offer_keeps_the_browsers_own_names():
    assert mids_of(dressed(read(ANSWER), OWN, mids=("sound",), offer=None)) == ("sound", "1")


def test_an_offer_without_bundle_or_names_is_answered_without():
    bare = CHROMIUM.replace("a=group:BUNDLE 0 1\r\n", "").replace("a=mid:0\r\n", "")
    answer = dressed(read(ANSWER), OWN, mids=mids_of(read(bare)), offer=read(bare))
    assert mids_of(answer) == (None, "1")
    assert all(name != "group" for name, _ in answer.attributes)


def test_tcp_is_offered_where_there_is_a_port_for_it():
    own = OwnWeb("abcdefgh", "x" * 22, f"sha-256 {DIGEST}", "passive", 5349)
    said = bytes(dressed(read(ANSWER), own, mids=("0",), offer=None)).decode()
    assert "a=candidate:2 1 tcp 1526726655 203.0.113.1 5349 typ host tcptype passive" in said
