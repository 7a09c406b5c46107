"""The annotations of a function, read once, to decode what is stored.

They never decide behaviour: where one cannot be resolved, there is none.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Union, cast

from flowstone.core.outcome import Approval, Signal, Skip, Snooze

__all__ = ["Hints", "read_hints"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a function is annotated to take and to give; `None` where it is not.

    Attributes:
        parameters: the annotation of each parameter that has one.
        returns: the annotation of its value, suspensions stripped.
        signals: whether it says that it may wait for a signal.
    """

    parameters: Mapping[str, object]
    returns: object
    signals: bool = False


def read_hints(function: Callable[..., object]) -> Hints:
    """Resolve a function's annotations; those that fail are left out."""
    try:
        found: dict[str, object] = typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - whatever an annotation does, it decides nothing
        found = _one_by_one(function)
    returns = found.pop("return", None)
    return Hints(
        parameters=found, returns=_value_of(returns), signals=_may_signal(returns)
    )


def _one_by_one(function: Callable[..., object]) -> dict[str, object]:
    names = cast("dict[str, object]", getattr(function, "__annotations__", {}))
    scope = cast("dict[str, object]", getattr(function, "__globals__", {}))
    found: dict[str, object] = {}
    for name, hint in names.items():
        single = types.SimpleNamespace(__annotations__={name: hint})
        try:
            found |= typing.get_type_hints(single, globalns=scope, include_extras=True)
        except Exception:  # noqa: BLE001, S112 - left out, as promised
            continue
    return found


def _may_signal(hint: object) -> bool:
    members = (hint,)
    if typing.get_origin(hint) in {Union, types.UnionType}:
        members = typing.get_args(hint)
    return any(m is Signal or typing.get_origin(m) is Signal for m in members)


def _value_of(hint: object) -> object:
    """Strip suspensions: of `T | Approval[T] | Skip` is left `T`."""
    if typing.get_origin(hint) not in {Union, types.UnionType}:
        return _unwrap(hint)
    kept: list[object] = []
    for member in typing.get_args(hint):
        inner = _unwrap(member)
        if inner is not None and inner not in kept:
            kept.append(inner)
    if not kept:
        return None
    return Union[tuple(kept)]  # noqa: UP007 - `|` takes less than annotations may have


def _unwrap(hint: object) -> object:
    # By identity: what is in an annotation may refuse to be hashed or compared.
    if any(hint is word for word in (Skip, Snooze, Approval, Signal)):
        return None
    if typing.get_origin(hint) in {Approval, Signal}:
        return typing.get_args(hint)[0]
    return hint
