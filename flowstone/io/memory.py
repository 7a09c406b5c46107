"""Values kept in this process, for trying things out and for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Literal

from flowstone.core.errors import ValueNotFound
from flowstone.io.base import Slot, Stored, address, refused, start_of
from flowstone.io.codecs import Encoded, encode, restore

__all__ = ["MemoryIO"]

_PREFIX = "memory:"
_GONE = "It was deleted, or another process kept it: MemoryIO ends with its process."


class MemoryIO:
    """Keeps values, encoded as any other manager does, until the process ends.

    Example:
        ```python
        app = Flowstone("shop", Pipeline(raw), io={"default": MemoryIO()})
        ```
    """

    takes_encoded: Literal[True] = True
    in_process: bool = True

    def __init__(self) -> None:
        self._values: dict[str, Encoded] = {}
        self._lock = threading.Lock()

    def store(self, value: object, at: Slot) -> Stored:
        """Keep one value."""
        return self.store_many([(value, at)])[0]

    def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
        """Keep values, all of them or none."""
        kept = [(address(_PREFIX, at.path), encode(value)) for value, at in values]
        with self._lock:
            new: dict[str, Encoded] = {}
            for location, encoded in kept:
                known = self._values.get(location) or new.setdefault(location, encoded)
                if known.digest != encoded.digest:
                    raise refused(location)
            self._values.update(new)
        return [encoded.stored_at(location) for location, encoded in kept]

    def load(self, at: Stored, want: object) -> object:
        """Give a fresh value."""
        with self._lock:
            encoded = self._values.get(at.location)
        if encoded is None:
            raise ValueNotFound(asset=at.location, reason=_GONE)
        return restore(encoded.codec, encoded.data, at=at, want=want)

    def check(self) -> None:
        """Have nothing to say: memory is there."""

    def delete(self, at: Stored) -> None:
        """Forget a value."""
        with self._lock:
            self._values.pop(at.location, None)

    def list_locations(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Give where values are kept, and their bytes."""
        with self._lock:
            known = list(self._values.items())
        start = start_of(_PREFIX, prefix)
        return (
            (location, len(encoded.data))
            for location, encoded in known
            if location.startswith(start)
        )
