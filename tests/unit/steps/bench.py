"""A worker's bench: an app's assets, a ledger on a file, values in memory.

Steps are done here as an engine has them done, one attempt at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import text

from flowstone.core.asset import Asset
from flowstone.core.errors import AssetFailed
from flowstone.core.messages import (
    Cell,
    Ended,
    EndRun,
    MakePlan,
    Planned,
    Request,
    RunAssets,
    SettleGates,
    Status,
    Step,
)
from flowstone.core.pipeline import Pipeline
from flowstone.core.replies import NotHere, PackReply, Reply
from flowstone.core.table import State, write_table
from flowstone.io.base import IOManager
from flowstone.io.memory import MemoryIO
from flowstone.ledger.base import Dispatch, RunRow, Version, Wanted
from flowstone.ledger.rows import error_of
from flowstone.ledger.sql import SqlLedger
from flowstone.steps.shelf import stored_of
from flowstone.steps.table import take_step
from flowstone.steps.toolbox import Toolbox

__all__ = ["KEYS", "WORKFLOW", "Bench", "Make"]

R = TypeVar("R")
WORKFLOW = "flowstone/shop/report"
KEYS: Mapping[str, bytes] = {"k1": b"a secret of some length"}


class Bench:
    """What one worker holds, and the steps that are asked of it.

    Args:
        database: a file with the ledger's tables.
        assets: the app's.
        io: its managers.
    """

    def __init__(
        self,
        database: Path,
        *assets: Asset[..., object],
        io: Mapping[str, IOManager] | None = None,
    ) -> None:
        self.toolbox = Toolbox(
            name="shop",
            pipeline=Pipeline(*assets),
            ledger=SqlLedger(f"sqlite:///{database}"),
            io=io or {"default": MemoryIO()},
            keys=KEYS,
        )
        self.cancelled = threading.Event()
        self.beats: list[object] = []
        self.dispatches = 0
        self._plans: dict[str, list[str]] = {}

    def other(self, *assets: Asset[..., object]) -> Bench:
        """Give another worker on the same ledger and values, with other assets."""
        found = Bench(Path("unused"), *assets, io=self.toolbox.io)
        found.toolbox.ledger = self.toolbox.ledger
        found._plans = self._plans
        return found

    def close(self) -> None:
        """Let go of threads and connections."""
        self.toolbox.close()
        self.toolbox.ledger.close()

    # --- steps ----------------------------------------------------------------------

    def do(self, step: Step[R], *, attempt: int = 1, workflow: str = WORKFLOW) -> R:
        """Do one attempt at a step."""
        return take_step(
            self.toolbox,
            step,
            workflow=workflow,
            attempt=attempt,
            beat=self.beats.append,
            cancelled=self.cancelled,
        )

    def begin(
        self,
        target: str = "report",
        *,
        run: str = "r1",
        keys: Sequence[str] = ("-",),
        verb: Literal["materialize", "materialize_all", "backfill"] = "materialize_all",
        policy: Literal["always", "missing"] = "missing",
        on_failure: Literal["continue", "stop"] = "continue",
    ) -> Planned:
        """Write a run's row and its plan."""
        request = Request(
            run=run,
            verb=verb,
            pipeline="shop",
            asset=target,
            key="" if keys[0] == "-" or verb == "backfill" else keys[0],
            keys=len(keys),
            policy=policy,
            on_failure=on_failure,
        )
        row = RunRow(
            request=request, workflow=WORKFLOW, keys=keys, request_hash="", actor="ada"
        )
        self.toolbox.ledger.runs.begin(row)
        found = self.plan(request)
        assert isinstance(found, Planned), found
        return found

    def plan(
        self, request: Request, *, along: bool = False, attempt: int = 1
    ) -> Planned | NotHere | Ended:
        """Have a plan made, and all of the run with it where that is short."""
        found = self.do(MakePlan(request=request, along=along), attempt=attempt)
        if isinstance(found, Planned):
            self._plans[request.run] = list(found.skeleton.names)
        return found

    def cells(self, names: Sequence[str | Cell], run: str) -> list[Cell]:
        """Give cells by `asset`, or by `asset@` and the number of the key."""
        plan = self._plans.get(run, [])
        found: list[Cell] = []
        for name in names:
            if isinstance(name, Cell):
                found.append(name)
            else:
                asset, _, key = name.partition("@")
                found.append(Cell(plan.index(asset), int(key or 0)))
        return found

    def cell(self, name: str, *, run: str = "r1", attempt: int = 1) -> Cell:
        """Give one cell, at an attempt."""
        [found] = self.cells([name], run)
        return found._replace(attempt=attempt)

    def pack(
        self,
        *names: str | Cell,
        run: str = "r1",
        dispatch: int | None = None,
        attempt: int = 1,
        budget: int = 60_000,
        last: bool = False,
        workflow: str = WORKFLOW,
    ) -> PackReply:
        """Run a pack; each has a number of its own unless it is given one."""
        self.dispatches += dispatch is None
        step = RunAssets(
            run=run,
            dispatch=self.dispatches if dispatch is None else dispatch,
            cells=self.cells(names, run),
            budget=budget,
            last=last,
        )
        return self.do(step, attempt=attempt, workflow=workflow)

    def run(self, *names: str | Cell, run: str = "r1") -> list[Reply]:
        """Run a pack, and give its replies."""
        return list(self.pack(*names, run=run).replies)

    def settle(
        self,
        *names: str | Cell,
        run: str = "r1",
        expired: bool = False,
        instants: Sequence[int] = (),
    ) -> PackReply:
        """Ask gates; one whose instant is not told is asked at its next one."""
        self.dispatches += 1
        step = SettleGates(
            run=run,
            dispatch=self.dispatches,
            cells=self.cells(names, run),
            expired=expired,
            instants=instants,
        )
        return self.do(step)

    def end(self, status: Status, *states: State, run: str = "r1") -> Ended:
        """End a run, with the states of its cells; where none are said, cancelled."""
        width = len(self._plans[run])
        table = states or [State.CANCELLED] * width
        return self.do(EndRun(run=run, status=status, table=write_table(table)))

    # --- what is in the ledger ------------------------------------------------------

    def version(self, asset: str, key: str = "-") -> Version | None:
        """Give the version that readers see."""
        place = (f"shop/{asset}", key)
        return self.toolbox.ledger.runs.current([place]).get(place)

    def value(self, asset: str, key: str = "-", want: object = None) -> object:
        """Give the value that readers see."""
        found = self.version(asset, key)
        assert found is not None, f"{asset} has no value at {key}"
        return self.toolbox.io[found.io].load(stored_of(found), want)

    def attempts(self, asset: str) -> list[str]:
        """Give how each attempt at an asset stands, in order."""
        return [
            str(state)
            for (state,) in self.ask(
                "SELECT state FROM flowstone_attempts WHERE asset = :asset "
                "ORDER BY started_at, id",
                asset=f"shop/{asset}",
            )
        ]

    def ask(self, query: str, **values: object) -> list[tuple[object, ...]]:
        """Ask the database."""
        with self.toolbox.ledger.database.reading() as conn:
            return [tuple(row) for row in conn.execute(text(query), values)]

    def change(self, statement: str, **values: object) -> None:
        """Change the database, as nobody should."""
        self.toolbox.ledger.database.transact(
            lambda conn: conn.execute(text(statement), values)
        )

    def claims(self) -> list[tuple[object, ...]]:
        """Give what is claimed, by whom, at which gate."""
        return self.ask(
            "SELECT asset, key, run, gate FROM flowstone_claims ORDER BY asset, key"
        )

    def claim(self, asset: str, *, run: str, key: str = "-") -> None:
        """Have another run hold a claim."""
        self.change(
            "INSERT INTO flowstone_claims (asset, key, run, workflow, dispatch, "
            "attempt, fence, policy, taken_at) VALUES "
            "(:asset, :key, :run, :workflow, 99, 1, 9999, 'missing', "
            "CURRENT_TIMESTAMP)",
            asset=f"shop/{asset}",
            key=key,
            run=run,
            workflow=f"workflow of {run}",
        )

    def lose_worker(
        self, *names: str, dispatch: int, attempt: int = 1, reusable: bool = True
    ) -> None:
        """Have a worker open a pack of the first run, and be lost with it."""
        opened = [
            Wanted(
                node=cell.node,
                key_number=0,
                asset=f"shop/{name}",
                key="-",
                io="default",
                number=1,
                inputs=[],
                reusable=reusable,
            )
            for name, cell in zip(names, self.cells(names, "r1"), strict=True)
        ]
        self.toolbox.ledger.packs.open(
            Dispatch("r1", WORKFLOW, dispatch, attempt),
            "shop",
            opened,
            rerun=attempt > 1 and len(names) > 1,
        )

    def lose(self, asset: str) -> None:
        """Forget the versions of an asset, as a failover may."""
        self.change(
            "DELETE FROM flowstone_versions WHERE asset = :asset",
            asset=f"shop/{asset}",
        )
        self.change(
            "DELETE FROM flowstone_run_nodes WHERE version IS NOT NULL "
            "AND version NOT IN (SELECT id FROM flowstone_versions)"
        )

    def version_id(self, asset: str, key: str = "-") -> str:
        """Give the id of the version that readers see."""
        found = self.version(asset, key)
        assert found is not None, f"{asset} has no value at {key}"
        return found.id

    def reads(self, asset: str, key: str = "-") -> dict[object, object]:
        """Give the versions that a version was made from, by parameter."""
        found = self.version(asset, key)
        assert found is not None, f"{asset} has no value at {key}"
        query = (
            "SELECT parameter, version FROM flowstone_input_members "
            "WHERE inputs = :inputs"
        )
        rows = self.ask(query, inputs=found.inputs)
        return {row[0]: row[1] for row in rows}

    def error(self, asset: str, replies: Sequence[Reply]) -> AssetFailed:
        """Give why an asset failed, which it did."""
        assert replies[-1].kind == "raised", replies
        [(written,)] = self.ask(
            "SELECT error FROM flowstone_attempts WHERE asset = :asset "
            "AND state = 'failed' ORDER BY id DESC LIMIT 1",
            asset=f"shop/{asset}",
        )
        found = error_of(str(written))
        assert isinstance(found, AssetFailed)
        return found

    def status(self, run: str = "r1") -> str:
        """Give the status of a run."""
        row = self.toolbox.ledger.runs.get(run)
        assert row is not None
        return row.status


Make = Callable[..., Bench]
"""Makes a bench of assets."""
