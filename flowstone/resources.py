"""Resources: what the assets of one worker share, opened once and closed at its end."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from flowstone.core.errors import ConfigurationError
from flowstone.core.outcome import Cancelled
from flowstone.core.pipeline import AnyAsset, Pipeline
from flowstone.core.text import closest, error_line, masked
from flowstone.core.wiring import CONTEXT

__all__ = [
    "CannotOpen",
    "Given",
    "Patience",
    "Resource",
    "Resources",
    "overridden",
    "problems_of",
]

_LOG = logging.getLogger("flowstone")
_AGAIN_AFTER = (0.2, 0.8)
"""The waits between the tries of one opening, in seconds."""

_POLL = 0.25
_FAREWELL = 10.0

Settle = Callable[[object, str, float | None], object]
"""Awaits what a call gave, where that is awaitable, on the loop of async assets."""


class Resource:
    """Something that assets share: a connection, a client, a model.

    It is opened once for each worker, when the first asset asks for it, and closed when
    the worker ends. Any of the three may be `async def`: it then runs on the loop on
    which `async def` assets run, and only those may ask for it. A class need not be a
    subclass: an `open()` makes a resource.

    Example:
        >>> from flowstone import Context, Flowstone, Pipeline, asset
        >>> class Warehouse(Resource):
        ...     def open(self) -> dict[str, int]:
        ...         return {"orders": 3}
        >>> @asset(resources=["warehouse"])
        ... def orders(ctx: Context) -> int:
        ...     return ctx.resources["warehouse"]["orders"]
        >>> app = Flowstone(
        ...     "shop", Pipeline(orders), resources={"warehouse": Warehouse()}
        ... )
        >>> with app.local().sync() as stone:
        ...     stone.materialize(orders).result()
        3
    """

    def open(self) -> object:
        """Open it; give what assets get, or `None` for the resource itself."""

    def close(self) -> object:
        """Close it; what it raises is logged, and harms nothing."""

    def healthy(self) -> object:
        """Tell whether it is well: `False`, a text that says why not, or an exception.

        Anything else is well.
        """
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a resource is waited for.

    Attributes:
        attempts: how many attempts of an asset may end because it does not open.
        seconds: how long one attempt waits for it.
    """

    attempts: int = 10
    seconds: float = 60.0


class CannotOpen(Exception):
    """A resource did not open; the cause says why."""

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(name)
        self.name = name
        self.__cause__ = cause


class Given(Mapping[str, Any]):
    """What an asset asked for, by name; its representation shows the names alone."""

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            what = f"{name!r} was not asked for: name it in @asset(resources=[...])."
            raise KeyError(what) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<resources {', '.join(self._values) or 'none'}>"


