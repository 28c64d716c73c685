# ruff: noqa: E501 - the tables are read across
"""Every state of the four machines against every input, as RFC 3261, 6026 and 4320 have it.

The expectation is written down here by hand, as text, apart from the tables that it checks: one
row a state, one column an input. "-" means: nothing happens.
"""

import pytest

from sip.transaction import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    SERVER,
    T1,
    T2,
    T4,
    TIMEOUT,
    Input,
    State,
    duration,
)

EXPECTED = {
    "INVITE client": (
        INVITE_CLIENT,
        """
                     1XX         2XX               3-6XX                 ERROR        A           B            D           M
        calling      proceeding  accepted+M        completed+D           terminated   calling+A   terminated   -           -
        proceeding   proceeding  accepted+M        completed+D           terminated   -           -            -           -
        accepted     -           accepted          -                     -            -           -            -           terminated
        completed    -           -                 completed             terminated   -           -            terminated  -
        terminated   -           -                 -                     -            -           -            -           -
        """,
    ),
    "non-INVITE client": (
        CLIENT,
        """
                     1XX         2XX               3-6XX                 ERROR        E             F            K
        trying       proceeding  completed+K       completed+K           terminated   trying+E      terminated   -
        proceeding   proceeding  completed+K       completed+K           terminated   proceeding+E  terminated   -
        completed    -           -                 -                     -            -             -            terminated
        terminated   -           -                 -                     -            -             -            -
        """,
    ),
    "INVITE server": (
        INVITE_SERVER,
        """
                     REQUEST     ACK               1XX         2XX         3-6XX          ERROR        G            H           I           L
        proceeding   proceeding  -                 proceeding  accepted+L  completed+G+H  terminated   -            -           -           -
        accepted     -           -                 -           accepted    -              accepted     -            -           -           terminated
        completed    completed   confirmed+I       -           -           -              terminated   completed+G  terminated  -           -
        confirmed    -           -                 -           -           -              -            -            -           terminated  -
        terminated   -           -                 -           -           -              -            -            -           -           -
        """,
    ),
    "non-INVITE server": (
        SERVER,
        """
                     REQUEST     1XX         2XX          3-6XX        ERROR        J
        trying       -           proceeding  completed+J  completed+J  -            -
        proceeding   proceeding  proceeding  completed+J  completed+J  terminated   -
        completed    completed   -           -            -            terminated   terminated
        terminated   -           -           -            -            -            -
        """,
    ),
}

COLUMNS = {
    "1XX": Input.PROVISIONAL,
    "2XX": Input.SUCCESS,
    "3-6XX": Input.FAILURE,
    "REQUEST": Input.REQUEST,
    "ACK": Input.ACK,
    "ERROR": Input.TRANSPORT_ERROR,
}


def cells():
    for name, (table, text) in EXPECTED.items():
        head, *rows = [line.split() for line in text.strip().splitlines()]
        for state, *steps in rows:
            for column, step in zip(head, steps, strict=True):
                yield name, table, State(state), COLUMNS.get(column) or Input[column], step


@pytest.mark.parametrize(
    ("table", "state", "what", "expected"),
    [
        pytest.param(table, state, what, step, id=f"{name}: {what.name} in {state.value}")
        for name, table, state, what, step in cells()
    ],
)
def test_each_input_in_each_state(table, state, what, expected):
    step = table.get((state, what))
    if expected == "-":
        assert step is None
        return
    next_state, *timers = expected.split("+")
    assert step is not None
    assert step.state is State(next_state)
    assert [timer.name for timer in step.timers] == timers


def test_the_expectation_covers_each_table_whole():
    for name, (table, _) in EXPECTED.items():
        listed = {(state, what) for n, _, state, what, step in cells() if n == name and step != "-"}
        assert set(table) == listed


@pytest.mark.parametrize(
    ("timer", "state", "seconds"),
    [
        (Input.A, State.CALLING, [T1, 1.0, 2.0, 4.0, 8.0, 16.0]),
        (Input.E, State.TRYING, [T1, 1.0, 2.0, T2, T2, T2]),
        (Input.E, State.PROCEEDING, [T2] * 6),
        (Input.G, State.COMPLETED, [T1, 1.0, 2.0, T2, T2, T2]),
    ],
)
def test_intervals_between_repetitions(timer, state, seconds):
    assert [duration(timer, state, repeats, False) for repeats in range(6)] == seconds
    assert duration(timer, state, 0, True) is None


@pytest.mark.parametrize("timer", [Input.B, Input.F, Input.H, Input.L, Input.M])
def test_time_outs_are_the_same_on_each_transport(timer):
    assert duration(timer, State.CALLING, 0, False) == TIMEOUT == 32.0
    assert duration(timer, State.CALLING, 0, True) == TIMEOUT


@pytest.mark.parametrize(
    ("timer", "seconds"), [(Input.D, 32.0), (Input.I, T4), (Input.J, 32.0), (Input.K, T4)]
)
def test_waiting_for_copies_takes_no_time_on_a_reliable_transport(timer, seconds):
    assert duration(timer, State.COMPLETED, 0, False) == seconds
    assert duration(timer, State.COMPLETED, 0, True) == 0.0
