"""A manager that tells all that it keeps, and an app that leaves things on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from flowstone import Context, Flowstone, Pipeline, Signal, Slot, Stored, asset
from flowstone.io import decode, encode


class ShelfIO:
    """Keeps each value as a file of one folder.

    Args:
        folder: the folder; `SHELF_FOLDER` where it is left out.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given = folder

    @property
    def _folder(self) -> Path:
        folder = self._given or Path(os.environ["SHELF_FOLDER"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def store(self, value: object, at: Slot) -> Stored:
        """Keep a value."""
        encoded = encode(value)
        self.put(at.path, encoded.data)
        return Stored(
            location=f"shelf:{at.path}",
            bytes=len(encoded.data),
            digest=encoded.digest,
            facts=encoded.facts,
        )

    def put(self, path: str, data: bytes) -> str:
        """Put something there without a word to anybody; give its location."""
        (self._folder / quote(path, safe="")).write_bytes(data)
        return f"shelf:{path}"

    def load(self, at: Stored, want: object) -> object:
        """Give a value."""
        return decode(("json", self._file(at).read_bytes()), want)

    def delete(self, at: Stored) -> None:
        """Forget a value."""
        if "stuck" in at.location:
            raise PermissionError(at.location)
        self._file(at).unlink(missing_ok=True)

    def list_locations(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Tell all that is there."""
        for file in sorted(self._folder.iterdir()):
            path = unquote(file.name)
            if path.startswith(f"{prefix}/" if prefix else ""):
                yield f"shelf:{path}", file.stat().st_size

    def _file(self, at: Stored) -> Path:
        return self._folder / quote(at.location.removeprefix("shelf:"), safe="")


@asset
def good() -> int:
    """Be made."""
    return 1


@asset
def failing() -> int:
    """Fail."""
    raise ValueError("no rows")


@asset
def waiting() -> Signal[int]:
    """Wait at a gate."""
    return Signal()


@asset
def slow(ctx: Context) -> int:
    """Be at it until it is cancelled."""
    while True:
        time.sleep(0.02)
        ctx.heartbeat()


PIPELINE = Pipeline(good, failing, waiting, slow)
app = Flowstone("shelf", PIPELINE, io={"default": ShelfIO()})
