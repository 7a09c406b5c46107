"""New York's flights of 2013, day by day.

The first call makes a week of daily reports; another one finds every value there.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import FrameType

from rich.console import Console

from dev.flights import counts
from dev.flights.app import flights_in, flights_on_s3, lake_on_s3
from dev.flights.pipeline import YEAR
from dev.flights.play import Play
from dev.flights.signoff import Answer, Ask
from dev.flights.worker import ROOT, Worker
from flowstone import Flowstone, SqlLedger
from flowstone.core.errors import FlowstoneError
from flowstone.stack import Stack

_WIDTH_OF_FILES = 120
_BLIZZARD = date(2013, 2, 5)
_FOREIGN = ("TEMPORAL_", "FLOWSTONE_S3_", "AWS_")
_FILES_OF_SETTINGS = (
    "TEMPORAL_CONFIG_FILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the caller asked for."""

    days: Sequence[date]
    local: bool
    reset: bool
    stay: bool
    yes: bool

    @property
    def folder(self) -> Path:
        """Where everything is kept from one call to the next."""
        return ROOT / ".flowstone" / ("demo-local" if self.local else "demo")


def main() -> int:
    """Play the demonstration; give the exit status."""
    wish = _wish()
    _end_in_good_order()
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_FILES)
    try:
        good = _on_files(wish, console) if wish.local else _on_servers(wish, console)
    except FlowstoneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Call it again to go on: what is made stays made.")
        return 130
    return 0 if good else 1


def _end_in_good_order() -> None:
    """Let whatever asks for the end do what Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    # a shell that starts it in the background has it ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _on_files(wish: Wish, console: Console) -> bool:
    """Play in this process, without any server."""
    if wish.reset:
        shutil.rmtree(wish.folder, ignore_errors=True)
    wish.folder.mkdir(parents=True, exist_ok=True)
    _tell(console, "Engine", f"in this process; kept in {_short(wish.folder)}")
    _tell(console, "Values", "tables as Parquet in its folder lake; reports in SQLite")
    app = flights_in(wish.folder)
    play = Play(
        pipeline=app.pipeline,
        console=console,
        days=wish.days,
        counts=_count_in(wish.folder),
        # What nobody decides on would wait for no longer than this process lives.
        ask=_asker(wish, console) if wish.yes or console.is_terminal else None,
    )

    async def run() -> bool:
        async with app.local(wish.folder, actor=_actor()) as stone:
            return await play.show(stone)

    return asyncio.run(run())


def _on_servers(wish: Wish, console: Console) -> bool:
    """Play on a real Temporal, PostgreSQL and S3, with a worker of its own."""
    stack = Stack(wish.folder, s3=True)
    file, log = wish.folder / "executions", wish.folder / "worker.log"
    if wish.reset:
        stack.remove()
        for kept in (file, log):
            kept.unlink(missing_ok=True)
    _forget_settings()
    began = time.monotonic()
    with stack:
        _use(stack)
        took = f"{time.monotonic() - began:.1f} s"
        servers = f"Temporal at {stack.temporal_address}, PostgreSQL, S3; up in {took}"
        _tell(console, "Servers", f"{servers}; kept in {_short(wish.folder)}")
        lake = f"tables as Parquet in {lake_on_s3()} at {stack.s3_endpoint}"
        _tell(console, "Values", f"{lake}; reports in PostgreSQL")
        _count_in(wish.folder)
        app = flights_on_s3()
        with Worker(log, {}) as worker:
            _tell(console, "Worker", f"process {worker.pid}; log in {_short(log)}")
            play = Play(
                pipeline=app.pipeline,
                console=console,
                days=wish.days,
                counts=file,
                ask=_asker(wish, console),
                watch=worker.mend,
            )
            good = asyncio.run(_connected(app, play))
            if wish.stay:
                _stay(worker)
            elif good:
                print("It is served while the servers run: --stay keeps them up.")
            return good


async def _connected(app: Flowstone, play: Play) -> bool:
    async with app.connect(actor=_actor()) as stone:
        return await play.show(stone)


def _actor() -> str:
    """Say who decides."""
    return os.environ.get("FLOWSTONE_ACTOR") or getpass.getuser()


def _asker(wish: Wish, console: Console) -> Ask:
    """Ask whoever sits at the terminal, unless the line has the answer already."""

    def ask(question: str) -> Answer:
        if wish.yes:
            return "yes"
        if not (console.is_terminal and sys.stdin.isatty()):
            return "later"
        said = console.input(f"{question} [y/n, Enter for later] ").strip().lower()
        if said.startswith(("y", "n")):
            return "yes" if said.startswith("y") else "no"
        return "later"

    return ask


def _forget_settings() -> None:
    """Leave aside what the caller's own Temporal and S3 are configured by."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    for name in _FILES_OF_SETTINGS:
        os.environ[name] = os.devnull
    # all of it is on this machine, so no proxy has a part in it
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


def _use(stack: Stack) -> None:
    """Let this process and its worker find the servers."""
    os.environ.update(stack.environment())
    os.environ["TEMPORAL_UI_ADDRESS"] = stack.ui_url or ""
    with closing(SqlLedger(stack.ledger_url)) as ledger:
        ledger.upgrade()


def _count_in(folder: Path) -> Path:
    """Name the file in which asset functions count, to whatever process they run in."""
    file = folder / "executions"
    os.environ[counts.VARIABLE] = str(file)
    return file


def _stay(worker: Worker) -> None:
    print("The servers and the worker stay up until Ctrl-C.", flush=True)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(0.2)
            worker.mend()


def _tell(console: Console, what: str, text: str) -> None:
    console.print(f"{what:9}{text}", highlight=False, markup=False, soft_wrap=True)


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _wish() -> Wish:
    parser = argparse.ArgumentParser(prog="./dev/demo", description=__doc__)
    add = parser.add_argument
    add("--local", action="store_true", help="without any server, in one process")
    add("--reset", action="store_true", help="begin anew: delete what it has kept")
    add("--days", type=int, default=7, metavar="N", help="how many days (7)")
    add(
        "--start",
        type=_date,
        default=_BLIZZARD,
        metavar="DATE",
        help=f"the first day ({_BLIZZARD}: a blizzard comes on the 8th)",
    )
    add("--yes", action="store_true", help="sign off the report of the worst day")
    add("--stay", action="store_true", help="keep the servers up until Ctrl-C")
    given = parser.parse_args()
    days = [given.start + timedelta(days=n) for n in range(given.days)]
    if not days or days[0] not in YEAR or days[-1] not in YEAR:
        parser.error("the days must be of 2013, and at least one")
    if given.local and given.stay:
        parser.error("--local has no servers to keep up")
    return Wish(
        days=days,
        local=given.local,
        reset=given.reset,
        stay=given.stay,
        yes=given.yes,
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        problem = f"{text!r} is no date; write it as {_BLIZZARD}"
        raise argparse.ArgumentTypeError(problem) from error


if __name__ == "__main__":
    try:
        status = main()
    except SystemExit as end:  # argparse has spoken
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - told in full, at the only exit
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Temporal's runtime may abort an interpreter that ends while its threads live.
    os._exit(status)
