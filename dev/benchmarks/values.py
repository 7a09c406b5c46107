"""`dev/bench io`: managers against bare client libraries, round by round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.benchmarks.servers import child_environment
from dev.benchmarks.stats import Comparison, Series, compare
from dev.benchmarks.stores import (
    Boto3,
    Ours,
    Psycopg,
    Pyarrow,
    PyarrowS3,
    Store,
    bytes_of,
    table_of,
)
from flowstone.stack import PostgresServer, S3Server

__all__ = ["SIZES", "Need", "measure_memory", "run_io"]

SIZES: Mapping[str, int] = {"1KiB": 1024, "1MiB": 1024**2, "256MiB": 256 * 1024**2}
_TARGET, _SMALL = 1.3, 1024**2
"""Above a mebibyte; below, a round trip and a place of its own cost what they cost."""

_TIMES = {"1KiB": 50, "1MiB": 10, "256MiB": 1}
"""How often in a round: what takes milliseconds is no single measurement."""

_MOST_MIB = 200.0
_STREAMED_BY = ("s3", "parquet", "parquet-s3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How much memory a stream needed, above an idle process.

    Attributes:
        name: by which it is found in the output.
        streamed: how many MiB went through.
        mib: the most.
    """

    name: str
    streamed: int
    mib: float

    @property
    def reached(self) -> bool:
        """Whether it was little."""
        return self.mib <= _MOST_MIB

    def to_data(self) -> dict[str, object]:
        """Give it as `--json` prints it."""
        return {
            "ratio": round(self.mib / _MOST_MIB, 3),
            "target": _MOST_MIB,
            "baseline": "an idle process, MiB above",
            "mib": self.mib,
            "streamed": self.streamed,
        }


@dataclass(frozen=True, slots=True)
class _Match:
    """A manager, who it is compared with, and what makes a value for both."""

    name: str
    ours: Store
    theirs: Store
    make: Callable[[int], object]


def run_io(pairs: int, sizes: Sequence[str]) -> list[Comparison]:
    """Store and load values of each size, by each manager and by its library."""
    compared: list[Comparison] = []
    with _Servers() as servers:
        for match in servers.matches():
            for size in sizes:
                _say(f"{match.name}, {size}")
                compared += _compared(match, size, pairs)
    return compared


def measure_memory(mib: int) -> list[Need]:
    """Stream so many MiB through each manager that streams."""
    found: list[Need] = []
    with _Servers(postgres=False) as servers:
        for kind in _STREAMED_BY:
            _say(f"{mib} MiB through {kind}")
            told = subprocess.check_output(
                [
                    *(sys.executable, "-m", "dev.benchmarks.streaming"),
                    *(kind, str(mib), tempfile.mkdtemp(dir=servers.folder)),
                ],
                env={**child_environment(), **servers.environment},
                cwd=Path(__file__).parents[2],
            )
            needed: Mapping[str, float] = json.loads(told)
            found += [
                Need(name=f"{kind}/{name}", streamed=mib, mib=most)
                for name, most in needed.items()
            ]
    return found


class _Servers:
    """The servers, and a folder on the same disk."""

    def __init__(self, *, postgres: bool = True) -> None:
        self._made = tempfile.TemporaryDirectory(prefix="flowstone-bench-")
        self.folder = Path(self._made.name)
        self._s3 = S3Server(self.folder / "s3")
        self._postgres = PostgresServer(self.folder / "postgres") if postgres else None

    @property
    def environment(self) -> Mapping[str, str]:
        """What finds the S3."""
        return self._s3.environment()

    def __enter__(self) -> _Servers:
        self._s3.start()
        os.environ.update(self.environment)
        if self._postgres is not None:
            self._postgres.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._s3.remove()
        if self._postgres is not None:
            self._postgres.remove()
        self._made.cleanup()

    def matches(self) -> list[_Match]:
        """Pair each manager with its library."""
        assert self._postgres is not None
        url, s3 = self._postgres.url, self.environment
        return [
            _Match("postgres", Ours.on_postgres(url), Psycopg(url), bytes_of),
            _Match("s3", Ours.on_s3(), Boto3(s3), bytes_of),
            _Match(
                "parquet", Ours.in_folder(self.folder), Pyarrow(self.folder), table_of
            ),
            _Match("parquet-s3", Ours.in_lake(), PyarrowS3(s3), table_of),
        ]


def _compared(match: _Match, size: str, pairs: int) -> list[Comparison]:
    value, times = match.make(SIZES[size]), _TIMES[size]
    taken: dict[tuple[str, str], list[float]] = {}
    for number in range(pairs + 1):
        both = (match.ours, match.theirs)
        for contestant in both if number % 2 else both[::-1]:
            stored, loaded = _round(contestant, value, times)
            taken.setdefault((contestant.name, "store"), []).append(stored)
            taken.setdefault((contestant.name, "load"), []).append(loaded)
    return [
        compare(
            _series(taken[match.ours.name, verb]),
            _series(taken[match.theirs.name, verb]),
            name=f"{match.name}/{verb}/{size}",
            title=f"{match.name}: {verb} {size}",
            baseline=match.theirs.name,
            target=_TARGET if SIZES[size] > _SMALL else None,
        )
        for verb in ("store", "load")
    ]


def _series(seconds: Sequence[float]) -> Series:
    cold, *rest = seconds
    return Series(cold=cold, seconds=rest)


def _round(store: Store, value: object, times: int) -> tuple[float, float]:
    """Store and load a value so many times; give the seconds of one of each."""
    began = time.perf_counter()
    found = [store.store(value) for _ in range(times)]
    stored = time.perf_counter()
    for one in found:
        store.load(one)
    loaded = time.perf_counter()
    for one in found:
        store.delete(one)
    return (stored - began) / times, (loaded - stored) / times


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
