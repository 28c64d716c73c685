"""The four transaction machines of RFC 3261 section 17, as tables.

All that changes a transaction's state stands in this file. A machine is a table from
(state, input) to a step: the next state, what to do, and which timers to arm. What a table
doesn't list changes nothing and does nothing; that covers each timer that fires after its
state has been left, so timers are never taken back.

Amendments that the tables carry:

* RFC 6026: a 2xx to an INVITE leads to Accepted on both sides. The server absorbs repeated
  INVITEs there until Timer L, the client passes each repeated 2xx up until Timer M, and an ACK
  to a 2xx belongs to no transaction.
* RFC 4320: a non-INVITE server sends no provisional response but 100, and no 408; a client that
  has timed out drops the late answer.

Timers (RFC 3261 appendix A) are armed with a duration in seconds from :func:`duration`; on a
reliable transport A, E and G are never armed and D, I, J and K last no time.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

T1 = 0.5
"""Round-trip estimate, seconds (RFC 3261 section 17.1.1.1)."""
T2 = 4.0
"""Longest interval between retransmissions, seconds."""
T4 = 5.0
"""Longest time for which a message stays in the network, in seconds."""
TIMEOUT = 64 * T1
"""Timers B, F, H, J, L, M, seconds."""


class State(Enum):
    """States of all four machines (RFC 3261 figures 5 to 8, RFC 6026 figures 1 and 2)."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__  # members are single; an Enum's own hash is a call of Python


class Input(IntEnum):
    """Inputs of a transaction: messages, timers and failures."""

    PROVISIONAL = 1
    """1xx: received by a client, sent by a server's user."""
    SUCCESS = 2
    """2xx."""
    FAILURE = 3
    """3xx to 6xx."""
    REQUEST = 4
    """The request again (server)."""
    ACK = 5
    """ACK to a non-2xx final response (server)."""
    TRANSPORT_ERROR = 6
    A = 7
    B = 8
    D = 9
    E = 10
    F = 11
    G = 12
    H = 13
    I = 14  # noqa: E741 - the RFC's name
    J = 15
    K = 16
    L = 17
    M = 18


class Action(IntEnum):
    """Actions that a step asks of the transaction layer."""

    SEND = 1
    """Send the response that the user handed over, and keep it."""
    REPEAT = 2
    """Send the kept message once more."""
    ACKNOWLEDGE = 3
    """Send the ACK that belongs to the received non-2xx final response (17.1.1.3)."""
    DELIVER = 4
    """Hand the received response to the user."""
    TIMED_OUT = 5
    """Tell the user that no answer, or no ACK, came."""
    FAILED = 6
    """Tell the user that the transport failed."""


class Step(NamedTuple):
    """Consequence of an input in a state."""

    state: State
    actions: tuple[Action, ...] = ()
    timers: tuple[Input, ...] = ()


Table = dict[tuple[State, Input], Step]

_S, _I, _A = State, Input, Action

# RFC 3261 section 17.1.1, figure 5, with RFC 6026 section 8.4. Timers A and B run from creation.
INVITE_CLIENT: Table = {
    (_S.CALLING, _I.A): Step(_S.CALLING, (_A.REPEAT,), (_I.A,)),
    (_S.CALLING, _I.B): Step(_S.TERMINATED, (_A.TIMED_OUT,)),
    (_S.CALLING, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.CALLING, _I.PROVISIONAL): Step(_S.PROCEEDING, (_A.DELIVER,)),
    (_S.CALLING, _I.SUCCESS): Step(_S.ACCEPTED, (_A.DELIVER,), (_I.M,)),
    (_S.CALLING, _I.FAILURE): Step(_S.COMPLETED, (_A.ACKNOWLEDGE, _A.DELIVER), (_I.D,)),
    (_S.PROCEEDING, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.PROCEEDING, _I.PROVISIONAL): Step(_S.PROCEEDING, (_A.DELIVER,)),
    (_S.PROCEEDING, _I.SUCCESS): Step(_S.ACCEPTED, (_A.DELIVER,), (_I.M,)),
    (_S.PROCEEDING, _I.FAILURE): Step(_S.COMPLETED, (_A.ACKNOWLEDGE, _A.DELIVER), (_I.D,)),
    (_S.ACCEPTED, _I.SUCCESS): Step(_S.ACCEPTED, (_A.DELIVER,)),
    (_S.ACCEPTED, _I.M): Step(_S.TERMINATED),
    (_S.COMPLETED, _I.FAILURE): Step(_S.COMPLETED, (_A.ACKNOWLEDGE,)),
    (_S.COMPLETED, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.COMPLETED, _I.D): Step(_S.TERMINATED),
}

