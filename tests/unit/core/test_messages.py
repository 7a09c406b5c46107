"""What crosses the wall comes back as it was, of its own type."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import cast, get_args

import pytest
from pydantic import TypeAdapter

from flowstone.core import messages, replies
from flowstone.core.messages import (
    Backfill,
    Carried,
    Cell,
    Ended,
    EndRun,
    MakePlan,
    Materialize,
    Planned,
    ReadPlan,
    Request,
    RunAssets,
    SettleGates,
    Shard,
    ShardEnded,
    Step,
)
from flowstone.core.replies import (
    Busy,
    Cancelled,
    Held,
    Left,
    Missing,
    NotHere,
    PackReply,
    Produced,
    Raised,
    Reply,
    Reused,
    Skipped,
    Snoozed,
    Superseded,
)
from flowstone.core.table import State, write_table
from tests.unit.core.driven import CHAIN
from tests.unit.flows.scripted import skeleton

REQUEST = Request(run="r1", verb="backfill", pipeline="shop", asset="report", keys=7)
CARRIED = Carried(
    table=write_table([State.MADE, State.BUSY]),
    dispatch=5,
    due={1: 1_736_942_400_000},
    failures={0: 2},
    asked={1: 3},
    solo=[1],
    millis=[4, -1],
)
REPLIES: list[Reply] = [
    Produced(millis=5),
    Reused(),
    Skipped(),
    Raised(retryable=False, after=5),
    Snoozed(millis=5),
    Held(gate="g", deadline=datetime(2025, 1, 15, tzinfo=UTC), answered=True),
    Held(gate="g", waits_for="a decision by the board"),
    Busy(owner="r0", gate="g"),
    NotHere(why="no worker"),
    Missing(nodes=[1, 2]),
    Superseded(),
    Cancelled(),
    Left(solo=True),
]
CELLS = [Cell(1, 2, attempt=3, absent=(0,)), Cell(2)]
SENT: list[object] = [
    Materialize(request=REQUEST),
    Materialize(request=REQUEST, carried=CARRIED),
    Backfill(request=REQUEST, carried=CARRIED),
    Shard(
        request=REQUEST,
        number=1,
        first=3,
        count=4,
        parallel=2,
        common=write_table([State.PENDING]),
        carried=CARRIED,
    ),
    ShardEnded(number=1, table=write_table([State.MADE]), failed=1),
    MakePlan(request=REQUEST, again=True),
    ReadPlan(run="r1"),
    RunAssets(run="r1", dispatch=3, cells=CELLS, budget=0, last=True, again=True),
    SettleGates(
        run="r1",
        dispatch=3,
        cells=CELLS,
        expired=True,
        instants=[1_736_942_400_000] * 2,
    ),
    EndRun(run="r1", status="failed", table=write_table([State.FAILED])),
    Planned(skeleton=skeleton(CHAIN), keys=7),
    Ended(status="failed", error={"type": "RunError", "reason": "No."}),
    PackReply(replies=REPLIES, ended=True, closed=True),
]


def wire(kind: object) -> TypeAdapter[object]:
    """Give what writes and reads a message of a kind."""
    return TypeAdapter(cast("type[object]", kind))


def crossed(value: object, kind: object) -> object:
    """Give what a process gets of what another one sends."""
    return wire(kind).validate_json(wire(kind).dump_json(value))


@pytest.mark.parametrize("value", SENT, ids=lambda value: type(value).__name__)
def test_what_is_sent_is_what_comes(value: object) -> None:
    """Every message survives its way, whole and of its own type."""
    kind = type(value)
    back = crossed(value, kind)

    assert type(back) is kind
    assert wire(kind).dump_json(back) == wire(kind).dump_json(value)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.kind)
def test_a_reply_keeps_its_kind(reply: Reply) -> None:
    """Each reply comes back as the one that it was, among all there are."""
    assert crossed(reply, Reply) == reply


def test_every_reply_is_in_these_tests() -> None:
    """No reply is left out."""
    [union, _] = get_args(Reply)

    assert set(get_args(union)) == {type(reply) for reply in REPLIES}


@pytest.mark.parametrize(
    "answer",
    [
        Planned(skeleton=skeleton(CHAIN)),
        NotHere(why="no worker"),
        Ended(status="cancelled"),
    ],
    ids=lambda answer: answer.kind,
)
def test_the_answer_to_a_plan_keeps_its_kind(
    answer: Planned | NotHere | Ended,
) -> None:
    """A plan, an end and an absence are told apart."""
    assert type(crossed(answer, MakePlan.answer)) is type(answer)


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        (ReadPlan, SENT[10]),
        (RunAssets, SENT[12]),
        (SettleGates, SENT[12]),
        (EndRun, SENT[11]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_step_says_what_it_answers(step: type[Step[object]], answer: object) -> None:
    """An engine can decode the answer of each step."""
    assert type(crossed(answer, step.answer)) is type(answer)


def test_a_message_of_an_earlier_release_is_read() -> None:
    """What was added later has a default, so that a history without it is read."""
    old = '{"run": "r1", "verb": "backfill", "pipeline": "shop", "asset": "report"}'

    assert TypeAdapter(Request).validate_json(old) == Request(
        run="r1", verb="backfill", pipeline="shop", asset="report"
    )


FIELDS = {
    "Backfill": "request carried",
    "Busy": "owner gate kind",
    "Cancelled": "kind",
    "Carried": "table dispatch due failures asked solo millis",
    "EndRun": "run status table",
    "Ended": "status error kind",
    "Held": "gate deadline answered kind waits_for",
    "Left": "solo kind",
    "MakePlan": "request again",
    "Materialize": "request carried",
    "Missing": "nodes kind",
    "NotHere": "why kind",
    "PackReply": "replies ended closed",
    "Planned": "skeleton keys kind",
    "Produced": "millis kind",
    "Raised": "retryable after kind",
    "ReadPlan": "run",
    "Request": "run verb pipeline asset key keys policy packs budget parallel "
    "on_failure schedule scheduled_at tick sensor",
    "Reused": "kind",
    "RunAssets": "run dispatch cells budget last again",
    "SettleGates": "run dispatch cells expired instants",
    "Shard": "request number first count parallel common carried",
    "ShardEnded": "number table failed",
    "Skipped": "kind",
    "Snoozed": "millis kind",
    "Superseded": "kind",
}


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_of_a_message_is_renamed(name: str) -> None:
    """A history is for ever: fields are added, never renamed or taken away."""
    found = [field.name for field in fields((vars(messages) | vars(replies))[name])]

    assert found[: len(FIELDS[name].split())] == FIELDS[name].split()
