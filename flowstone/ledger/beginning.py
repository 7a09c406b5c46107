"""The beginning of a run: its row, its plan, and where it is short, its pack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Select, Update, bindparam, select, update

from flowstone.core.events import Event
from flowstone.core.plan import Plan
from flowstone.core.table import State
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import LIVE, Dispatch, Opened, RunRow, Version, Wanted
from flowstone.ledger.batch import Answer, Batch
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.opening import open_within
from flowstone.ledger.rows import event_row, run_of, run_row
from flowstone.ledger.run_reader import ask_durations
from flowstone.ledger.schema import events, plans, run_nodes, runs
from flowstone.ledger.turn import Turn

__all__ = ["Along", "Begun", "insert_run", "note_start", "plan_run", "write_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Along:
    """A pack that may be opened in the transaction that writes its run's plan.

    Attributes:
        who: the dispatch that asks.
        choose: gives the cells to make, if any, by the run as it is now planned and by
            how long its assets took of late; it may be asked more than once.
    """

    who: Dispatch
    choose: Callable[[RunRow, Mapping[str, int]], Sequence[Wanted]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What came of writing a run's plan.

    Attributes:
        state: whether the plan is now this one, or one was there before; a run that
            has ended is not begun again.
        run: its row.
        millis: how long its assets took of late.
        opened: the pack that was opened along, if one was.
    """

    state: Literal["ours", "there", "ended"]
    run: RunRow
    millis: Mapping[str, int]
    opened: Opened | None = None


def insert_run(send: Batch, turn: Turn, run: RunRow) -> Answer:
    """Write the row of a run, unless there is one; `note_start` where there was none."""
    return send.insert(runs, [run_row(run, turn.at)], "DO NOTHING", ["id"])


def note_start(turn: Turn, run: RunRow, news: Sequence[Event] = ()) -> None:
    """Write who asked for a run, and the events of that."""
    told = [event_row(event, turn.at) for event in news]
    data = {"verb": run.request.verb, "workflow": run.workflow}
    with turn.together() as send:
        send.insert(events, told)
        write_audit(turn, "run.start", [run.id], actor=run.actor, run=run.id, data=data)


def write_plan(turn: Turn, plan: Plan) -> None:
    """Write a plan, unless an equal one is there."""
    body = {"digest": plan.digest, "body": plan.body}
    turn.dialect.insert(turn.conn, plans, [body], "DO NOTHING")


def plan_run(
    conn: Connection,
    dialect: Dialect,
    run: RunRow,
    plan: Plan,
    given: Mapping[int, Version | None],
    news: Sequence[Event],
    along: Along | None,
) -> Begun:
    """Begin a run within a transaction; see `Runs.plan`."""
    assets = [f"{plan.pipeline}/{n.asset}" for n in plan.nodes if not n.given]
    with dialect.together(conn) as send:
        at = send.clock()
        asked = send.ask(_lock, {"of": run.id})
        taken = ask_durations(send, dialect, assets)
        fence = send.fence() if along else None
    turn = Turn(conn=conn, dialect=dialect, pipeline=run.request.pipeline, at=at())
    found = next(map(run_of, asked.records()), None) or _written(turn, run)
    millis = taken()
    if found.status != "starting":
        state = "there" if found.status in LIVE else "ended"
        return Begun(state=state, run=found, millis=millis)
    _plan(turn, run.id, plan, given, news)
    planned = replace(found, status="running", plan=plan.digest, started_at=turn.at)
    wanted = along.choose(planned, millis) if along else ()
    opened = None
    if along and fence and wanted:
        opened = open_within(turn, along.who, wanted, fence=fence())
    return Begun(state="ours", run=planned, millis=millis, opened=opened)


def _written(turn: Turn, run: RunRow) -> RunRow:
    """Write a row that is missing; where somebody was quicker, theirs stands."""
    with turn.together() as send:
        new = insert_run(send, turn, run)
        asked = send.ask(_lock, {"of": run.id})
    if new.rows():
        note_start(turn, run)
    return run_of(asked.records()[0])


def _lock(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    return dialect.locked(select(runs).where(runs.c.id == bindparam("of")))


def _plan(
    turn: Turn,
    run: str,
    plan: Plan,
    given: Mapping[int, Version | None],
    news: Sequence[Event],
) -> None:
    pinned = [
        {
            "run": run,
            "key_number": 0,
            "node": node,
            "state": int(State.BYPASSED if v is None else State.REUSED),
            "version": None if v is None else v.id,
            "reason": "it has no value" if v is None else "given",
            "error": None,
        }
        for node, v in given.items()
    ]
    with turn.together() as send:
        write_plan(turn, plan)
        send.ask(_begin, {"of": run, "to": plan.digest, "at": turn.at})
        send.insert(run_nodes, pinned, "DO NOTHING")
        send.insert(events, [event_row(event, turn.at) for event in news])


def _begin(_: Dialect) -> Update:
    return (
        update(runs)
        .where(runs.c.id == bindparam("of"))
        .values(status="running", plan=bindparam("to"), started_at=bindparam("at"))
    )
