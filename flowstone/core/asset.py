"""Assets: plain functions, declared.

A decorated function stays what it was: calling it in a test calls the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from keyword import iskeyword
from types import NoneType
from typing import (
    Generic,
    Never,
    ParamSpec,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from flowstone.core.code import code_version
from flowstone.core.errors import BadCompanion, DefinitionError, NotSupported
from flowstone.core.hints import Hints, read_hints
from flowstone.core.policy import Retry
from flowstone.core.space import Single, Space
from flowstone.core.wiring import Wiring, wire

__all__ = [
    "AnyAsset",
    "Asset",
    "Keywords",
    "Options",
    "asset",
    "parallel",
    "route",
    "scatter",
    "scatter_batches",
]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., object])


class Keywords(TypedDict, total=False):
    """The keywords that every decorator takes; `Options` says what they mean."""

    name: str
    io: str
    needs: Mapping[str, str | AnyAsset]
    after: Sequence[str | AnyAsset]
    partitions: Space | None
    retry: Retry | None
    timeout: timedelta | None
    version: str | None
    volatile: bool
    tags: Mapping[str, str]
    resources: Sequence[str]
    queue: str | None
    priority: int
    pool: str | None
    pool_units: int
    heartbeat: timedelta | None
    routed_from: str | None


_LATER = {
    "queue": None,
    "priority": 3,
    "pool": None,
    "pool_units": 1,
    "heartbeat": None,
    "routed_from": None,
}
"""Keywords that are not built yet, with the values at which they ask for nothing."""

_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "io": (str, "the name of an IO manager"),
    "needs": (Mapping, "a mapping from parameters to assets"),
    "after": ((list, tuple), "a list of assets"),
    "partitions": ((Space, NoneType), "a space, such as daily(...) or one_of(...)"),
    "retry": ((Retry, NoneType), "a Retry(...)"),
    "timeout": ((timedelta, NoneType), "a positive timedelta"),
    "version": ((str, NoneType), "text"),
    "volatile": (bool, "True or False"),
    "tags": (Mapping, "a mapping of texts"),
    "resources": ((list, tuple), "a list of the names of resources"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a decorator was told.

    Attributes:
        io: the app's IO manager that keeps the value.
        needs: the asset that a parameter reads, where it is not its name.
        after: assets that come first and are not loaded.
        partitions: the space its keys belong to; `None` admits any key.
        retry: the policy for failures of the function; `None` means one attempt.
        timeout: of one attempt; `None` leaves its length to the heartbeat.
        version: the code version; `None` means the hash of the code.
        volatile: whether a value that exists is never used again.
        tags: facts for people.
        resources: the app's resources that it asks for, by name.
    """

    io: str = "default"
    needs: Mapping[str, str] = field(default_factory=dict[str, str])
    after: tuple[str, ...] = ()
    partitions: Space | None = None
    retry: Retry | None = None
    timeout: timedelta | None = None
    version: str | None = None
    volatile: bool = False
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    resources: tuple[str, ...] = ()


class Asset(Generic[P, R_co]):
    """A named data artifact and the function that makes it.

    Attributes:
        name: what its readers call it; the function's name unless given.
        function: the function as it was written.
        options: what the decorator was told.
    """

    def __init__(
        self, function: Callable[P, R_co], name: str, options: Options
    ) -> None:
        self.name = name
        self.function = function
        self.options = options
        self.companions: dict[str, Callable[..., object]] = {}
        self._sealed = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function, as if it had never been decorated."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<asset {self.name!r}>"

    @property
    def description(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.function) or ""

    @property
    def is_single(self) -> bool:
        """Whether it has no partitions and is read as it is by any key."""
        return isinstance(self.options.partitions, Single)

    @cached_property
    def code(self) -> str:
        """The code version: what was given, else a hash of the code."""
        if self.options.version is not None:
            return self.options.version
        companions = (self.companions[c] for c in sorted(self.companions))
        return code_version(self.function, *companions)

    @cached_property
    def wiring(self) -> Wiring:
        """What its function takes."""
        return wire(self.function, renamed=self.options.needs, after=self.options.after)

    @cached_property
    def hints(self) -> Hints:
        """The annotations of its function, resolved where they can be."""
        return read_hints(self.function)

    def companion_wiring(self, companion: str) -> Wiring:
        """Give what a companion takes beside what it is supplied."""
        function = self.companions[companion]
        supplied = _SUPPLIED[companion]
        try:
            own = wire(function, supplied=supplied)
            # What the asset renames is renamed for its companions too.
            renamed = {
                n.parameter: self.options.needs[n.parameter]
                for n in own.needs
                if n.parameter in self.options.needs
            }
            return wire(function, renamed=renamed, supplied=supplied)
        except DefinitionError as error:
            raise BadCompanion(
                asset=self.name, companion=companion, reason=error.reason
            ) from error

    def on_signal(self, function: F) -> F:
        """Make the value from a signal's payload, which comes first."""
        return self._accompany("on_signal", function)

    def on_timeout(self, function: F) -> F:
        """Decide what happens when no signal came in time."""
        return self._accompany("on_timeout", function)

    def seal(self) -> None:
        """Close it to further companions; a pipeline has taken it."""
        self._sealed = True

    def _accompany(self, companion: str, function: F) -> F:
        if self._sealed:
            raise BadCompanion(
                asset=self.name,
                companion=companion,
                reason="a pipeline has taken the asset already; "
                "add the companion before Pipeline(...).",
            )
        if companion in self.companions:
            raise BadCompanion(
                asset=self.name, companion=companion, reason="it has one already."
            )
        self.companions[companion] = function
        # The hash of its code, where somebody asked already, was without this.
        self.__dict__.pop("code", None)
        return function


