"""Flows give the same commands as ever, whatever they meet."""

from __future__ import annotations

import pytest

from tests.unit.flows.backfills import BACKFILLS
from tests.unit.flows.plays import PLAYS
from tests.unit.flows.scripted import play
from tests.unit.flows.ticks import TICKS
from tests.unit.flows.transcript import check


@pytest.mark.parametrize("name", PLAYS)
def test_a_run_gives_the_commands_that_it_gave(name: str) -> None:
    """A run of one key gives the same commands in the same order (EXE-14, EXE-17)."""
    flow, script = PLAYS[name]

    check(name, play(flow, script))


@pytest.mark.parametrize("name", BACKFILLS)
def test_a_backfill_gives_the_commands_that_it_gave(name: str) -> None:
    """A backfill gives the same commands in the same order (API-16, API-37)."""
    flow, script = BACKFILLS[name]

    check(name, play(flow, script))


@pytest.mark.parametrize("name", TICKS)
def test_a_fire_gives_the_commands_that_it_gave(name: str) -> None:
    """A fire of a schedule gives the same commands in the same order (SCH-08)."""
    flow, script = TICKS[name]

    check(name, play(flow, script))
