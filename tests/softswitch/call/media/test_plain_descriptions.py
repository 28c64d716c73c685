"""Descriptions passed on by substitution are those that the full rules make."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from sip.errors import SipError
from sip.offer_answer import media_target, numbered_as, relayed
from sip.plain_description import relayed_plainly
from sip.sdp import SessionDescription
from softswitch.call.media.leg_security import LegPolicy
from softswitch.call.media.media import CallMedia

LINES = (
    "rtpmap:0 PCMU/8000", "rtpmap:8 PCMA/8000", "rtpmap:101 telephone-event/8000",
    "fmtp:101 0-16", "rtpmap:96 opus/48000/2", "fmtp:96 useinbandfec=1", "rtpmap:111 opus/48000/2",
    "rtpmap:97 telephone-event/48000", "rtpmap:18 G729/8000", "fmtp:18 annexb=no", "rtpmap:9 G722",
    "rtpmap:13 CN/8000", "rtpmap:97\tiLBC/8000", "fmtp:97", "ptime:20", "ptime:0", "ptime:x",
    "maxptime:150", "sendrecv", "sendonly", "recvonly", "inactive", "sendonly:", "rtcp:4009",
    "rtcp-mux", "ssrc:1 cname:x", "rtpmap:101 PCMU/8000", "rtpmap:0 PCMA/8000",
    "rtpmap:63 red/48000/2", "fmtp:63 111/111", "ice-ufrag:abcd", "setup:active", "X 100%d",
    "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40,
)  # fmt: skip
FORMATS = ("0", "3", "8", "9", "13", "18", "63", "96", "97", "101", "111", "127")
ADDRESSES = ("198.51.100.7", "0.0.0.0", "255.255.255.255", "0.0.0.1")
PORTS = (0, 1, 9, 4000, 65534, 65535)
OURS = {"origin_id": 7, "version": 3, "address": "203.0.113.9", "port": 20_000}

descriptions = st.builds(
    lambda address, port, formats, lines, protocol, session, more: SessionDescription.parse(
        (
            f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n{session}"
            f"m=audio {port} {protocol} {' '.join(formats)}\r\n"
            + "".join(f"a={line}\r\n" for line in lines)
            + more
        ).encode()
    ),
    st.sampled_from(ADDRESSES),
    st.sampled_from(PORTS),
    st.lists(st.sampled_from(FORMATS), min_size=1, max_size=6),
    st.lists(st.sampled_from(LINES), max_size=10),
    st.sampled_from(("RTP/AVP",) * 6 + ("RTP/AVPF", "RTP/SAVP")),
    st.sampled_from(("",) * 8 + ("a=sendonly\r\n",)),
    st.sampled_from(("",) * 8 + ("m=video 4002 RTP/AVP 96\r\n", "m=image 4004 udptl t38\r\n")),
)


class InFull(CallMedia):
    """Offers and answers made by the full rules alone."""

    def _describe_plainly(self, *said):
        return None


class Relay:
    """The instructions to the relay."""

    a_port, b_port, ice_tcp_port = 20_000, 20_002, 0

    def __init__(self):
        self.told = []

    def set_remote(self, *said, **more):
        self.told.append((said, more))

    def agree(self, *said):
        self.told.append(said)

    bridge = agree


def conversation(kind, policies, offer, answer, direction, takes_info, transcodes):
    """What the relay and both phones are told of an offer and its answer."""
    relay, said = Relay(), []
    octets = itertools.count()
    draw = lambda count: bytes(next(octets) % 256 for _ in range(count))  # noqa: E731
    a, b = (LegPolicy(srtp, True, draw, keys).leg() for srtp, keys in policies)
    media = kind(relay, "203.0.113.9", 7, transcodes)
    media.join("a", a)
    media.takes_info("a", takes_info)

    def attempt(work):
        try:
            said.append(work())
        except SipError as error:
            said.append((error.status, error.reason))

    attempt(lambda: media.learn("a", offer, "198.51.100.7"))
    attempt(lambda: media.describe("b", offer, direction, wide=True, security=b, fax=True))
    media.join("b", b)
    attempt(lambda: media.answered(offer, answer))
    attempt(lambda: media.learn("b", answer, "198.51.100.8"))
    attempt(lambda: media.describe("a", answer, answering=offer, wide=True, fax=True))
    attempt(lambda: media.describe("b", offer, before=answer))
    return said, relay.told, media.codec, media.transcodes


srtp = st.sampled_from(("off",) * 3 + ("optional", "required"))
keys = st.sampled_from(("auto",) * 4 + ("info", "inband", "rfc4733"))
directions = st.sampled_from((None, None, "sendonly", "inactive"))


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(st.tuples(srtp, keys), st.tuples(srtp, keys)),
    descriptions, descriptions, directions, st.booleans(), st.booleans(),
)  # fmt: skip
def test_both_ways_say_the_same(policies, offer, answer, direction, takes_info, transcodes):
    said = policies, offer, answer, direction, takes_info, transcodes
    assert conversation(CallMedia, *said) == conversation(InFull, *said)


@settings(max_examples=150, deadline=None)
@given(descriptions, st.none() | descriptions, directions)
def test_substitution_writes_what_the_full_rules_write(heard, offer, direction):
    target, other = media_target(heard), None if offer is None else media_target(offer)
    if target is None or not target.plain or (offer is not None and not (other and other.plain)):
        return
    full = relayed(
        heard if offer is None else numbered_as(heard, offer),
        **OURS, hold_direction=direction, answering=offer,
    )  # fmt: skip
    plain = relayed_plainly(heard, direction or target.direction, offer, ())
    assert plain.write(**OURS) == bytes(full)


def test_a_usual_description_is_plain():
    usual = SessionDescription.parse(
        b"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )
    target = media_target(usual)
    assert target is not None and target.plain
    assert relayed_plainly(usual, "sendonly", None, ()).write(**OURS) == (
        b"v=0\r\no=- 7 3 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n"
        b"m=audio 20000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
    )
