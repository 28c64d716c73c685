"""Offers within an established call, between two phones and without a switch."""

import pytest
from two_legs import Network, hand_over, sdp

from sip.events import ReinviteAnswered, Reinvited, ReinviteRefused
from softswitch.call.established.renegotiation import (
    RETRY_SECONDS,
    Aligning,
    Fetching,
    Passed,
    Paused,
    Quiet,
    Renegotiation,
)

A, B = "198.51.100.1", "198.51.100.2"


@pytest.fixture
def network():
    made = Network()
    yield made
    made.close()


@pytest.fixture
def call(network):
    """Two phones that talk; their legs, and the renegotiation of these."""
    a, b = network.phone(A), network.phone(B)
    legs = network.talking(a, b)
    renegotiation = Renegotiation(legs)

    def settle():
        network.deliver()
        hand_over(legs, renegotiation)
        network.deliver()

    return a, b, renegotiation, settle


def offer(phone, network, direction):
    phone.session.reinvite(sdp(phone.host, direction), network.now())


def test_hold_goes_through_end_to_end(network, call):
    a, b, renegotiation, settle = call
    offer(a, network, "sendonly")
    settle()
    assert isinstance(renegotiation.state, Passed) and renegotiation.busy
    asked = b.last(Reinvited).request.description
    assert b"a=sendonly" in asked and b"192.0.2.1" in asked
    b.session.accept(sdp(B, "recvonly"), network.now())
    settle()
    assert renegotiation.state == Quiet()
    assert b"a=recvonly" in a.last(ReinviteAnswered).response.description


def test_a_refused_offer_leaves_the_call_as_it_was(network, call):
    a, b, renegotiation, settle = call
    offer(a, network, "sendonly")
    settle()
    b.session.reject(488, network.now())
    settle()
    assert renegotiation.state == Quiet()
    assert a.last(ReinviteRefused).status == 488 and a.session.confirmed and b.session.confirmed


def test_a_second_offer_while_one_is_under_way_is_491(network, call):
    a, b, renegotiation, settle = call
    offer(a, network, "sendonly")
    settle()
    offer(b, network, "sendonly") if not b.session.pending else b.session.accept(
        sdp(B, "recvonly"), network.now()
    )
    settle()
    assert renegotiation.state == Quiet()


def test_an_answer_that_cant_be_used_is_488_for_the_offerer(network, call):
    a, b, renegotiation, settle = call
    offer(a, network, "sendonly")
    settle()
    b.session.accept(b"no description", network.now())
    settle()
    assert renegotiation.state == Quiet() and a.last(ReinviteRefused).status == 488


def test_an_empty_re_invite_fetches_an_offer_and_its_ack_brings_the_answer(network, call):
    a, b, renegotiation, settle = call
    a.session.reinvite(b"", network.now())
    settle()
    assert isinstance(renegotiation.state, Fetching)
    assert b.last(Reinvited).request.description == b""
    b.session.accept(sdp(B), network.now())
    settle()
    assert renegotiation.busy
    assert b"192.0.2.1" in a.last(ReinviteAnswered).response.description
    a.session.acknowledge(sdp(A), network.now())
    settle()
    assert renegotiation.state == Quiet()


def test_an_offer_of_our_own_that_crosses_the_phones_is_repeated_after_the_pause(network, call):
    _a, b, renegotiation, settle = call
    renegotiation.align("b", network.now())
    assert isinstance(renegotiation.state, Aligning)
    network.deliver()
    b.session.reject(491, network.now())
    settle()
    assert isinstance(renegotiation.state, Paused)
    assert renegotiation.retry_at == pytest.approx(network.now() + RETRY_SECONDS, abs=0.5)
    renegotiation.retry(network.now())
    settle()
    b.session.accept(sdp(B), network.now())
    settle()
    assert renegotiation.state == Quiet() and renegotiation.retry_at == float("inf")
