"""What a table of states asks to be started."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Something to start now: a pack to run, or gates to ask.

    Attributes:
        cells: the cells' numbers in the table.
        dispatch: its number, growing within a workflow.
        gates: whether the cells' gates are asked, rather than the cells run.
        expired: whether those gates are asked since an instant of theirs has come.
        instants: that of each, in milliseconds.
        last: whether nothing else is left to do, or to write down.
        again: whether the worker that was asked before lacked one of the assets.
    """

    cells: tuple[int, ...]
    dispatch: int
    gates: bool = False
    expired: bool = False
    instants: tuple[int, ...] = ()
    last: bool = False
    again: bool = False
