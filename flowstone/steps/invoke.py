"""Call the user's function, and say as data what it did."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from flowstone.core.errors import AssetFailed, FlowstoneError
from flowstone.core.outcome import Cancelled, Fatal, RetryAfter
from flowstone.core.pipeline import AnyAsset
from flowstone.core.wiring import CONTEXT
from flowstone.ledger.base import Attempt, Wanted
from flowstone.resources import Given
from flowstone.steps.background import Exited
from flowstone.steps.context import Context
from flowstone.steps.toolbox import Call, Toolbox

__all__ = [
    "Failure",
    "Invocation",
    "Returned",
    "Stopped",
    "failure",
    "invoke",
    "shown",
    "stopped_or_failed",
    "told",
    "watched",
]

_POLL = 0.25
_OURS = ("/flowstone/steps/", "/flowstone/resources.py")
_CANCELLED = (
    Cancelled,
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
)
_LONGEST_TEXT = 2_000
_LONGEST_TRACE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The function returned: a value, or one of the outcomes."""

    value: object
    millis: int
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The function raised, or took too long.

    Attributes:
        retryable: whether its retry policy may be asked.
        after: the wait that it asked for.
    """

    error: FlowstoneError
    retryable: bool
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """Cancellation reached it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of one function.

    Attributes:
        want: the cell it is for.
        attempt: the ledger's attempt at it.
        function: the asset's, or a companion's.
        hints: the annotations of its parameters.
        supplied: what comes first, by position.
        takes_context: whether it takes `ctx`.
        token: makes the token of its gate.
        resources: what the asset asked for.
    """

    asset: AnyAsset
    want: Wanted
    attempt: Attempt
    partition: object
    run: str
    function: Callable[..., object]
    hints: Mapping[str, object]
    token: Callable[[], str]
    supplied: tuple[object, ...] = ()
    takes_context: bool = False
    resources: Given = field(default_factory=Given)

    def by(
        self,
        function: Callable[..., object],
        *,
        hints: Mapping[str, object],
        supplied: tuple[object, ...],
        takes_context: bool,
    ) -> Invocation:
        """Give the same, by a companion."""
        return replace(
            self,
            function=function,
            hints=hints,
            supplied=supplied,
            takes_context=takes_context,
        )

    @property
    def name(self) -> str:
        """Name it as people read it."""
        key = self.want.key
        return self.asset.name if key == "-" else f"{self.asset.name} @ {key}"


def invoke(
    toolbox: Toolbox,
    call: Call,
    what: Invocation,
    inputs: Mapping[str, object],
) -> Returned | Failure | Stopped:
    """Call a function, sync or async, within its timeout."""
    if call.cancelled.is_set():
        return Stopped()
    facts: dict[str, object] = {}
    arguments = dict(inputs)
    if what.takes_context:
        arguments[CONTEXT] = _context(toolbox, call, what, facts)
    began = time.perf_counter()
    try:
        value = _run(toolbox, call, what, arguments)
    except BaseException as error:  # noqa: BLE001 - SystemExit is a failure, not an end
        return stopped_or_failed(call, what, error)
    finally:
        call.region.leave()
    return Returned(
        value=value,
        millis=round((time.perf_counter() - began) * 1000),
        facts=facts,
    )


def _context(
    toolbox: Toolbox, call: Call, what: Invocation, facts: dict[str, object]
) -> Context:
    return Context(
        asset=what.asset.name,
        partition=what.partition,  # pyright: ignore[reportArgumentType]
        run_id=what.run,
        attempt=what.want.number,
        started_at=datetime.now(UTC),
        scheduled_at=_scheduled(toolbox, what.run),
        resources=what.resources,
        _call=call,
        _token=what.token,
        _callbacks=toolbox.callbacks.url,
        _facts=facts,
    )


def _scheduled(toolbox: Toolbox, run: str) -> datetime | None:
    job = toolbox.job(run)
    text = "" if job is None else job.run.request.scheduled_at
    return datetime.fromisoformat(text) if text else None


def _run(
    toolbox: Toolbox,
    call: Call,
    what: Invocation,
    arguments: Mapping[str, object],
) -> object:
    timeout = what.asset.options.timeout
    if inspect.iscoroutinefunction(what.function):
        work = cast(
            "Coroutine[object, object, object]",
            what.function(*what.supplied, **arguments),
        )
        found = _wait(toolbox.background.submit(work, what.name), call, what, timeout)
        if isinstance(found, Exited):
            raise found.error
        return found
    if timeout is None:
        with call.region.entered():
            return what.function(*what.supplied, **arguments)
    # A thread of its own, so that the step can go on when the function does not end.
    future: concurrent.futures.Future[object] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def work_in_thread() -> None:
        try:
            with call.region.entered():
                value = what.function(*what.supplied, **arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised in the step
            future.set_exception(error)
        else:
            future.set_result(value)

    threading.Thread(
        target=work_in_thread, name=f"flowstone-{what.name}", daemon=True
    ).start()
    return _wait(future, call, what, timeout)


def _wait(
    future: concurrent.futures.Future[object],
    call: Call,
    what: Invocation,
    timeout: timedelta | None,
) -> object:
    ends = None if timeout is None else time.monotonic() + timeout.total_seconds()
    while True:
        left = _POLL if ends is None else min(_POLL, ends - time.monotonic())
        try:
            return future.result(timeout=max(left, 0))
        except TimeoutError:
            if future.done():
                # It ended just now, or raised this itself.
                return future.result()
        if ends is not None and time.monotonic() >= ends:
            future.cancel()
            call_timeout = f"{what.name!r} ran longer than its timeout of {timeout}."
            raise TimeoutError(call_timeout)
        if call.cancelled.is_set():
            future.cancel()
            raise Cancelled


def stopped_or_failed(
    call: Call, what: Invocation, error: BaseException
) -> Failure | Stopped:
    """Tell a function that was cancelled from one that failed."""
    if isinstance(error, _CANCELLED) and call.cancelled.is_set():
        return Stopped()
    return failure(what, error)


def watched(call: Call, value: object) -> object:
    """Let a generator that was returned end between two items, where it is cancelled."""
    if not inspect.isgenerator(value):
        return value
    return _until_cancelled(call, cast("Iterator[object]", value))


def _until_cancelled(call: Call, source: Iterator[object]) -> Iterator[object]:
    for item in source:
        if call.cancelled.is_set():
            raise Cancelled
        yield item


def failure(what: Invocation, error: BaseException) -> Failure:
    """Say what an exception means for a function's retries."""
    retry = what.asset.options.retry
    fatal = (Fatal, *(retry.fatal if retry is not None else ()))
    name, text, trace = told(error)
    return Failure(
        error=AssetFailed(
            asset=what.asset.name,
            partition=what.want.key,
            run_id=what.run,
            error_type=name,
            error=text,
            attempts=what.want.number,
            details=trace,
        ),
        retryable=not isinstance(error, fatal),
        after=_wish(error),
    )


def _wish(error: BaseException) -> timedelta | None:
    # A class of the user's own may not have called ours.
    wish = getattr(error, "delay", None) if isinstance(error, RetryAfter) else None
    return wish if isinstance(wish, timedelta) else None


def told(error: BaseException) -> tuple[str, str, str]:
    """Give an exception's class, its message and its traceback, as texts to keep."""
    return (
        type(error).__qualname__,
        shown(_said(error), _LONGEST_TEXT),
        shown(_trace(error), _LONGEST_TRACE),
    )


def _trace(error: BaseException) -> str:
    """Give the traceback from the user's own frames on."""
    trace = error.__traceback__
    while trace is not None and any(
        part in trace.tb_frame.f_code.co_filename for part in _OURS
    ):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as another:  # noqa: BLE001 - users' classes may fail at that too
        return f"it cannot be shown: {type(another).__qualname__}"


def shown(text: str, most: int = _LONGEST_TEXT) -> str:
    """Give a text of the user's as every database can keep it, cut."""
    text = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return text if len(text) <= most else f"{text[: most - 1]}…"
