"""The protocol of a step: open, then commit (each one transaction).

Opening takes claims, draws a fence and writes attempts, so that what comes to be
stored can be found. Committing locks the claims, checks the fence, and makes versions
visible together with all that is said of them. A claim never outlives its step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, and_, select, update

from flowstone.core.events import Event
from flowstone.core.table import State
from flowstone.ledger.base import (
    Attempt,
    Claimed,
    Committed,
    Dispatch,
    Ending,
    Holding,
    Making,
    Opened,
    Version,
    Wanted,
)
from flowstone.ledger.claims import free, take
from flowstone.ledger.database import Database
from flowstone.ledger.ids import new_id
from flowstone.ledger.rows import clock, dump, error_text, event_row, version_of
from flowstone.ledger.runs import close_run
from flowstone.ledger.schema import (
    attempts,
    audit,
    claims,
    events,
    gates,
    input_members,
    pointers,
    run_nodes,
    runs,
    versions,
)

__all__ = ["Packs"]

_LIVE = ("starting", "running")
_NODE_CONFLICT = (
    "(run, key_number, node) DO UPDATE SET state = excluded.state, "
    "version = excluded.version, reason = excluded.reason, error = excluded.error "
    # What was made stays made, whatever a late failure says.
    "WHERE excluded.version IS NOT NULL OR flowstone_run_nodes.version IS NULL"
)


class Packs:
    """Opens and commits packs.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect

    # --- open -----------------------------------------------------------------------

    def open(
        self, who: Dispatch, pipeline: str, wanted: Sequence[Wanted], *, rerun: bool
    ) -> Opened:
        """Take what may be made now, and read what it is made from.

        Args:
            who: the dispatch that asks.
            pipeline: the app's name.
            wanted: the cells to make, in order.
            rerun: whether this is a pack's second attempt, which runs nothing: its
                open attempts end as lost, its claims are let go.
        """
        return self._database.transact(
            lambda conn: self._open(conn, who, pipeline, wanted, rerun=rerun)
        )

    def _open(
        self,
        conn: Connection,
        who: Dispatch,
        pipeline: str,
        wanted: Sequence[Wanted],
        *,
        rerun: bool,
    ) -> Opened:
        live = self._dialect.locked(
            select(runs.c.status).where(runs.c.id == who.run), share=True
        )
        if conn.execute(live).scalar() not in _LIVE:
            return Opened(closed=True)
        at = clock(conn)
        cells = self._cells(conn, who.run, wanted)
        lost = self._lose(conn, who, wanted, at) if who.attempt > 1 else {}
        if rerun:
            free(conn, self._dialect, who, pipeline, at)
            return Opened(cells=[_found_made(w, cells) for w in wanted])
        known = [_found_made(w, cells) for w in wanted]
        todo = [w for w, c in zip(wanted, known, strict=True) if not c.settled]
        taken = take(conn, self._dialect, who, todo, at)
        current = self._current(conn, [w for w in todo if w.reusable])
        found = [
            c if c.settled else _judge(w, taken, current, pipeline, lost)
            for w, c in zip(wanted, known, strict=True)
        ]
        self._begin_attempts(conn, who, wanted, found, at)
        return Opened(cells=found, inputs=self._inputs(conn, wanted, cells))

    def _cells(
        self, conn: Connection, run: str, wanted: Sequence[Wanted]
    ) -> dict[tuple[int, int], tuple[int, str | None]]:
        """Read how this run has settled the cells and what they read."""
        pairs = {w.cell for w in wanted} | {i for w in wanted for i in w.inputs}
        among = self._dialect.among
        query = select(
            run_nodes.c.node,
            run_nodes.c.key_number,
            run_nodes.c.state,
            run_nodes.c.version,
        ).where(
            run_nodes.c.run == run,
            among(run_nodes.c.key_number, sorted({k for _, k in pairs})),
            among(run_nodes.c.node, sorted({n for n, _ in pairs})),
        )
        return {(n, k): (state, v) for n, k, state, v in conn.execute(query)}

    def _current(
        self, conn: Connection, wanted: Sequence[Wanted]
    ) -> dict[tuple[str, str], Version]:
        """Read the versions that readers see now."""
        if not wanted:
            return {}
        among = self._dialect.among
        query = (
            select(versions)
            .join(pointers, pointers.c.version == versions.c.id)
            .where(
                among(pointers.c.asset, sorted({w.asset for w in wanted})),
                among(pointers.c.key, sorted({w.key for w in wanted})),
            )
        )
        found = (version_of(row) for row in conn.execute(query))
        return {(v.asset, v.key): v for v in found}

    def _inputs(
        self,
        conn: Connection,
        wanted: Sequence[Wanted],
        cells: Mapping[tuple[int, int], tuple[int, str | None]],
    ) -> dict[tuple[int, int], Version | None]:
        """Read the versions that this run made, or took, of what is read."""
        ids = {
            i: version
            for w in wanted
            for i in w.inputs
            if (version := cells.get(i, (0, None))[1]) is not None
        }
        absent = {
            i: None
            for w in wanted
            for i in w.inputs
            if cells.get(i, (0, None))[0] == State.BYPASSED
        }
        if not ids:
            return {**absent}
        query = select(versions).where(
            self._dialect.among(versions.c.id, sorted(set(ids.values())))
        )
        found = {v.id: v for v in map(version_of, conn.execute(query))}
        return absent | {i: found[v] for i, v in ids.items() if v in found}

    def _lose(
        self, conn: Connection, who: Dispatch, wanted: Sequence[Wanted], at: datetime
    ) -> dict[tuple[int, int], int]:
        """End what earlier attempts of this dispatch left open; count the losses."""
        mine = and_(
            attempts.c.run == who.run,
            attempts.c.workflow == who.workflow,
            attempts.c.dispatch == who.dispatch,
        )
        conn.execute(
            update(attempts)
            .where(mine, attempts.c.state == "open", attempts.c.attempt < who.attempt)
            .values(state="lost", ended_at=at)
        )
        if len(wanted) != 1:
            return {}
        cell = wanted[0]
        query = select(attempts.c.id).where(
            attempts.c.run == who.run,
            attempts.c.node == cell.node,
            attempts.c.key_number == cell.key_number,
            attempts.c.state == "lost",
            attempts.c.alone,
        )
        return {cell.cell: len(conn.execute(query).all())}

    def _begin_attempts(
        self,
        conn: Connection,
        who: Dispatch,
        wanted: Sequence[Wanted],
        found: Sequence[Claimed],
        at: datetime,
    ) -> None:
        rows = [
            {
                "id": c.attempt.id,
                "run": who.run,
                "node": w.node,
                "key_number": w.key_number,
                "item": -1,
                "asset": w.asset,
                "key": w.key,
                "workflow": who.workflow,
                "dispatch": who.dispatch,
                "attempt": who.attempt,
                "number": w.number,
                "fence": c.attempt.fence,
                "io": w.io,
                "path": c.attempt.path,
                "alone": len(wanted) == 1,
                "state": "open",
                "started_at": at,
            }
            for w, c in zip(wanted, found, strict=True)
            if c.attempt is not None
        ]
        self._dialect.insert(conn, attempts, rows)

    # --- commit ---------------------------------------------------------------------

    def commit(
        self,
        who: Dispatch,
        pipeline: str,
        making: Sequence[Making] = (),
        *,
        reusing: Sequence[tuple[Wanted, Version]] = (),
        ending: Sequence[Ending] = (),
        holding: Sequence[Holding] = (),
        news: Sequence[Event] = (),
        release: bool = False,
        end_run: bool = False,
    ) -> Committed:
        """Make values visible, and write down all that is said with them.

        Args:
            who: the dispatch that asks.
            pipeline: the app's name.
            making: values that were written.
            reusing: versions that are taken as they are.
            ending: attempts that ended without a value.
            holding: attempts that ended at a gate.
            news: events to record whatever is refused.
            release: whether every claim of the dispatch is let go.
            end_run: whether the run is ended as succeeded, if nothing was refused.
        """
        return self._database.transact(
            lambda conn: self._commit(
                conn,
                who,
                pipeline,
                making,
                reusing,
                ending,
                holding,
                news,
                release=release,
                end_run=end_run,
            )
        )

    def _commit(
        self,
        conn: Connection,
        who: Dispatch,
        pipeline: str,
        making: Sequence[Making],
        reusing: Sequence[tuple[Wanted, Version]],
        ending: Sequence[Ending],
        holding: Sequence[Holding],
        news: Sequence[Event],
        *,
        release: bool,
        end_run: bool,
    ) -> Committed:
        at = clock(conn)
        verdicts = self._verdicts(conn, who, making, holding)
        good = [m for m in making if verdicts[m.wanted.cell] == "committed"]
        self._add_versions(conn, who, good, at)
        held = [h for h in holding if verdicts[h.wanted.cell] == "held"]
        self._settle_nodes(conn, who.run, good, reusing, ending, held)
        self._end_attempts(conn, verdicts, making, ending, holding, at)
        self._open_gates(conn, who, pipeline, held, at)
        refused = set(verdicts.values()) & {"made", "superseded", "left"}
        told = [*news, *(one.told for one in (*good, *held))]
        self._dialect.insert(conn, events, [event_row(e, at) for e in told])
        if good:
            self._dialect.insert(conn, audit, [_audit(who, good, at)])
        if release:
            free(conn, self._dialect, who, pipeline, at)
        else:
            only = [m.wanted for m in good]
            free(conn, self._dialect, who, pipeline, at, only=only)
        if end_run and not refused:
            told += close_run(conn, self._dialect, who.run, "succeeded", at)
        return Committed(verdicts=verdicts, news=told)

    def _verdicts(
        self,
        conn: Connection,
        who: Dispatch,
        making: Sequence[Making],
        holding: Sequence[Holding],
    ) -> dict[tuple[int, int], str]:
        """Lock the claims, and tell which of them are still this dispatch's."""
        if not making and not holding:
            return {}
        query = self._dialect.locked(
            select(claims.c.asset, claims.c.key, claims.c.fence)
            .where(
                claims.c.run == who.run,
                claims.c.workflow == who.workflow,
                claims.c.dispatch == who.dispatch,
            )
            .order_by(claims.c.asset, claims.c.key)
        )
        mine = {(a, k): fence for a, k, fence in conn.execute(query)}
        found: dict[tuple[int, int], str] = {}
        for one, good in (
            *((m, "committed") for m in making),
            *((h, "held") for h in holding),
        ):
            want = one.wanted
            ours = mine.get((want.asset, want.key)) == one.attempt.fence
            found[want.cell] = good if ours else "superseded"
        wanted = [m.wanted for m in making] + [h.wanted for h in holding]
        late = [w for w in wanted if found[w.cell] == "superseded"]
        if late:
            made = self._cells(conn, who.run, late)
            for want in late:
                if _found_made(want, made).made:
                    found[want.cell] = "made"
            _poison(making, found)
        return found

    def _add_versions(
        self, conn: Connection, who: Dispatch, good: Sequence[Making], at: datetime
    ) -> None:
        members: dict[str, list[tuple[str, str]]] = {}
        rows: list[dict[str, object]] = []
        for made in good:
            inputs = _input_set(made.reads)
            members[inputs] = list(made.reads)
            rows.append(_version_row(who, made, inputs, at))
        self._dialect.insert(conn, versions, rows)
        self._dialect.insert(
            conn,
            input_members,
            [
                {"inputs": i, "place": p, "parameter": name, "version": version}
                for i, reads in sorted(members.items())
                for p, (name, version) in enumerate(reads)
            ],
            "DO NOTHING",
        )
        self._dialect.insert(
            conn,
            pointers,
            sorted(
                (
                    {
                        "asset": m.wanted.asset,
                        "key": m.wanted.key,
                        "version": m.attempt.id,
                        "fence": m.attempt.fence,
                        "moved_at": at,
                    }
                    for m in good
                ),
                key=lambda row: (str(row["asset"]), str(row["key"])),
            ),
            "(asset, key) DO UPDATE SET version = excluded.version, "
            "fence = excluded.fence, moved_at = excluded.moved_at "
            "WHERE flowstone_pointers.fence < excluded.fence",
        )

    def _settle_nodes(
        self,
        conn: Connection,
        run: str,
        good: Sequence[Making],
        reusing: Sequence[tuple[Wanted, Version]],
        ending: Sequence[Ending],
        held: Sequence[Holding],
    ) -> None:
        rows = [
            *(_node_row(run, h.wanted, State.WAITING, None, h.gate) for h in held),
            *(_node_row(run, m.wanted, State.MADE, m.attempt.id) for m in good),
            *(_node_row(run, w, State.REUSED, v.id) for w, v in reusing),
            *(
                _node_row(run, e.wanted, State.BYPASSED, None, e.reason)
                for e in ending
                if e.state == "skipped"
            ),
            *(
                _node_row(run, e.wanted, State.FAILED, None, "", error_text(e.error))
                for e in ending
                if e.state == "failed"
            ),
        ]
        self._dialect.insert(conn, run_nodes, rows, _NODE_CONFLICT)

    def _end_attempts(
        self,
        conn: Connection,
        verdicts: Mapping[tuple[int, int], str],
        making: Sequence[Making],
        ending: Sequence[Ending],
        holding: Sequence[Holding],
        at: datetime,
    ) -> None:
        ended: dict[str, list[str]] = {}
        for made in making:
            state = verdicts[made.wanted.cell]
            kept = "committed" if state == "committed" else "discarded"
            ended.setdefault(kept, []).append(made.attempt.id)
        for hold in holding:
            ended.setdefault("held", []).append(hold.attempt.id)
        for end in ending:
            ended.setdefault(end.state, []).append(end.attempt.id)
            if end.error is not None:
                conn.execute(
                    update(attempts)
                    .where(attempts.c.id == end.attempt.id)
                    .values(error=error_text(end.error))
                )
        for state, ids in ended.items():
            conn.execute(
                update(attempts)
                .where(self._dialect.among(attempts.c.id, ids))
                .values(state=state, ended_at=at)
            )

    def _open_gates(
        self,
        conn: Connection,
        who: Dispatch,
        pipeline: str,
        held: Sequence[Holding],
        at: datetime,
    ) -> None:
        self._dialect.insert(
            conn,
            gates,
            [
                {
                    "id": h.gate,
                    "run": who.run,
                    "node": h.wanted.node,
                    "key_number": h.wanted.key_number,
                    "item": -1,
                    "asset": h.wanted.asset,
                    "key": h.wanted.key,
                    "pipeline": pipeline,
                    "workflow": who.workflow,
                    "state": "waiting",
                    "on_timeout": h.on_timeout,
                    "opened_at": at,
                    "deadline": None
                    if h.timeout_seconds is None
                    else at + timedelta(seconds=h.timeout_seconds),
                    "winner": "",
                    "seen": False,
                    "input_version": "",
                }
                for h in held
            ],
            # One that has expired is opened again, by whoever decided so.
            "(id) DO UPDATE SET state = 'waiting', deadline = excluded.deadline, "
            "decided_at = NULL, winner = '', seen = excluded.seen "
            "WHERE flowstone_gates.state = 'expired'",
        )
        for hold in held:
            conn.execute(
                update(claims)
                .where(
                    claims.c.asset == hold.wanted.asset,
                    claims.c.key == hold.wanted.key,
                    claims.c.fence == hold.attempt.fence,
                )
                .values(gate=hold.gate)
            )


