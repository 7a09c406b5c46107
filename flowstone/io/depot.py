"""Where bytes are kept under keys: what a bucket and a folder have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

__all__ = ["Depot", "NothingThere", "Pouring"]


class NothingThere(Exception):
    """A depot has nothing under a key."""


class Pouring(Protocol):
    """Bytes on their way into a depot: nobody sees them before they are all there."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take some more."""
        ...

    def publish(self) -> bool:
        """Make them visible at once; `False` where something is there already."""
        ...

    def discard(self) -> None:
        """Forget them; after `publish` it does nothing."""
        ...


class Depot(Protocol):
    """Keeps bytes under keys. Blocking, safe to use from many threads."""

    def put(self, key: str, data: bytes, *, kind: str) -> bool:
        """Keep bytes, whole or not at all; `False` where something is there already.

        Args:
            key: what they are found by.
            data: the bytes.
            kind: what they are, as a media type.
        """
        ...

    def pour(self, key: str, *, kind: str) -> Pouring:
        """Keep bytes that come little by little."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open what is kept, to read it from its beginning; the caller closes it.

        Raises:
            NothingThere: there is none.
        """
        ...

    def delete(self, key: str) -> None:
        """Forget what is kept, or what was never finished."""
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Give keys and sizes, what was never finished included."""
        ...

    def locate(self, key: str) -> str:
        """Say where a key is, for the ledger and for people."""
        ...

    def key_at(self, location: str) -> str:
        """Give the key of a location.

        Raises:
            NothingThere: the location is not in this depot.
        """
        ...

    def problems(self) -> Sequence[str]:
        """Say what it has not been told."""
        ...

    def close(self) -> None:
        """Let go of connections; using it again makes new ones."""
        ...
