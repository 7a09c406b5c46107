"""Annotations as pydantic takes them, where it is narrower than Python's typing."""

from __future__ import annotations

import sys
import typing
from collections import abc
from collections.abc import Callable, Mapping
from types import UnionType
from typing import (
    Annotated,
    Literal,
    NotRequired,
    Protocol,
    Required,
    TypeVar,
    Union,
    cast,
)

import typing_extensions

__all__ = ["members", "readable"]

_LISTS = (abc.Collection, abc.Container, abc.Iterable, abc.Reversible)
_UNIONS = (Union, UnionType)
_NEEDS_COPY = sys.version_info < (3, 12)
"""pydantic refuses `typing.TypedDict` on these Pythons, and takes the copy of one."""

_Known = Mapping[object, object]


class _Presence(Protocol):
    __required_keys__: frozenset[str]


class _Generic(Protocol):
    def __getitem__(self, args: tuple[object, ...], /) -> object: ...


def members(want: object) -> list[object]:
    """Give what an annotation allows: the members of a union, else itself."""
    origin = typing.get_origin(want)
    if origin is Annotated:
        return members(typing.get_args(want)[0])
    if origin in _UNIONS:
        return [one for arg in typing.get_args(want) for one in members(arg)]
    return [want]


def readable(want: object) -> object:
    """Rewrite an annotation: whatever can be iterated becomes a list, read at once."""
    return _readable(want, {})


def _readable(want: object, known: _Known) -> object:
    args = typing.get_args(want)
    if args:
        return _parametrized(want, args, known)
    if _is_one_of(want, _LISTS):
        return list
    if _is_old_typed_dict(want):
        return _copied(cast("type", want), (), known)
    return known.get(want, want) if isinstance(want, TypeVar) else want


def _parametrized(want: object, args: tuple[object, ...], known: _Known) -> object:
    origin = typing.get_origin(want)
    if origin in {Literal, abc.Callable}:
        return want
    if _is_old_typed_dict(origin):
        return _copied(cast("type", origin), args, known)
    if origin is Annotated:
        return Annotated[(_readable(args[0], known), *args[1:])]
    inner = tuple(_readable(arg, known) for arg in args)
    if origin in _UNIONS:
        return Union[inner]  # noqa: UP007 - it has any number of members
    if _is_one_of(origin, _LISTS):
        return list[inner]
    return want if inner == args else cast("_Generic", origin)[inner]


def _is_one_of(want: object, kinds: tuple[type, ...]) -> bool:
    return any(want is kind for kind in kinds)


def _is_old_typed_dict(want: object) -> bool:
    # asked as pydantic asks
    return (
        _NEEDS_COPY
        and typing.is_typeddict(want)
        and type(want).__module__ == typing.__name__
    )


def _copied(old: type, args: tuple[object, ...], known: _Known) -> object:
    if (old, args) in known:
        return known[old, args]
    make = cast("Callable[[str, dict[str, object]], type]", typing_extensions.TypedDict)
    new = make(old.__name__, {})
    new.__module__, new.__qualname__ = old.__module__, old.__qualname__
    inner = [_readable(arg, known) for arg in args]
    bound = dict(zip(getattr(old, "__parameters__", ()), inner, strict=False))
    within = {**known, **bound, (old, args): new}
    required = cast("_Presence", old).__required_keys__
    for name, hint in typing.get_type_hints(old, include_extras=True).items():
        new.__annotations__[name] = _field(hint, within, required=name in required)
    return new


def _field(hint: object, known: _Known, *, required: bool) -> object:
    if typing.get_origin(hint) in {Required, NotRequired}:
        # said in text, it is not yet in __required_keys__
        required = typing.get_origin(hint) is Required
        (hint,) = typing.get_args(hint)
    presence = Required if required else NotRequired
    return presence[_readable(hint, known)]