class Resources:
    """The resources of one worker: opened when they are asked for, closed in reverse.

    Args:
        declared: those of the app. What has no `open()` is given as it is.
        settle: awaits on the loop of async assets.
        patience: how long they are waited for.
    """

    def __init__(
        self,
        declared: Mapping[str, object],
        settle: Settle,
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self._declared = dict(declared)
        self._settle = settle
        self._lock = threading.Lock()
        self._opening: dict[str, Future[object]] = {}
        self._opened: list[str] = []
        self._closing = threading.Event()

    def __repr__(self) -> str:
        return f"<resources {', '.join(self._declared) or 'none'}>"

    @property
    def names(self) -> list[str]:
        """The names of all."""
        return list(self._declared)

    @property
    def opened(self) -> list[str]:
        """The names of those that are open, in the order in which they opened."""
        with self._lock:
            return list(self._opened)

    def take(
        self, names: Sequence[str], *, stopped: Callable[[], bool] = lambda: False
    ) -> Given:
        """Give resources, opening those that are not open.

        Args:
            names: which ones.
            stopped: tells whether nobody waits for them any more.

        Raises:
            CannotOpen: one does not open.
            Cancelled: nobody waits any more.
        """
        return Given({name: self._take(name, stopped) for name in names})

    def _take(self, name: str, stopped: Callable[[], bool]) -> object:
        found = self._begun(name)
        ends = time.monotonic() + self.patience.seconds
        while not wait([found], timeout=_POLL).done:
            if stopped():
                raise Cancelled
            if time.monotonic() > ends:
                late = f"it did not open within {self.patience.seconds:g} s"
                raise CannotOpen(name, TimeoutError(late))
        error = found.exception()
        if error is not None:
            raise CannotOpen(name, error)
        return found.result()

    def _begun(self, name: str) -> Future[object]:
        """Give the opening that is under way or done; begin one after a failure."""
        with self._lock:
            found = self._opening.get(name)
            if found is not None and not (found.done() and found.exception()):
                return found
            found = self._opening[name] = Future()
        if self._closing.is_set():
            found.set_exception(RuntimeError("the worker is closed"))
            return found
        # In a thread of its own: whoever waits for it can still be cancelled.
        threading.Thread(
            target=self._open,
            args=(name, found),
            name=f"flowstone-open-{name}",
            daemon=True,
        ).start()
        return found

    def _open(self, name: str, found: Future[object]) -> None:
        for again in (*_AGAIN_AFTER, None):
            try:
                value = self._call(name, "open", self.patience.seconds)
            except BaseException as error:  # noqa: BLE001 - the asset's attempt has it
                _LOG.warning("resource %r does not open: %s", name, error_line(error))
                if again is None or self._closing.wait(again):
                    found.set_exception(error)
                    return
            else:
                self._keep(name, found, value)
                return

    def _keep(self, name: str, found: Future[object], value: object) -> None:
        with self._lock:
            self._opened.append(name)
            late = self._closing.is_set()
        found.set_result(self._declared[name] if value is None else value)
        if late:
            self._close(name)

    def _call(self, name: str, verb: str, seconds: float | None) -> object:
        method = getattr(self._declared[name], verb, None)
        if not callable(method):
            return None
        return self._settle(method(), f"{verb} of resource {name}", seconds)

    def ask(self, name: str) -> str:
        """Ask an open resource how it is; give what is wrong with it, if anything is.

        Raises:
            Exception: whatever it raises.
        """
        said = self._call(name, "healthy", self.patience.seconds)
        if said is False:
            return "it says that it is not healthy"
        return masked(said) if isinstance(said, str) else ""

    def close(self) -> None:
        """Close what is open, the last one first; later nothing opens."""
        self._closing.set()
        for name in reversed(self.opened):
            self._close(name)

    def _close(self, name: str) -> None:
        with self._lock:
            if name not in self._opened:
                return
            self._opened.remove(name)
        try:
            self._call(name, "close", _FAREWELL)
        except BaseException as error:  # noqa: BLE001 - the others are closed all the same
            _LOG.warning("resource %r does not close: %s", name, error_line(error))


# --- checking an app ----------------------------------------------------------------


def problems_of(pipeline: Pipeline, resources: Mapping[str, object]) -> list[str]:
    """Tell what is wrong between a pipeline and the resources of its app."""
    problems = [
        f"The resource {name!r} is a class: give an instance of it, as "
        f"{resource.__name__}(...)."
        for name, resource in resources.items()
        if isinstance(resource, type)
    ]
    for asset in pipeline:
        for name in asset.options.resources:
            if name not in resources:
                problems.append(_stranger(asset, name, resources))
            elif _is_async(resources[name]):
                problems += _wrong_side(asset, name)
    return problems


def _stranger(asset: AnyAsset, name: str, resources: Mapping[str, object]) -> str:
    names = ", ".join(repr(k) for k in sorted(resources)) or "none"
    meant = closest(str(name), resources)
    hint = f" Did you mean {meant!r}?" if meant else ""
    return (
        f"{asset.name!r} wants the resource {name!r}, which the app does not have; it "
        f"has {names}.{hint} Add it to resources={{...}}."
    )


def _is_async(resource: object) -> bool:
    return any(
        inspect.iscoroutinefunction(getattr(resource, verb, None))
        for verb in ("open", "close", "healthy")
    )


def _wrong_side(asset: AnyAsset, name: str) -> Iterator[str]:
    """Find functions that would use on their own thread what lives on the loop."""
    functions = {asset.name: asset.function}
    functions |= {f"{asset.name}.{c}": f for c, f in asset.companions.items()}
    for called, function in functions.items():
        takes = (
            called == asset.name or CONTEXT in inspect.signature(function).parameters
        )
        if takes and not inspect.iscoroutinefunction(function):
            yield (
                f"{called!r} is a plain def and wants the resource {name!r}, which is "
                "opened by async def and lives on the loop of async assets: make the "
                "function async def, or the resource plain."
            )


def overridden(
    pipeline: Pipeline,
    resources: Mapping[str, object],
    instead: Mapping[str, object] | None,
) -> dict[str, object]:
    """Give an app's resources with some of them replaced.

    Raises:
        ConfigurationError: one replaces nothing, or does not fit; all problems at once.
    """
    if not instead:
        return dict(resources)
    names = ", ".join(repr(k) for k in sorted(resources)) or "none"
    problems = [
        f"There is no resource {name!r} to replace; the app has {names}."
        for name in instead
        if name not in resources
    ]
    merged = {**resources, **instead}
    problems += problems_of(pipeline, merged)
    if problems:
        raise ConfigurationError(problems=problems)
    return merged
