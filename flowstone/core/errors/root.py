"""The root of the tree, and how an error crosses from process to process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import cast

__all__ = ["Data", "FlowstoneError", "at", "from_data"]

Data = Mapping[str, object]
"""What an error is on the wire: its type's name and its fields, plain JSON."""


@dataclass(eq=False, kw_only=True)
class FlowstoneError(Exception):
    """The root: everything that Flowstone itself raises."""

    @property
    def message(self) -> str:
        """What went wrong and what to do next, in one or more sentences."""
        return self._say()

    def _say(self) -> str:
        return type(self).__name__

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, tuple[Data]]:
        return (from_data, (self.to_data(),))

    def to_data(self) -> dict[str, object]:
        """Give the error as plain JSON, nested errors included."""
        data = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"type": type(self).__name__, **data}

    @staticmethod
    def from_data(data: Data) -> FlowstoneError:
        """Give back the error that `to_data` made; of an unknown class, a `RunError`."""
        return from_data(data)


def from_data(data: Data) -> FlowstoneError:
    """Give back the error that `to_data` made; of an unknown class, a `RunError`.

    Fields that this release does not know are left out: another may have sent them.
    """
    known = _tree(FlowstoneError)
    found = known.get(str(data.get("type")))
    if found is not None:
        names = {f.name for f in fields(found)}
        values = {k: _rich(v) for k, v in data.items() if k in names}
        # A field that it must have may not have come along.
        with suppress(TypeError):
            return found(**values)
    run_error = cast("Callable[..., FlowstoneError]", known["RunError"])
    return run_error(reason=str(data.get("reason") or dict(data)))


def at(asset: str, partition: str) -> str:
    """Name one cell as people read it: `'report' @ 2025-01-15`."""
    return f"{asset!r} @ {partition}" if partition not in {"", "-"} else repr(asset)


def _tree(root: type[FlowstoneError]) -> dict[str, type[FlowstoneError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


def _plain(value: object) -> object:
    if isinstance(value, FlowstoneError):
        return value.to_data()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in cast("Sequence[object]", value)]
    return value


def _rich(value: object) -> object:
    if isinstance(value, Mapping):
        data = cast("Data", value)
        return from_data(data) if "type" in data else data
    if isinstance(value, list):
        return tuple(_rich(v) for v in cast("list[object]", value))
    return value
