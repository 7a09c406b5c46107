"""Assets: plain functions, declared.

A decorated function stays what it was: calling it in a test calls the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Generic, Never, ParamSpec, TypedDict, TypeVar, Unpack, overload

from flowstone.core.code import code_version
from flowstone.core.errors import BadCompanion, DefinitionError, NotSupported
from flowstone.core.hints import Hints, read_hints
from flowstone.core.policy import Retry
from flowstone.core.space import Single, Space
from flowstone.core.wiring import Wiring, wire

__all__ = [
    "Asset",
    "Options",
    "asset",
    "parallel",
    "route",
    "scatter",
    "scatter_batches",
]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
F = TypeVar("F", bound=Callable[..., object])


class Keywords(TypedDict, total=False):
    """The keywords that every decorator takes; `Options` says what they mean."""

    name: str
    io: str
    needs: Mapping[str, str]
    after: Sequence[str]
    partitions: Space
    retry: Retry
    timeout: timedelta
    version: str
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
    "resources": (),
    "queue": None,
    "priority": 3,
    "pool": None,
    "pool_units": 1,
    "heartbeat": None,
    "routed_from": None,
}
"""Keywords that are not built yet, with the values at which they ask for nothing."""


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


class Asset(Generic[P, R]):
    """A named data artifact and the function that makes it.

    Attributes:
        name: what its readers call it; the function's name unless given.
        function: the function as it was written.
        options: what the decorator was told.
    """

    def __init__(self, function: Callable[P, R], name: str, options: Options) -> None:
        self.name = name
        self.function = function
        self.options = options
        self.companions: dict[str, Callable[..., object]] = {}
        self._sealed = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
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
        return code_version(self.function, *self.companions.values())

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
        try:
            return wire(function, supplied=_SUPPLIED[companion])
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
        return function


_SUPPLIED = {"on_signal": 1, "on_timeout": 0}
"""How many leading parameters of a companion Flowstone fills itself."""


@overload
def asset(function: Callable[P, R], /) -> Asset[P, R]: ...
@overload
def asset(
    **keywords: Unpack[Keywords],
) -> Callable[[Callable[P, R]], Asset[P, R]]: ...
def asset(
    function: Callable[P, R] | None = None, /, **keywords: Unpack[Keywords]
) -> Asset[P, R] | Callable[[Callable[P, R]], Asset[P, R]]:
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

    def declare(function: Callable[P, R]) -> Asset[P, R]:
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
    given = dict(keywords)
    name = str(given.pop("name", None) or getattr(function, "__name__", ""))
    if not callable(function) or not name.isidentifier():
        raise DefinitionError(
            reason=f"{name!r} cannot name an asset: its readers write it as a "
            "parameter. Give name=... a Python identifier."
        )
    for word, neutral in _LATER.items():
        if given.pop(word, neutral) not in (neutral, []):
            raise NotSupported(what=f"@asset({word}=...) of {name!r}")
    unknown = set(given) - set(Options.__dataclass_fields__)
    if unknown:
        words = ", ".join(sorted(unknown))
        raise DefinitionError(reason=f"@asset of {name!r} takes no keyword {words}.")
    return name, Options(**_checked(name, given))  # pyright: ignore[reportArgumentType]


def _checked(name: str, given: dict[str, object]) -> dict[str, object]:
    timeout = given.get("timeout")
    if timeout is not None and (
        not isinstance(timeout, timedelta) or timeout <= timedelta(0)
    ):
        raise DefinitionError(
            reason=f"@asset of {name!r}: timeout must be a positive timedelta."
        )
    needs = given.get("needs")
    if isinstance(needs, Mapping) and not all(
        isinstance(target, str | Asset) for target in needs.values()
    ):
        raise NotSupported(
            what=f"A mapping in needs= of {name!r}", instead="Name an asset."
        )
    if isinstance(needs, Mapping):
        given["needs"] = {p: _name(a) for p, a in needs.items()}
    after = given.get("after", ())
    if isinstance(after, str | Asset):
        raise DefinitionError(reason=f"@asset of {name!r}: after must be a list.")
    if isinstance(after, Sequence):
        given["after"] = tuple(_name(a) for a in after)
    return given


def _name(named: object) -> str:
    return named.name if isinstance(named, Asset) else str(named)
