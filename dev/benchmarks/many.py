"""Apps of very many trivial assets."""

from __future__ import annotations

import inspect
from inspect import Parameter
from pathlib import Path

from flowstone import Asset, Flowstone, Pipeline, PostgresIO, SqlLedger, asset

__all__ = ["make_app", "peak_mib"]

_COLUMNS = 100

AnyAsset = Asset[..., object]


def make_app(
    name: str, shape: str, size: int, url: str | None = None
) -> tuple[Flowstone, str]:
    """Make an app, and name the asset that needs all others.

    Args:
        name: the app's.
        shape: `grid`, in which each reads two of the row above it; `fan`, of which the
            last reads all others; `chain`, of which each reads the one before.
        size: how many assets there are in all.
        url: of the database that keeps ledger and values; left out, from settings.
    """
    make = {"grid": _grid, "fan": _fan, "chain": _chain}[shape]
    assets = make(size)
    pipeline = Pipeline(*assets)
    if url is None:
        return Flowstone(name, pipeline), assets[-1].name
    stores = {"default": PostgresIO(url)}
    app = Flowstone(name, pipeline, io=stores, ledger=SqlLedger(url))
    return app, assets[-1].name


def _grid(size: int) -> list[AnyAsset]:
    made = [_source(n) for n in range(_COLUMNS)]
    for number in range(_COLUMNS, size - 1):
        above = number - _COLUMNS
        made.append(_pair(number, made[above].name, made[above + 1].name))
    read = made[-_COLUMNS:]
    return [*made, _all(read)]


def _fan(size: int) -> list[AnyAsset]:
    made = [_source(n) for n in range(size - 1)]
    return [*made, _all(made)]


def _chain(size: int) -> list[AnyAsset]:
    made = [_source(0)]
    for number in range(1, size):
        made.append(_next(number, made[-1].name))
    return made


def _name(number: int) -> str:
    return f"asset_{number:05}"


def _source(number: int) -> AnyAsset:
    def make() -> int:
        return number

    return asset(name=_name(number))(make)


def _next(number: int, before: str) -> AnyAsset:
    def make(before: int) -> int:
        return before + 1

    return asset(name=_name(number), needs={"before": before})(make)


def _pair(number: int, left: str, right: str) -> AnyAsset:
    def make(left: int, right: int) -> int:
        return (left + right) % 1_000_003

    return asset(name=_name(number), needs={"left": left, "right": right})(make)


def _all(read: list[AnyAsset]) -> AnyAsset:
    def total(**values: int) -> int:
        return sum(values.values())

    # As if each were written out as a parameter of its own.
    parameters = [Parameter(a.name, Parameter.KEYWORD_ONLY) for a in read]
    vars(total)["__signature__"] = inspect.Signature(parameters)
    return asset(name="total")(total)


def peak_mib(process: int) -> int:
    """Give the most memory that a process had resident so far, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = [x for x in status.splitlines() if x.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024