AnyAsset = Asset[..., object]
"""An asset of whatever type."""

_SUPPLIED = {"on_signal": 1, "on_timeout": 0}
"""How many leading parameters of a companion Flowstone fills itself."""


@overload
def asset(function: Callable[P, R_co], /) -> Asset[P, R_co]: ...
@overload
def asset(
    **keywords: Unpack[Keywords],
) -> Callable[[Callable[P, R_co]], Asset[P, R_co]]: ...
def asset(
    function: Callable[P, R_co] | None = None, /, **keywords: Unpack[Keywords]
) -> Asset[P, R_co] | Callable[[Callable[P, R_co]], Asset[P, R_co]]:
    """Declare that a function makes an asset; its parameters name what it reads.

    Args:
        function: the function, where the decorator is used without parentheses.
        **keywords: see `Options`.

    Raises:
        DefinitionError: a keyword that does not exist, or has no sensible value.
        NotSupported: a keyword whose work is not built yet.

    Example:
        >>> @asset
        ... def raw() -> list[int]:
        ...     return [3, 1, 2]
        >>> @asset(retry=Retry(attempts=3))
        ... def cleaned(raw: list[int]) -> list[int]:
        ...     return sorted(raw)
        >>> cleaned([2, 1])
        [1, 2]
    """

    def declare(function: Callable[P, R_co]) -> Asset[P, R_co]:
        name, options = _read_keywords(function, keywords)
        return Asset(function, name, options)

    return declare if function is None else declare(function)


def scatter(*_: object, **__: object) -> Never:
    """Refuse: scatters are not built yet."""
    raise NotSupported(what="@scatter", instead="Loop inside of an @asset.")


def scatter_batches(*_: object, **__: object) -> Never:
    """Refuse: scatters are not built yet."""
    raise NotSupported(what="@scatter_batches", instead="Loop inside of an @asset.")


def route(*_: object, **__: object) -> Never:
    """Refuse: routes are not built yet."""
    raise NotSupported(what="@route", instead="Return Skip(...) from an @asset.")


def parallel(*_: object, **__: object) -> Never:
    """Refuse: parallel branches are not built yet."""
    raise NotSupported(what="@parallel", instead="Independent assets run at once.")


def _read_keywords(
    function: Callable[..., object], keywords: Keywords
) -> tuple[str, Options]:
    given: dict[str, object] = dict(keywords)
    name = str(given.pop("name", None) or getattr(function, "__name__", ""))
    if not callable(function) or not name.isidentifier() or iskeyword(name):
        raise DefinitionError(
            reason=f"{name!r} cannot name an asset: its readers write it as a "
            "parameter. Give name=... a Python identifier."
        )
    for word, neutral in _LATER.items():
        if given.pop(word, neutral) not in (neutral, []):
            raise NotSupported(what=f"@asset({word}=...) of {name!r}")
    _check_keywords(name, given)
    return name, Options(
        io=keywords.get("io", "default"),
        needs=_renames(name, keywords.get("needs", {})),
        after=tuple(_name(a) for a in keywords.get("after", ())),
        partitions=keywords.get("partitions"),
        retry=keywords.get("retry"),
        timeout=keywords.get("timeout"),
        version=keywords.get("version"),
        volatile=keywords.get("volatile", False),
        tags=dict(keywords.get("tags", {})),
        resources=tuple(dict.fromkeys(keywords.get("resources", ()))),
    )


def _check_keywords(name: str, given: Mapping[str, object]) -> None:
    unknown = sorted(set(given) - set(_KINDS))
    if unknown:
        words = ", ".join(unknown)
        raise DefinitionError(reason=f"@asset of {name!r} takes no keyword {words}.")
    for word, value in given.items():
        if not _is_good(word, value):
            raise DefinitionError(
                reason=f"@asset of {name!r}: {word} must be {_KINDS[word][1]}, "
                f"not {value!r}."
            )


def _is_good(word: str, value: object) -> bool:
    if word == "timeout" and isinstance(value, timedelta):
        return value > timedelta(0)
    if word == "after" and isinstance(value, list | tuple):
        return all(_is_named(target) for target in cast("Sequence[object]", value))
    if word == "resources" and isinstance(value, list | tuple):
        return all(isinstance(name, str) for name in cast("Sequence[object]", value))
    return isinstance(value, _KINDS[word][0])


def _renames(name: str, needs: Mapping[str, str | AnyAsset]) -> dict[str, str]:
    for target in needs.values():
        if not _is_named(target):
            raise NotSupported(
                what=f"A mapping in needs= of {name!r}", instead="Name an asset."
            )
    return {parameter: _name(target) for parameter, target in needs.items()}


def _is_named(target: object) -> bool:
    return isinstance(target, str | Asset)


def _name(named: str | AnyAsset) -> str:
    return named if isinstance(named, str) else named.name
