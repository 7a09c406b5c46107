"""Flows decide the same everywhere, and say how things stand."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from flowstone.core.messages import Materialize, Request, Shard, ShardEnded
from flowstone.core.replies import Raised
from flowstone.core.table import State, write_table
from flowstone.flows.table import AnyFlow, take_flow
from tests.unit.flows.backfills import BACKFILLS
from tests.unit.flows.plays import PLAYS
from tests.unit.flows.scripted import Script, ScriptedEngine, play, skeleton
from tests.unit.flows.transcript import check

ROOT = Path(__file__).parents[3]
CHAIN = skeleton({"raw": [], "cleaned": ["raw"], "report": ["cleaned"]})


def request(**given: object) -> Request:
    fields = {
        "run": "r1",
        "verb": "materialize_all",
        "pipeline": "p",
        "asset": "report",
    }
    return Request(**{**fields, **given})  # pyright: ignore[reportArgumentType] - a test's


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_no_seed_of_hashes_changes_a_command(seed: str) -> None:
    """The same run gives the same commands in a process with any hash seed."""
    code = (
        "from hashlib import sha256\n"
        "from tests.unit.flows.backfills import BACKFILLS\n"
        "from tests.unit.flows.plays import PLAYS\n"
        "from tests.unit.flows.scripted import play\n"
        "played = [play(*p).transcript for p in {**PLAYS, **BACKFILLS}.values()]\n"
        "print(sha256('\\n'.join(played).encode()).hexdigest())\n"
    )
    here = [play(*p).transcript for p in {**PLAYS, **BACKFILLS}.values()]

    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()

    assert found == sha256("\n".join(here).encode()).hexdigest()


def test_a_changed_order_is_explained() -> None:
    """Whoever changes the order of commands is told what patched() is for."""
    played = play(Materialize(request=request()), Script(skeleton=CHAIN))

    with pytest.raises(AssertionError, match=r"workflow\.patched") as caught:
        check("never-written", played)

    assert "- take the change of order back" in str(caught.value)
    assert "+    0.000  do MakePlan: plan" in str(caught.value)


def test_people_see_how_things_stand() -> None:
    """While it runs, a run offers a table of its assets and what they do."""
    script = Script(skeleton=CHAIN, replies={"cleaned": [Raised(after=1000)]})

    shown = play(Materialize(request=request()), script).shown

    assert shown[0].startswith("**0 of 3 done**: 3 running")
    assert "| cleaned\N{EM SPACE} | ⏸ asleep\N{EM SPACE} |  |" in shown[1]
    assert shown[-1].startswith("**3 of 3 done**: 3 made")


def test_people_see_how_far_a_backfill_is() -> None:
    """While it runs, a backfill offers a table of its stretches of keys."""
    shown = play(*BACKFILLS["backfill"]).shown

    tables = [text for text in shown if "| keys |" in text]
    assert tables[0].startswith("**0 of 5 keys done**")
    assert tables[-1].startswith("**5 of 5 keys done**")


def test_people_see_that_no_worker_has_the_asset() -> None:
    """A run that no worker can plan says whom it waits for."""
    shown = play(*PLAYS["not-planned"]).shown

    assert shown[0] == "Waiting for a worker: no worker"


def test_a_shard_answers_though_it_was_never_planned() -> None:
    """A shard cancelled before it read its plan still answers for each of its keys."""
    shard = Shard(
        request=request(verb="backfill", keys=2),
        number=3,
        first=0,
        count=2,
        parallel=1,
        common=write_table([State.MADE, State.PENDING, State.PENDING]),
    )
    made, cancelled = State.MADE, State.CANCELLED

    found = play(
        shard, Script(skeleton=CHAIN, unserved=["ReadPlan"], cancels=[1])
    ).found

    table = [made, cancelled, cancelled] * 2
    assert found == ShardEnded(number=3, table=write_table(table))


async def test_there_is_no_other_flow() -> None:
    """What is no flow is refused: there is one place that knows them all."""
    engine = cast("ScriptedEngine", None)

    with pytest.raises(AssertionError):
        await take_flow(engine, cast("AnyFlow", object()))


def test_a_flow_that_waits_for_ever_is_found_out() -> None:
    """The double notices a flow that nothing can wake any more."""
    script = Script(skeleton=CHAIN, unserved=["raw"])

    with pytest.raises(AssertionError, match="waits for what never comes"):
        play(Materialize(request=request()), script)


def test_the_clock_of_the_double_does_not_run_by_itself() -> None:
    """An hour of a play takes no time."""
    script = Script(skeleton=CHAIN, seconds={"raw": 3600})

    assert " 3601.000  " in play(Materialize(request=request()), script).transcript