# RFC 3261 section 17.1.2, figure 6. Timers E and F run from creation.
CLIENT: Table = {
    (_S.TRYING, _I.E): Step(_S.TRYING, (_A.REPEAT,), (_I.E,)),
    (_S.TRYING, _I.F): Step(_S.TERMINATED, (_A.TIMED_OUT,)),
    (_S.TRYING, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.TRYING, _I.PROVISIONAL): Step(_S.PROCEEDING, (_A.DELIVER,)),
    (_S.TRYING, _I.SUCCESS): Step(_S.COMPLETED, (_A.DELIVER,), (_I.K,)),
    (_S.TRYING, _I.FAILURE): Step(_S.COMPLETED, (_A.DELIVER,), (_I.K,)),
    (_S.PROCEEDING, _I.E): Step(_S.PROCEEDING, (_A.REPEAT,), (_I.E,)),
    (_S.PROCEEDING, _I.F): Step(_S.TERMINATED, (_A.TIMED_OUT,)),
    (_S.PROCEEDING, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.PROCEEDING, _I.PROVISIONAL): Step(_S.PROCEEDING, (_A.DELIVER,)),
    (_S.PROCEEDING, _I.SUCCESS): Step(_S.COMPLETED, (_A.DELIVER,), (_I.K,)),
    (_S.PROCEEDING, _I.FAILURE): Step(_S.COMPLETED, (_A.DELIVER,), (_I.K,)),
    (_S.COMPLETED, _I.K): Step(_S.TERMINATED),
}

# RFC 3261 section 17.2.1, figure 7, with RFC 6026 section 8.5. In Accepted the 2xx is repeated by
# the session (RFC 3261 section 13.3.1.4), which sends each copy through this machine.
INVITE_SERVER: Table = {
    (_S.PROCEEDING, _I.REQUEST): Step(_S.PROCEEDING, (_A.REPEAT,)),
    (_S.PROCEEDING, _I.PROVISIONAL): Step(_S.PROCEEDING, (_A.SEND,)),
    (_S.PROCEEDING, _I.SUCCESS): Step(_S.ACCEPTED, (_A.SEND,), (_I.L,)),
    (_S.PROCEEDING, _I.FAILURE): Step(_S.COMPLETED, (_A.SEND,), (_I.G, _I.H)),
    (_S.PROCEEDING, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.ACCEPTED, _I.SUCCESS): Step(_S.ACCEPTED, (_A.SEND,)),
    (_S.ACCEPTED, _I.TRANSPORT_ERROR): Step(_S.ACCEPTED, (_A.FAILED,)),
    (_S.ACCEPTED, _I.L): Step(_S.TERMINATED),
    (_S.COMPLETED, _I.REQUEST): Step(_S.COMPLETED, (_A.REPEAT,)),
    (_S.COMPLETED, _I.G): Step(_S.COMPLETED, (_A.REPEAT,), (_I.G,)),
    (_S.COMPLETED, _I.H): Step(_S.TERMINATED, (_A.TIMED_OUT,)),
    (_S.COMPLETED, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.COMPLETED, _I.ACK): Step(_S.CONFIRMED, (), (_I.I,)),
    (_S.CONFIRMED, _I.I): Step(_S.TERMINATED),
}

# RFC 3261 section 17.2.2, figure 8.
SERVER: Table = {
    (_S.TRYING, _I.PROVISIONAL): Step(_S.PROCEEDING, (_A.SEND,)),
    (_S.TRYING, _I.SUCCESS): Step(_S.COMPLETED, (_A.SEND,), (_I.J,)),
    (_S.TRYING, _I.FAILURE): Step(_S.COMPLETED, (_A.SEND,), (_I.J,)),
    (_S.PROCEEDING, _I.REQUEST): Step(_S.PROCEEDING, (_A.REPEAT,)),
    (_S.PROCEEDING, _I.PROVISIONAL): Step(_S.PROCEEDING, (_A.SEND,)),
    (_S.PROCEEDING, _I.SUCCESS): Step(_S.COMPLETED, (_A.SEND,), (_I.J,)),
    (_S.PROCEEDING, _I.FAILURE): Step(_S.COMPLETED, (_A.SEND,), (_I.J,)),
    (_S.PROCEEDING, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.COMPLETED, _I.REQUEST): Step(_S.COMPLETED, (_A.REPEAT,)),
    (_S.COMPLETED, _I.TRANSPORT_ERROR): Step(_S.TERMINATED, (_A.FAILED,)),
    (_S.COMPLETED, _I.J): Step(_S.TERMINATED),
}

_NO_TIME_IF_RELIABLE = frozenset({_I.D, _I.I, _I.J, _I.K})
FIXED_SECONDS = {
    _I.B: TIMEOUT,
    _I.D: TIMEOUT,
    _I.F: TIMEOUT,
    _I.H: TIMEOUT,
    _I.I: T4,
    _I.J: TIMEOUT,
    _I.K: T4,
    _I.L: TIMEOUT,
    _I.M: TIMEOUT,
}
"""Over UDP; a reliable transport needs no D, I, J and K."""


def duration(timer: Input, state: State, repeats: int, reliable: bool) -> float | None:
    """Seconds until `timer` fires; None when this transport doesn't need it.

    `repeats` counts the retransmissions sent so far. Timer A doubles without a bound (17.1.1.2),
    E and G double up to T2 (17.1.2.2, 17.2.1), and E stays at T2 in Proceeding.
    """
    if timer in FIXED_SECONDS:
        return 0.0 if reliable and timer in _NO_TIME_IF_RELIABLE else FIXED_SECONDS[timer]
    if reliable:
        return None
    if timer is _I.A:
        return float(T1 * (1 << repeats))
    if timer is _I.E and state is _S.PROCEEDING:
        return T2
    return min(T1 * (1 << min(repeats, 3)), T2)


RESPONSE_INPUTS = (_I.PROVISIONAL, _I.PROVISIONAL, _I.SUCCESS, *[_I.FAILURE] * 4)
"""The input that a response is, by the first digit of its status."""
