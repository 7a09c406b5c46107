"""What tests of the ledger share: runs, dispatches and values in a few words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Table, func, select, text, true, update

from flowstone import Pipeline, SqlLedger, asset
from flowstone.core.messages import Request
from flowstone.core.plan import Plan, make_plan
from flowstone.ledger.base import (
    Claimed,
    Commit,
    Dispatch,
    Ending,
    Holding,
    Making,
    Opened,
    Publishing,
    RunRow,
    Version,
    Wanted,
)
from flowstone.ledger.ids import new_id

__all__ = ["APP", "PLAN", "Book", "at_once"]

T = TypeVar("T")
APP = "shop"


@asset
def _only() -> int:
    return 1


PLAN: Plan = make_plan(APP, Pipeline(_only), "_only", upstream=True)
"""A plan, for runs whose plan is of no interest."""


def at_once(works: Iterable[Callable[[], T]]) -> list[T]:
    """Do things in a thread each; give what they gave, in order."""
    listed = list(works)
    with ThreadPoolExecutor(len(listed)) as pool:
        return [each.result() for each in [pool.submit(work) for work in listed]]


@dataclass
class Book:
    """A ledger, and the words in which tests write in it."""

    ledger: SqlLedger
    nodes: dict[str, int] = field(default_factory=dict[str, int])

    # --- runs -----------------------------------------------------------------------

    def row(
        self, *, workflow: str = "w", user_key: str | None = None, target: str = "raw"
    ) -> RunRow:
        """Give the row of a run that nobody has begun."""
        request = Request(
            run=new_id(), verb="materialize_all", pipeline=APP, asset=target
        )
        return RunRow(
            request=request,
            workflow=workflow,
            keys=["-"],
            request_hash="hash",
            user_key=user_key,
            actor="ann",
        )

    def run(self, workflow: str = "w", **more: str) -> Dispatch:
        """Begin and plan a run; give its first dispatch."""
        row = self.row(workflow=workflow, **more)
        self.ledger.runs.begin(row)
        assert self.ledger.runs.plan(row, PLAN, {}, []).state != "ended"
        return Dispatch(row.id, workflow, 1, 1)

    def end(self, who: Dispatch, status: str = "terminated") -> bool:
        """End a run."""
        row = self.ledger.runs.get(who.run)
        assert row is not None
        return bool(self.ledger.runs.end(row, status))

    # --- cells ----------------------------------------------------------------------

    def want(
        self,
        name: str,
        key: str = "-",
        *,
        reads: Sequence[str] = (),
        missing: bool = False,
        gate: str = "",
        number: int = 0,
    ) -> Wanted:
        """Want an asset at a key; each name is a node of its own."""
        return Wanted(
            node=self.nodes.setdefault(name, len(self.nodes)),
            key_number=number,
            asset=f"{APP}/{name}",
            key=key,
            io="default",
            number=1,
            inputs=[(self.nodes[other], number) for other in reads],
            reusable=missing,
            gate=gate,
        )

    def open(
        self, who: Dispatch, wanted: Sequence[Wanted], *, rerun: bool = False
    ) -> Opened:
        """Open a pack."""
        return self.ledger.packs.open(who, APP, wanted, rerun=rerun)

    def claim(self, who: Dispatch, want: Wanted) -> Claimed:
        """Open a pack of one."""
        return self.open(who, [want]).cells[0]

    # --- committing -----------------------------------------------------------------

    def making(
        self,
        want: Wanted,
        claimed: Claimed,
        reads: Mapping[str, str] | None = None,
        *,
        millis: int = 1,
    ) -> Making:
        """Give a value that was written."""
        assert claimed.attempt is not None
        return Making(
            wanted=want,
            attempt=claimed.attempt,
            code="c0de",
            location=f"here/{claimed.attempt.path}",
            size=2,
            digest=f"digest of {want.asset}",
            facts={"codec": "json"},
            metadata={"rows": 1},
            millis=millis,
            reads=list((reads or {}).items()),
        )

    def ending(self, want: Wanted, claimed: Claimed, state: str) -> Ending:
        """Give an attempt that ended without a value."""
        assert claimed.attempt is not None
        return Ending(wanted=want, attempt=claimed.attempt, state=state)

    def holding(
        self,
        want: Wanted,
        claimed: Claimed,
        gate: str = "g",
        *,
        seconds: float | None = None,
    ) -> Holding:
        """Give an attempt that ended at a gate."""
        assert claimed.attempt is not None
        return Holding(
            wanted=want,
            attempt=claimed.attempt,
            gate=gate,
            timeout_seconds=seconds,
            on_timeout="fail",
        )

    def approval(
        self,
        who: Dispatch,
        want: Wanted,
        gate: str = "g",
        *,
        reads: Mapping[str, str] | None = None,
        **terms: Any,
    ) -> str:
        """Have a value held back until somebody has decided; give its version's id."""
        claimed = self.claim(who, want)
        held = replace(
            self.holding(want, claimed, gate, seconds=terms.pop("seconds", None)),
            on_timeout=terms.pop("on_timeout", "reject"),
            made=self.making(want, claimed, reads),
            reads=list((reads or {}).items()),
            **terms,
        )
        assert self.commit(who, Commit(holding=[held], release=True)) == ["held"]
        assert held.made is not None
        return held.made.attempt.id

    def publish(self, who: Dispatch, want: Wanted, version: str) -> list[str]:
        """Show a version that was held back."""
        attempt = self.claim(who, want).attempt
        assert attempt is not None
        shown = Publishing(wanted=want, attempt=attempt, version=version)
        return self.commit(who, Commit(publishing=[shown], release=True))

    def commit(self, who: Dispatch, commit: Commit) -> list[str]:
        """Commit; give the verdicts in the order of the cells."""
        found = self.ledger.packs.commit(who, APP, commit).verdicts
        return [found[cell] for cell in sorted(found)]

    def make(
        self,
        who: Dispatch,
        want: Wanted,
        reads: Mapping[str, str] | None = None,
    ) -> str:
        """Open, write and commit one value; give its version's id."""
        claimed = self.claim(who, want)
        made = self.making(want, claimed, reads)
        assert self.commit(who, Commit(making=[made], release=True)) == ["committed"]
        return made.attempt.id

    def hold(self, who: Dispatch, want: Wanted, gate: str = "g") -> None:
        """Open a cell and have it wait at a gate."""
        held = self.holding(want, self.claim(who, want), gate)
        assert self.commit(who, Commit(holding=[held], release=True)) == ["held"]

    # --- reading --------------------------------------------------------------------

    def current(self, name: str, key: str = "-") -> Version | None:
        """Give the version that readers see."""
        return self.ledger.catalog.version(f"{APP}/{name}", key)

    def current_id(self, name: str, key: str = "-") -> str | None:
        """Give its id."""
        found = self.current(name, key)
        return None if found is None else found.id

    def count(self, table: Table) -> int:
        """Count the rows of a table."""
        with self.ledger.database.reading() as conn:
            return conn.execute(select(func.count()).select_from(table)).scalar_one()

    def ask(self, sql: str, **parameters: object) -> list[tuple[object, ...]]:
        """Ask the database itself."""
        with self.ledger.database.reading() as conn:
            return [tuple(row) for row in conn.execute(text(sql), parameters)]

    def tell(self, sql: str, **parameters: object) -> None:
        """Change something behind the ledger's back."""
        self.ledger.database.transact(
            lambda conn: conn.execute(text(sql), parameters) and None
        )

    def age(self, column: Column[object], seconds: float, run: str = "") -> None:
        """Have something have happened earlier, for one run or for all."""
        table = column.table
        mine = table.c.get("run", table.c.get("id")) == run if run else true()

        def work(conn: Connection) -> None:
            found = conn.execute(select(column).distinct().where(mine)).scalars()
            for value in sorted(v for v in found if isinstance(v, datetime)):
                change = update(table).where(mine, column == value)  # pyright: ignore[reportArgumentType]
                earlier = value - timedelta(seconds=seconds)
                conn.execute(change.values({column.name: earlier}))

        self.ledger.database.transact(work)

    def deadlocks(self) -> int:
        """Count the transactions that were done again; where all take turns, none."""
        if self.ledger.in_process:
            return 0
        self.ledger.close()  # what a session has counted is known when it ends
        query = (
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        [(found,)] = self.ask(query)
        return int(str(found))

    def states(self, who: Dispatch) -> list[str]:
        """Give the states of a run's attempts, dispatch by dispatch."""
        query = (
            "SELECT state FROM flowstone_attempts WHERE run = :run "
            "ORDER BY dispatch, attempt, key_number, node"
        )
        return [str(state) for (state,) in self.ask(query, run=who.run)]
