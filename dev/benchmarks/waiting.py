"""`dev/bench waiting`: thousands wait, others run beside them, all are called back."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from dev.benchmarks.contestants import Ours
from dev.benchmarks.parked import CHAIN, URLS, asked, make_app
from dev.benchmarks.servers import child_environment, libpq_url, serving
from dev.benchmarks.stats import Comparison, Series, compare
from flowstone import BackfillReport, Client, Run, SqlLedger
from flowstone.stack import Stack

__all__ = ["Answered", "run_waiting"]

_APP = "dev.benchmarks.parked:app"
_SLOTS = 10
_AT_ONCE = 50
_CALLERS = 16
_SETTLE = 0.5
_SLOWEST = 1.25
"""Of the seconds beside to those alone: a throughput of 0.8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How the callbacks of all that waited went.

    Attributes:
        gates: how many waited: half of them in runs of their own, half in one run.
        parked: seconds until all of them did.
        deliveries: how many were posted, each one twice.
        told: what was answered how often.
        seconds: from the first delivery until every run had ended.
        lost: the gates whose value was not made.
        doubled: the gates whose value was made twice.
    """

    gates: int
    parked: float
    deliveries: int
    told: Mapping[str, int]
    seconds: float
    lost: int
    doubled: int

    def to_data(self) -> dict[str, object]:
        """Give it as `--json` prints it."""
        return asdict(self)

    @property
    def good(self) -> bool:
        """Whether each took effect once."""
        each = {"200 answered": self.gates, "200 repeated": self.gates}
        return dict(self.told) == each and not self.lost and not self.doubled


def run_waiting(waiters: int, pairs: int) -> tuple[Comparison, Answered]:
    """Have so many runs wait, and one run at as many gates.

    Args:
        waiters: how many.
        pairs: how often the chains are run, beside them and alone.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("alone", "beside"):
            (folder / name).mkdir()
        return asyncio.run(_measure(waiters, pairs, folder))


async def _measure(
    waiters: int, pairs: int, folder: Path
) -> tuple[Comparison, Answered]:
    async with AsyncExitStack() as stack:
        alone = await stack.enter_async_context(_served(folder / "alone"))
        beside = await stack.enter_async_context(_served(folder / "beside"))
        _say(f"{waiters} runs and one run are to wait at {2 * waiters} gates")
        began = time.perf_counter()
        parked = await _park(beside, waiters)
        seconds = round(time.perf_counter() - began, 1)
        _say(f"all of them wait, after {seconds} s")
        compared = await _alternate(alone, beside, pairs)
        return compared, await _answer(beside, parked, seconds)


# --- the servers --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Served:
    """An app with servers and a worker of its own."""

    stone: Client
    url: str
    folder: Path
    environment: Mapping[str, str]

    def count(self, query: str) -> int:
        """Ask the ledger for a number."""
        with psycopg.connect(libpq_url(self.url)) as conn:
            row = conn.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


@asynccontextmanager
async def _served(folder: Path) -> AsyncGenerator[_Served]:
    with Stack(ui=False) as stack:
        ledger = SqlLedger(stack.ledger_url)
        ledger.upgrade()
        ledger.close()
        environment = {
            **child_environment(),
            **stack.environment(),
            URLS: str(folder / "urls"),
            "FLOWSTONE_CALLBACK_URL": "http://127.0.0.1",
            "FLOWSTONE_SERVE_RATE": "10000000",
        }
        worker = [sys.executable, "-m", "workers", _APP, "--slots", str(_SLOTS)]
        with serving(worker, environment=environment, log=folder / "worker.log"):
            app = make_app(stack.ledger_url)
            async with app.connect(stack.temporal_address) as stone:
                yield _Served(
                    stone=stone,
                    url=stack.ledger_url,
                    folder=folder,
                    environment=environment,
                )


@contextmanager
def _endpoint(served: _Served) -> Generator[str]:
    port = _free_port()
    words = ["-m", "flowstone.cli", "serve", _APP, "--port", str(port)]
    with serving(
        [sys.executable, *words],
        environment=served.environment,
        log=served.folder / "serve.log",
    ):
        yield f"127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


# --- waiting ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Parked:
    """What waits: runs at a gate each, and one run at as many."""

    runs: Sequence[Run[int]]
    one: Run[BackfillReport]


async def _park(served: _Served, waiters: int) -> _Parked:
    room = asyncio.Semaphore(_AT_ONCE)

    async def start(key: int) -> Run[int]:
        async with room:
            return await served.stone.materialize(asked, key)

    runs = await asyncio.gather(*(start(key) for key in range(waiters)))
    one = await served.stone.backfill(
        asked, range(waiters, 2 * waiters), max_parallel=_AT_ONCE
    )
    waiting = "SELECT count(*) FROM flowstone_gates WHERE state = 'waiting'"
    while await asyncio.to_thread(served.count, waiting) < 2 * waiters:
        await asyncio.sleep(_SETTLE)
    return _Parked(runs=runs, one=one)


async def _alternate(alone: _Served, beside: _Served, pairs: int) -> Comparison:
    """Run the chains on both, in turns."""
    sides = {"alone": alone, "beside": beside}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(pairs + 1):
        _say(f"{CHAIN.title}: {number or 'warm-up'} of {pairs}")
        for name, side in sides.items():
            await asyncio.sleep(_SETTLE)
            seconds = await Ours(name, side.stone).run(CHAIN, number)
            taken[name].append(seconds)
    series = {n: Series(cold=cold, seconds=rest) for n, (cold, *rest) in taken.items()}
    return compare(
        series["beside"],
        series["alone"],
        name="waiting/runs",
        title=f"{CHAIN.title}, beside all that wait",
        baseline="alone",
        target=_SLOWEST,
    )


# --- answering ----------------------------------------------------------------------


async def _answer(served: _Served, parked: _Parked, seconds: float) -> Answered:
    """Post each answer twice, and wait until everything has ended."""
    lines = (served.folder / "urls").read_text().splitlines()
    answers = dict(line.split(" ", 1) for line in lines)
    deliveries = [*answers.items()] * 2
    random.Random(0).shuffle(deliveries)  # noqa: S311
    began = time.perf_counter()
    with _endpoint(served) as host, ThreadPoolExecutor(_CALLERS) as callers:
        loop = asyncio.get_running_loop()
        told = await asyncio.gather(
            *(
                loop.run_in_executor(callers, _post, host, urlsplit(url).path, key)
                for key, url in deliveries
            )
        )
        _say(f"{len(told)} deliveries after {time.perf_counter() - began:.1f} s")
        for run in parked.runs:
            assert (await run.wait()).status == "succeeded"
        report = await parked.one.result()
    assert report.failed == 0, report
    made = (
        "SELECT {} FROM (SELECT key, count(*) AS times FROM flowstone_versions "
        "WHERE asset = 'parked/asked' GROUP BY key) made"
    )
    return Answered(
        gates=len(answers),
        parked=seconds,
        deliveries=len(deliveries),
        told=Counter(told),
        seconds=round(time.perf_counter() - began, 1),
        lost=len(answers) - served.count(made.format("count(*)")),
        doubled=served.count(made.format("count(*) FILTER (WHERE times > 1)")),
    )


def _post(host: str, path: str, key: str) -> str:
    """Post an answer; give how it was taken."""
    connection = HTTPConnection(host, timeout=60)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(int(key)), headers)
        with connection.getresponse() as answer:
            data = json.loads(answer.read())
            return f"{answer.status} {data.get('outcome', '')}"
    finally:
        connection.close()


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
