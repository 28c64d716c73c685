"""STUN checks and the lite ICE agent, against the vectors of RFC 5769 and aioice's codec."""

import pytest
from browser import OUR_PASSWORD, OUR_UFRAG, answer_to, check

from rtp import stun
from rtp.ice_lite import CONSENT_SECONDS, MAX_CHECKED, MAX_TRANSACTIONS, IceLite

HERE, THERE = ("192.0.2.1", 32853), ("2001:db8::7", 4000)
SAMPLE = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
"""RFC 5769 section 2.1; its password is VOkJxbRl1RmTxUk/WvJxBt."""


def agent():
    return IceLite(OUR_UFRAG, OUR_PASSWORD, "theirs")


def test_the_sample_request_of_rfc_5769_is_read_and_proved():
    binding = stun.read_binding(SAMPLE)
    assert binding.username == "evtj:h6vY"
    assert binding.is_controlled and not binding.nominates and binding.unknown == ()
    assert stun.is_authentic(binding, "VOkJxbRl1RmTxUk/WvJxBt")
    assert not stun.is_authentic(binding, "VOkJxbRl1RmTxUk/WvJxBu")


@pytest.mark.parametrize("at", range(len(SAMPLE)))
def test_no_octet_of_a_request_can_be_changed(at):
    changed = bytearray(SAMPLE)
    changed[at] ^= 1
    assert stun.read_binding(bytes(changed)) is None


@pytest.mark.parametrize("length", range(len(SAMPLE)))
def test_no_part_of_a_request_is_one(length):
    assert stun.read_binding(SAMPLE[:length]) is None


@pytest.mark.parametrize("source", [HERE, THERE])
def test_the_answer_says_where_the_check_came_from(source):
    answer = answer_to(agent().receive(check(transaction=b"abcdefghijkl"), source, 1.0))
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == source
    assert answer.transaction_id == b"abcdefghijkl"


def test_a_nominated_pair_is_selected_and_a_check_alone_is_not():
    ice = agent()
    assert ice.receive(check(nominates=False), HERE, 1.0) is not None
    assert ice.selected is None and ice.has_checked(HERE)
    ice.receive(check(), HERE, 1.1)
    assert ice.selected == HERE
    ice.receive(check(), THERE, 1.2)
    assert ice.selected == THERE and ice.has_checked(HERE)


@pytest.mark.parametrize(
    "foreign",
    [
        check(password="another"),
        check(username=f"{OUR_UFRAG}:others"),
        check(username="other:theirs"),
        check(fingerprint=False),
        SAMPLE,
    ],
    ids=["password", "their name", "our name", "no fingerprint", "another session's"],
)
def test_a_foreign_check_gets_no_answer(foreign):
    ice = agent()
    assert ice.receive(foreign, HERE, 1.0) is None
    assert ice.selected is None and not ice.has_checked(HERE) and ice.consent_until is None


def test_a_copy_from_elsewhere_moves_nothing():
    ice = agent()
    said = check()
    ice.receive(said, HERE, 1.0)
    assert ice.receive(said, THERE, 1.1) is None
    assert ice.selected == HERE
    assert ice.receive(said, HERE, 1.2) is not None  # a retransmission


def test_a_peer_that_takes_itself_for_controlled_is_told():
    answer = answer_to(agent().receive(check(role="ICE-CONTROLLED"), HERE, 1.0))
    assert answer.attributes["ERROR-CODE"][0] == 487


def test_an_attribute_that_must_be_understood_is_named():
    binding = stun.read_binding(_with_realm())
    assert binding.unknown == (0x14,)
    answer = answer_to(agent().receive(_with_realm(), HERE, 1.0))
    assert answer.attributes["ERROR-CODE"] == (420, "Unknown Attribute")


def _with_realm():
    from aioice import stun as other

    message = other.Message(other.Method.BINDING, other.Class.REQUEST)
    message.attributes["USERNAME"] = f"{OUR_UFRAG}:theirs"
    message.attributes["REALM"] = "example.org"
    message.add_message_integrity(OUR_PASSWORD.encode())
    return bytes(message)


def test_consent_ends_25_seconds_after_the_last_check():
    ice = agent()
    assert ice.consent_until is None
    ice.receive(check(), HERE, 1.0)
    ice.receive(check(), HERE, 6.0)
    assert ice.consent_until == 31.0 and CONSENT_SECONDS == 25.0


def test_a_restart_keeps_the_pair_until_another_is_nominated():
    ice = agent()
    ice.receive(check(), HERE, 1.0)
    ice.renew("fresh", "another-password-of-ours", "newer")
    assert ice.receive(check(), HERE, 2.0) is None
    assert ice.selected == HERE
    ice.receive(check("fresh:newer", "another-password-of-ours"), THERE, 3.0)
    assert ice.selected == THERE


def test_what_is_remembered_has_bounds():
    ice = agent()
    for number in range(MAX_TRANSACTIONS + 100):
        ice.receive(check(nominates=False), ("192.0.2.1", number + 1), 1.0)
    assert len(ice._transactions) == MAX_TRANSACTIONS and len(ice._checked) == MAX_CHECKED
