"""An attended transfer between two calls of a line, without a switch."""

import pytest
from two_legs import Network, hand_over, sdp

from sip.events import HungUp, Reinvited
from softswitch.call.established.attended_transfer import (
    SURRENDER_SECONDS,
    AttendedTransfer,
    give_leg,
)
from softswitch.call.established.renegotiation import Quiet, Renegotiation
from softswitch.call.established.transferor import Transferor
from softswitch.call.letters import GiveLeg, Given
from softswitch.subscribers.refusal import Refusal

A, B, B2, C = (f"198.51.100.{last}" for last in (1, 2, 22, 3))


@pytest.fixture
def network():
    made = Network()
    yield made
    made.close()


@pytest.fixture
def calls(network):
    """A talks with B; B, by its other call, with C: the legs of both, and the four phones."""
    phones = [network.phone(host) for host in (A, B, B2, C)]
    return network.talking(*phones[:2]), network.talking(*phones[2:]), phones


def given(legs):
    (letter,) = [letter for letter in legs.mailbox.rest() if isinstance(letter, Given)]
    return letter


def surrender(network, legs, *, busy=False):
    """What the other call does with the request for its leg."""
    (letter,) = [letter for letter in legs.mailbox.rest() if isinstance(letter, GiveLeg)]
    return network.loop.run_until_complete(give_leg(legs, letter, busy=busy))


def test_the_far_leg_of_the_other_call_takes_the_transferors_place(network, calls):
    first, second, (_, b, _, c) = calls
    renegotiation = Renegotiation(first)
    attended = AttendedTransfer(first, renegotiation, network.agent)
    far = second.leg("b")
    transferor = Transferor(first, "b", first.line_of("b"))
    attended.begin(transferor, second.leg("a"), second)
    assert attended.until == pytest.approx(network.now() + SURRENDER_SECONDS, abs=0.5)

    ended = surrender(network, second)
    assert ended is not None and ended.status == 200
    assert attended.take(transferor, given(first)) is None
    network.deliver()

    assert first.leg("b") is far and far.owner is first
    assert b.has(HungUp) and not c.has(HungUp)
    assert b"192.0.2.1" in c.last(Reinvited).request.description
    c.session.accept(sdp(C), network.now())
    network.deliver()
    hand_over(first, renegotiation)
    network.deliver()
    assert attended.transferor is None and attended.until == float("inf")
    assert renegotiation.state != Quiet()  # the caller is offered what the newcomer knows


def test_a_busy_call_keeps_its_leg_and_the_first_goes_on(network, calls):
    first, second, (_, b, _, _) = calls
    attended = AttendedTransfer(first, Renegotiation(first), network.agent)
    mine = first.leg("b")
    transferor = Transferor(first, "b", first.line_of("b"))
    attended.begin(transferor, second.leg("a"), second)
    assert surrender(network, second, busy=True) is None
    assert attended.take(transferor, given(first)) is None
    network.deliver()
    assert first.leg("b") is mine and not b.has(HungUp) and attended.transferor is None


def test_the_call_ends_if_the_transferor_has_left_and_no_leg_comes(network, calls):
    first, second, _ = calls
    attended = AttendedTransfer(first, Renegotiation(first), network.agent)
    transferor = Transferor(first, "b", first.line_of("b"))
    attended.begin(transferor, second.leg("a"), second)
    assert transferor.leaves(first.leg("b"))
    ended = attended.expire(transferor)
    assert ended is not None and ended.ended_by == "callee"


def test_a_call_of_another_line_cant_be_joined(network, calls):
    first, second, _ = calls
    attended = AttendedTransfer(first, Renegotiation(first), network.agent)
    with pytest.raises(Refusal) as refused:
        attended.find(second.leg("a").dialog.id, first.line_of("b"))
    assert refused.value.status == 403
    with pytest.raises(Refusal) as refused:
        attended.find(("no such call", "x", "y"), first.line_of("b"))
    assert refused.value.status == 481
