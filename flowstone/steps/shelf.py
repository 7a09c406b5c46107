"""The values of one pack: what it reads, what it has made and not yet committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from flowstone.core.errors import StoreError
from flowstone.core.events import Event
from flowstone.core.plan import Node
from flowstone.io import codecs
from flowstone.io.base import IOManager, Slot, Stored, StoresMany, TakesEncoded
from flowstone.io.codecs import Encoded, Encodes
from flowstone.io.streams import release
from flowstone.ledger.base import Attempt, Version, Wanted
from flowstone.steps.moving import Moved, Moves
from flowstone.steps.toolbox import Job, Toolbox

__all__ = ["Finished", "NotStorable", "Shelf", "stored_of"]

_IN_MEMORY = 32 * 1024 * 1024
_BAD_VALUE = (StoreError, TypeError, ValueError, LookupError, AttributeError)
"""What a manager raises about a value, rather than about the world."""


class NotStorable(Exception):
    """A value that its manager does not take; the cause says why."""


@dataclass(slots=True, kw_only=True)
class Finished:
    """A value that a function gave.

    Attributes:
        encoded: its bytes, where it is handed on from memory and stored later.
        stored: where it is, once it is stored.
        reads: the versions it was made from, by parameter.
        told: the event that says so.
    """

    wanted: Wanted
    attempt: Attempt
    node: Node
    millis: int
    facts: Mapping[str, object]
    reads: Sequence[tuple[str, str]]
    told: Event
    encoded: Encoded | None = None
    stored: Stored | None = None


class Shelf:
    """Loads inputs and stores values for one pack.

    Args:
        toolbox: where the managers are.
        job: the run.
        pinned: the versions of what the pack reads from outside.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        job: Job,
        pinned: Mapping[tuple[int, int], Version | None],
    ) -> None:
        self._toolbox = toolbox
        self._job = job
        self.versions = dict(pinned)
        self.finished: dict[tuple[int, int], Finished] = {}
        self._encoders: dict[str, Callable[[object], object]] = {}
        self._moves = Moves(toolbox.telemetry, job.run.id)

    def manager(self, node: Node) -> IOManager:
        """Give the manager that keeps a node's values."""
        return self._toolbox.io[node.io]

    def has(self, cell: tuple[int, int]) -> bool:
        """Tell whether a cell's value can be read."""
        return cell in self.finished or self.versions.get(cell) is not None

    def version_id(self, cell: tuple[int, int]) -> str:
        """Give the id of the version a reader of this pack reads."""
        made = self.finished.get(cell)
        if made is not None:
            return made.attempt.id
        version = self.versions[cell]
        assert version is not None
        return version.id

    def load_all(
        self,
        cells: Mapping[str, tuple[int, int]],
        hints: Mapping[str, object],
        held: ExitStack,
    ) -> dict[str, object]:
        """Load what a function reads; `held` lets go of the files of it."""
        inputs: dict[str, object] = {}
        for name, cell in cells.items():
            inputs[name] = self.load(cell, hints.get(name))
            held.callback(release, inputs[name])
        return inputs

    def load(self, cell: tuple[int, int], want: object) -> object:
        """Give a fresh value, decoded as the reader's annotation has it."""
        node = self._job.plan.nodes[cell[0]]
        if want is None:
            want = self._toolbox.pipeline.assets[node.asset].hints.returns
        made = self.finished.get(cell)
        if made is not None and made.encoded is not None:
            return codecs.decode(made.encoded, want)
        if made is not None:
            assert made.stored is not None
            with self._moves.loading(lambda: _moved(made), made.stored.bytes):
                return self.manager(node).load(made.stored, want)
        version = self.versions[cell]
        assert version is not None
        at = Moved(node.asset, version.key, version.io, version.id)
        with self._moves.loading(lambda: at, version.size):
            return self._toolbox.io[version.io].load(stored_of(version), want)

    def put(self, made: Finished, value: object) -> None:
        """Take a value in: its bytes, or what its manager made of it.

        Raises:
            NotStorable: it cannot be stored.
            SourceFailed: it is a stream, and what it reads from failed.
        """
        manager = self.manager(made.node)
        try:
            # Large ones may come as a stream.
            ready = self._encoder(made.node.io)(value)
            if isinstance(ready, Encoded) and len(ready.data) <= _IN_MEMORY:
                made.encoded = ready
            else:
                with self._moves.storing(lambda: _sizes([made])):
                    made.stored = manager.store(ready, self._slot(made))
        except _BAD_VALUE as error:
            raise NotStorable from error
        self.finished[made.wanted.cell] = made

    def _encoder(self, io: str) -> Callable[[object], object]:
        # To ask what a manager can do takes longer than most values.
        found = self._encoders.get(io)
        if found is None:
            found = self._encoders[io] = _encoder(self._toolbox.io[io])
        return found

    def store(self, group: Sequence[Finished]) -> None:
        """Store what is still in memory, each manager's values together."""
        by_manager: dict[str, list[Finished]] = {}
        for made in group:
            if made.stored is None:
                by_manager.setdefault(made.node.io, []).append(made)
        for name, values in by_manager.items():
            with self._moves.storing(lambda moved=values: _sizes(moved)):
                self._store(self._toolbox.io[name], values)

    def _store(self, manager: IOManager, values: Sequence[Finished]) -> None:
        pairs = [(made.encoded, self._slot(made)) for made in values]
        if isinstance(manager, StoresMany):
            found = list(manager.store_many(pairs))
        else:
            found = [manager.store(value, slot) for value, slot in pairs]
        for made, stored in zip(values, found, strict=True):
            made.stored = stored

    def forget(self, cell: tuple[int, int]) -> Finished | None:
        """Give up a value that will not be this run's, if there is one."""
        return self.finished.pop(cell, None)

    def _slot(self, made: Finished) -> Slot:
        return Slot(
            asset=made.wanted.asset,
            key=made.wanted.key,
            version=made.attempt.id,
            path=made.attempt.path,
        )


def _moved(made: Finished) -> Moved:
    return Moved(made.node.asset, made.wanted.key, made.node.io, made.attempt.id)


def _sizes(values: Sequence[Finished]) -> list[tuple[Moved, int | None]]:
    return [(_moved(m), m.stored.bytes if m.stored else None) for m in values]


def _encoder(manager: IOManager) -> Callable[[object], object]:
    """Tell how a manager wants values: encoded, or as they are."""
    if not isinstance(manager, TakesEncoded):
        return lambda value: value
    return manager.encode if isinstance(manager, Encodes) else codecs.encode


def stored_of(version: Version) -> Stored:
    """Say where a version's value is, to its manager."""
    return Stored(
        location=version.location,
        bytes=version.size,
        digest=version.digest,
        facts=version.facts,  # pyright: ignore[reportArgumentType]
    )