def _poison(making: Sequence[Making], found: dict[tuple[int, int], str]) -> None:
    """Leave what was made from a value that is not this run's after all."""
    lost = {m.attempt.id for m in making if found[m.wanted.cell] != "committed"}
    for made in making:
        reads = {version for _, version in made.reads}
        if found[made.wanted.cell] == "committed" and reads & lost:
            found[made.wanted.cell] = "left"
            lost.add(made.attempt.id)


def _found_made(
    wanted: Wanted, cells: Mapping[tuple[int, int], tuple[int, str | None]]
) -> Claimed:
    state, version = cells.get(wanted.cell, (0, None))
    settled = state in {State.MADE, State.REUSED} and version is not None
    waits = state == State.WAITING and not wanted.gate
    return Claimed(made=settled, held=waits)


def _judge(
    wanted: Wanted,
    taken: Mapping[tuple[str, str], int | tuple[str, str]],
    current: Mapping[tuple[str, str], Version],
    pipeline: str,
    lost: Mapping[tuple[int, int], int],
) -> Claimed:
    place = (wanted.asset, wanted.key)
    version = current.get(place) if wanted.reusable else None
    if version is not None:
        return Claimed(reused=version)
    mine = taken[place]
    if not isinstance(mine, int):
        return Claimed(busy=mine)
    drawn = new_id()
    name = wanted.asset.split("/", 1)[-1]
    attempt = Attempt(id=drawn, path=f"{pipeline}/{name}/{drawn}", fence=mine)
    return Claimed(attempt=attempt, lost=lost.get(wanted.cell, 0))


