"""The end of a run: its status, and all that it lets go of with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Delete, Select, Update, bindparam, delete, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from flowstone.core.approval_events import ApprovalCancelled
from flowstone.core.errors import FlowstoneError
from flowstone.core.events import (
    RUN_STOPS,
    BackfillStopped,
    Event,
    GateCancelled,
    RunStopped,
)
from flowstone.ledger.audit import write_audit
from flowstone.ledger.base import LIVE
from flowstone.ledger.batch import Answer, Batch
from flowstone.ledger.claims import ask_claims_of_run, free_run
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.rows import error_text, event_of, event_row
from flowstone.ledger.schema import attempts, events, gates, outbox, runs
from flowstone.ledger.turn import Turn

__all__ = ["Locked", "ask_run", "close_run", "lock_run", "recorded_end", "run_of"]

_MILLI = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A run whose row is locked, and what its end will say of it."""

    id: str
    status: str
    verb: str
    asset: str
    key: str
    actor: str
    started_at: datetime | None

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status in LIVE


def lock_run(turn: Turn, run: str) -> Locked | None:
    """Lock a run's row, if there is one; before its claims, as whoever opens does."""
    with turn.together() as send:
        asked = ask_run(send, run)
    return run_of(asked)


def ask_run(send: Batch, run: str) -> Answer:
    """Ask for a run's row, and lock it."""
    return send.ask(_lock, {"of": run})


def run_of(answer: Answer) -> Locked | None:
    """Read what `ask_run` found."""
    return next((Locked(**found) for found in answer.records()), None)


def _lock(dialect: Dialect) -> Select[*tuple[Any, ...]]:
    query = select(
        runs.c.id,
        runs.c.status,
        runs.c.verb,
        runs.c.asset,
        runs.c.key,
        runs.c.actor,
        runs.c.started_at,
    ).where(runs.c.id == bindparam("of"))
    return dialect.locked(query)


def close_run(
    turn: Turn,
    run: Locked,
    status: str,
    *,
    error: FlowstoneError | None = None,
    reason: str = "",
    news: Sequence[Event] = (),
) -> list[Event]:
    """Set a live run's end, and let go of its claims, gates, attempts and bells.

    Returns:
        The events that were recorded: `news`, and those of the end.
    """
    at = turn.at
    with turn.together() as send:
        end = {"to": status, "error": error_text(error), "reason": reason}
        send.ask(_end, {"of": run.id, "at": at, **end})
        claimed = ask_claims_of_run(send, run.id)
        left = send.ask(_abandon, {"of": run.id, "at": at})
        send.ask(_lose, {"of": run.id, "at": at})
        send.ask(_hush, {"of": run.id})
    free_run(turn, [(asset, key) for asset, key in claimed.rows()])
    told = [replace(event, at=event.at or at) for event in news]
    told += [_left(row, run, at) for row in left.records()]
    told.append(_stop(run, status, at))
    with turn.together() as send:
        send.insert(events, [event_row(event, at) for event in told])
        write_audit(
            turn,
            f"run.{status}",
            [run.id],
            actor=run.actor,
            run=run.id,
            data={"reason": reason},
        )
    return told


def _end(_: Dialect) -> Update:
    return (
        update(runs)
        .where(runs.c.id == bindparam("of"))
        .values(
            status=bindparam("to"),
            ended_at=bindparam("at"),
            error=bindparam("error"),
            reason=bindparam("reason"),
        )
    )


def _abandon(_: Dialect) -> ReturningUpdate[*tuple[Any, ...]]:
    # An answer that nobody has seen will not be seen any more.
    unseen = or_(gates.c.state == "waiting", ~gates.c.seen)
    return (
        update(gates)
        .where(gates.c.run == bindparam("of"), unseen, gates.c.state != "abandoned")
        .values(state="abandoned", decided_at=bindparam("at"))
        .returning(gates.c.id, gates.c.asset, gates.c.key, gates.c.kind, gates.c.rounds)
    )


def _lose(_: Dialect) -> Update:
    return (
        update(attempts)
        .where(attempts.c.run == bindparam("of"), attempts.c.state == "open")
        .values(state="lost", ended_at=bindparam("at"))
    )


def _hush(_: Dialect) -> Delete:
    return delete(outbox).where(outbox.c.run == bindparam("of"))


def recorded_end(turn: Turn, run: str) -> list[Event]:
    """Give the event of the end of a run that has ended."""
    query = select(events).where(
        events.c.run == run, events.c.name.in_(sorted(RUN_STOPS))
    )
    return [event_of(row) for row in turn.conn.execute(query).mappings()]


def _left(row: Mapping[str, Any], run: Locked, at: datetime) -> Event:
    """Tell that nobody waits at a gate any more."""
    name, gate = str(row["asset"]).split("/", 1)[-1], str(row["id"])
    told = GateCancelled(
        asset=name, key=row["key"], run=run.id, outcome="abandoned", at=at, gate=gate
    )
    if row["kind"] == "signal":
        return told
    return ApprovalCancelled(
        asset=name,
        key=told.key,
        run=run.id,
        outcome=told.outcome,
        at=at,
        approval=f"{gate}.{row['rounds']}",
    )


def _stop(run: Locked, status: str, at: datetime) -> Event:
    """Tell that a run has ended, and after how long."""
    kind = BackfillStopped if run.verb == "backfill" else RunStopped
    began = run.started_at
    return kind(
        asset=run.asset,
        key=run.key,
        run=run.id,
        outcome=status,
        at=at,
        millis=None if began is None else round((at - began) / _MILLI),
    )
