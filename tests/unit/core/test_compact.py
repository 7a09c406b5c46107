"""Numbers that cross a continue-as-new are short, and the same afterwards."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from flowstone.core.compact import lengthen, shorten
from flowstone.core.messages import Carried
from flowstone.core.table import State, write_table

CELLS = 5_000
NUMBERS = st.lists(st.integers(-1, 2**45))
MAPPINGS = st.dictionaries(st.integers(0, 10_000), st.integers(0, 2**45))


def carried(**numbers: object) -> Carried:
    empty: dict[str, object] = {
        "due": {},
        "failures": {},
        "asked": {},
        "solo": [],
        "millis": [],
    }
    table = write_table([State.SLEEPING])
    return Carried(table=table, dispatch=1, **{**empty, **numbers})  # pyright: ignore[reportArgumentType]


@given(MAPPINGS, MAPPINGS, MAPPINGS, NUMBERS, NUMBERS)
def test_what_was_written_short_is_read_again(
    due: dict[int, int],
    failures: dict[int, int],
    asked: dict[int, int],
    solo: list[int],
    millis: list[int],
) -> None:
    """Every number is what it was, and whose it was."""
    table = carried(due=due, failures=failures, asked=asked, solo=solo, millis=millis)

    assert lengthen(shorten(table)) == table


def test_a_table_of_an_earlier_release_is_read_as_it_is() -> None:
    """A run that crossed before its numbers were written short goes on."""
    table = carried(due={3: 1_736_942_400_000}, millis=[4, -1])

    assert lengthen(table) is table


def test_thousands_of_sleepers_make_no_large_payload() -> None:
    """However many cells are asleep when a history is full (IO-20)."""
    when = random.Random(7)
    table = carried(
        due={n: 1_736_942_400_000 + when.randrange(86_400_000) for n in range(CELLS)},
        failures={n: when.randrange(9) for n in range(CELLS)},
        asked={n: when.randrange(9) for n in range(CELLS)},
        solo=list(range(CELLS)),
        millis=[when.randrange(1_000) for _ in range(CELLS)],
    )

    assert len(TypeAdapter(Carried).dump_json(table)) > 200_000
    assert len(TypeAdapter(Carried).dump_json(shorten(table))) < 64 * 1024
