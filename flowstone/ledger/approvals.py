"""Approvals: what waits for somebody's decision, and the decisions.

A decision is one transaction: the row goes on by compare-and-set, with who it was, the
audit log and a bell for the flow. No worker need be alive for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Select, select

from flowstone.core.errors import AlreadyDecided, OutOfDate, RunClosed, UnknownGate
from flowstone.core.events import Event
from flowstone.ledger.base import Gate
from flowstone.ledger.database import Database
from flowstone.ledger.deciding import approval_id, escalate, is_late, judge
from flowstone.ledger.dialect import Dialect
from flowstone.ledger.outbox import AFTER, ring
from flowstone.ledger.rows import event_row, gate_of
from flowstone.ledger.schema import events, gates, input_members, pointers, versions
from flowstone.ledger.turn import Turn

__all__ = ["Approvals", "Read"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A version that a value which waits was made from.

    Attributes:
        current: whether readers see it still.
    """

    parameter: str
    version: str
    asset: str
    key: str
    current: bool


class Approvals:
    """Reads approvals, and decides on them.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    # --- reading --------------------------------------------------------------------

    def waiting(self, pipeline: str, asset: str = "", limit: int = 1000) -> list[Gate]:
        """Give what waits for a decision, the oldest first."""
        query = select(gates).where(
            gates.c.pipeline == pipeline,
            gates.c.state == "waiting",
            gates.c.kind == "approval",
        )
        if asset:
            query = query.where(gates.c.asset == asset)
        query = query.order_by(gates.c.opened_at, gates.c.id).limit(limit)
        with self._database.reading() as conn:
            return [gate_of(row) for row in conn.execute(query).mappings()]

    def get(self, pipeline: str, approval: str) -> Gate:
        """Give an approval.

        Raises:
            UnknownGate: there is none of this id.
            OutOfDate: it was asked for anew since.
        """
        with self._database.reading() as conn:
            return _found(conn, _named(pipeline, approval), approval)

    def reads(self, found: Sequence[Gate]) -> dict[str, list[Read]]:
        """Give what the values of approvals were made from, by set of inputs."""
        with self._database.reading() as conn:
            return _reads(conn, self._dialect, [gate.inputs for gate in found])

    # --- deciding -------------------------------------------------------------------

    def decide(
        self,
        pipeline: str,
        approval: str,
        decision: str,
        actor: str,
        *,
        comment: str = "",
        edits: str | None = None,
    ) -> Gate:
        """Decide: `approve`, `reject`, or `recompute` to have it made again.

        Raises:
            UnknownGate: there is no such approval.
            AlreadyDecided: somebody was first, or the deadline has passed.
            OutOfDate: what it was made from has been replaced, or it was itself.
            RunClosed: its run has ended.
        """

        def work(turn: Turn, gate: Gate) -> Gate:
            if decision != "recompute":
                _check_reads(turn, gate)
            return judge(turn, gate, decision, actor, comment=comment, edits=edits)

        def is_mine(gate: Gate, mine: Gate) -> bool:
            return (gate.decided_at, gate.winner) == (mine.decided_at, mine.winner)

        return self._change(pipeline, approval, work, is_mine, lambda gate: gate)

    def escalate(
        self, pipeline: str, approval: str, to: str, actor: str
    ) -> tuple[Gate, Event]:
        """Have somebody else asked, with a new deadline of the same length.

        Raises:
            UnknownGate: there is no such approval.
            AlreadyDecided: somebody was first, or the deadline has passed.
            OutOfDate: it was asked for anew since.
            RunClosed: its run has ended.
        """

        def work(turn: Turn, gate: Gate) -> tuple[Gate, Event]:
            found, told = escalate(turn, gate, to, actor, since=turn.at)
            turn.dialect.insert(turn.conn, events, [event_row(told, turn.at)])
            return found, told

        def is_mine(gate: Gate, mine: tuple[Gate, Event]) -> bool:
            found, _ = mine
            return (gate.escalated_to, gate.deadline) == (to, found.deadline)

        return self._change(pipeline, approval, work, is_mine, lambda done: done[0])

    def _change(
        self,
        pipeline: str,
        approval: str,
        work: Callable[[Turn, Gate], T],
        is_mine: Callable[[Gate, T], bool],
        gate_in: Callable[[T], Gate],
    ) -> T:
        """Change an approval that is locked, and ring its flow; once."""
        done: list[T] = []

        def transaction(conn: Connection) -> T:
            query = self._dialect.locked(_named(pipeline, approval))
            gate = _found(conn, query, approval)
            turn = Turn.take(conn, self._dialect, pipeline)
            _check_open(turn, gate)
            found = work(turn, gate)
            changed = gate_in(found)
            whom = [(changed.workflow, changed.run)]
            ring(turn, whom, gate=changed.id, due=turn.at + AFTER)
            done.append(found)
            return found

        def ask(conn: Connection) -> T | None:
            # Shared, so that a commit which is still under way is waited for.
            query = self._dialect.locked(_named(pipeline, approval), share=True)
            gate = _found(conn, query, approval)
            return done[-1] if is_mine(gate, done[-1]) else None

        return self._database.transact(transaction, ask=ask)


def _named(pipeline: str, approval: str) -> Select[tuple[object, ...]]:
    return select(gates).where(
        gates.c.id == approval.partition(".")[0],
        gates.c.pipeline == pipeline,
        gates.c.kind == "approval",
    )


def _found(conn: Connection, query: Select[tuple[object, ...]], approval: str) -> Gate:
    row = conn.execute(query).mappings().first()
    if row is None:
        raise UnknownGate(gate=approval)
    gate = gate_of(row)
    if approval not in {gate.id, approval_id(gate)}:
        if approval.partition(".")[2] in {str(n) for n in range(1, gate.rounds)}:
            raise OutOfDate(
                reason=f"Approval {approval!r} was replaced: its asset was made again, "
                f"and waits as {approval_id(gate)!r}. Look at that one."
            )
        raise UnknownGate(gate=approval)
    return gate


def _check_open(turn: Turn, gate: Gate) -> None:
    if gate.state == "abandoned":
        raise RunClosed(run_id=gate.run, status="ended")
    if gate.state != "waiting":
        raise AlreadyDecided(gate=approval_id(gate), winner=gate.winner)
    if is_late(turn, gate):
        late = "its deadline has passed"
        raise AlreadyDecided(gate=approval_id(gate), winner=late)


def _check_reads(turn: Turn, gate: Gate) -> None:
    reads = _reads(turn.conn, turn.dialect, [gate.inputs])
    moved = [read for read in reads[gate.inputs] if not read.current]
    if moved:
        names = ", ".join(repr(read.asset) for read in moved)
        raise OutOfDate(
            reason=f"What approval {approval_id(gate)!r} was made from has changed "
            f"since: {names}. Ask for it anew with approvals.recompute(...)."
        )


def _reads(
    conn: Connection, dialect: Dialect, inputs: Sequence[str]
) -> dict[str, list[Read]]:
    query = (
        select(
            input_members.c.inputs,
            input_members.c.parameter,
            versions.c.id,
            versions.c.asset,
            versions.c.key,
            pointers.c.version,
        )
        .select_from(input_members)
        .join(versions, versions.c.id == input_members.c.version)
        .outerjoin(
            pointers,
            (pointers.c.asset == versions.c.asset) & (pointers.c.key == versions.c.key),
        )
        .where(dialect.among(input_members.c.inputs, sorted(set(inputs))))
        .order_by(input_members.c.inputs, input_members.c.place)
    )
    found: dict[str, list[Read]] = {name: [] for name in inputs}
    for name, parameter, version, asset, key, current in conn.execute(query):
        read = Read(
            parameter=parameter,
            version=version,
            asset=asset.split("/", 1)[-1],
            key=key,
            current=current == version,
        )
        found[name].append(read)
    return found
