"""A table of states, written as short text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowstone.core.table import State, cut_short, read_table, write_table

STATES = st.lists(st.sampled_from(State), max_size=500)


@given(STATES)
def test_a_table_comes_back_as_it_was(table: list[State]) -> None:
    """Nothing is lost of a table that is written and read."""
    assert [State(s) for s in read_table(write_table(table))] == table


@given(STATES)
def test_what_is_cut_short_is_cancelled(table: list[State]) -> None:
    """What has ended stays as it ended; all else is cancelled."""
    expected = [s if s >= State.MADE else State.CANCELLED for s in table]

    assert [State(s) for s in cut_short(bytes(table))] == expected


def test_a_large_table_is_short() -> None:
    """Ten thousand keys of five assets cross the wall in little room."""
    assert len(write_table([State.MADE] * 50_000)) < 200


def test_the_numbers_of_states_are_part_of_histories() -> None:
    """No state is ever given another number."""
    assert {state.name: int(state) for state in State} == {
        "PENDING": 0,
        "READY": 1,
        "RUNNING": 2,
        "SLEEPING": 3,
        "BUSY": 4,
        "WAITING": 5,
        "MADE": 6,
        "REUSED": 7,
        "BYPASSED": 8,
        "FAILED": 9,
        "BLOCKED": 10,
        "CANCELLED": 11,
        "OUT": 12,
    }