def _input_set(reads: Sequence[tuple[str, str]]) -> str:
    """Name a set of inputs by what is in it; equal sets are one row."""
    return sha256(dump(list(reads)).encode()).hexdigest()[:32] if reads else ""


def _version_row(
    who: Dispatch, made: Making, inputs: str, at: datetime
) -> dict[str, object]:
    want = made.wanted
    return {
        "id": made.attempt.id,
        "run": who.run,
        "node": want.node,
        "key_number": want.key_number,
        "item": -1,
        "asset": want.asset,
        "key": want.key,
        "data_version": made.digest,
        "code": made.code,
        "inputs": inputs,
        "io": want.io,
        "location": made.location,
        "size": made.size,
        "digest": made.digest,
        "facts": dump(dict(made.facts)),
        "metadata": dump(dict(made.metadata)),
        "millis": made.millis,
        "created_at": at,
    }


def _node_row(
    run: str,
    wanted: Wanted,
    state: State,
    version: str | None,
    reason: str = "",
    error: str | None = None,
) -> dict[str, object]:
    return {
        "run": run,
        "key_number": wanted.key_number,
        "node": wanted.node,
        "state": int(state),
        "version": version,
        "reason": reason,
        "error": error,
    }


def _audit(who: Dispatch, good: Sequence[Making], at: datetime) -> dict[str, object]:
    return {
        "at": at,
        "actor": "worker",
        "action": "versions.commit",
        "subject": who.workflow,
        "run": who.run,
        "data": dump({"versions": len(good), "first": good[0].attempt.id}),
    }
