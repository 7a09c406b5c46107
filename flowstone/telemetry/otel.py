"""Spans of OpenTelemetry: one for each run, each materialization and each wait.

A run's trace has the id of the run, so that workers that never met put their spans
into one trace. Needs the extra `otel`.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode

from flowstone.core.errors import ConfigurationError
from flowstone.core.events import (
    BackfillStopped,
    Event,
    GateAnswered,
    GateExpired,
    MaterializationFailed,
    MaterializationStarted,
    MaterializationStopped,
    RunStopped,
)

__all__ = ["SpanHandler"]

_BAD = {"failed", "terminated", "expired"}
_NAMED = {"error_type": "exception.type", "error": "exception.message"}
_KEPT = 10_000
_ANY_RUN = 1


class _Ids(IdGenerator):
    """Gives the ids that were set for the span that is about to be made."""

    def __init__(self) -> None:
        self._local = threading.local()

    def set(self, trace_id: int, span_id: int) -> None:
        self._local.trace_id, self._local.span_id = trace_id, span_id

    def generate_trace_id(self) -> int:
        return self._local.trace_id

    def generate_span_id(self) -> int:
        return self._local.span_id


class SpanHandler:
    """Makes spans of what has happened; attach it as a handler of events.

    Ids of spans follow from what they are of, so an event that is told twice is one
    span exported twice.

    Args:
        provider: the SDK's; by default the process's own.

    Raises:
        ConfigurationError: there is no provider of the SDK.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from flowstone import telemetry
        >>> from flowstone.telemetry.otel import SpanHandler
        >>> spans = SpanHandler(TracerProvider())
        >>> telemetry.attach(spans)
        >>> telemetry.detach(spans)
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        found = provider or trace.get_tracer_provider()
        if not isinstance(found, TracerProvider):
            raise ConfigurationError(
                problems=[
                    "There is no TracerProvider of opentelemetry-sdk: set one with "
                    "trace.set_tracer_provider(...) first, or give it to SpanHandler."
                ]
            )
        tracer = copy.copy(found.get_tracer("flowstone"))
        assert isinstance(tracer, Tracer)
        self._ids = tracer.id_generator = _Ids()
        self._tracer = tracer
        self._lock = threading.Lock()
        self._begun: OrderedDict[tuple[str, str, str], Event] = OrderedDict()

    def __call__(self, event: Event) -> None:
        """Take in an event; what has ended is a span."""
        match event:
            case MaterializationStarted():
                self._begin(event)
            case MaterializationStopped() | MaterializationFailed():
                self._materialization(event)
            case GateAnswered() | GateExpired():
                self._span(event, f"wait {event.asset}", event.waited_millis)
            case RunStopped():
                self._run(event, f"run {event.asset}", event.millis)
            case BackfillStopped():
                self._run(event, f"backfill {event.asset}", event.millis)
            case _:
                pass

    def _begin(self, event: Event) -> None:
        with self._lock:
            self._begun[event.run, event.asset, event.key] = event
            while len(self._begun) > _KEPT:
                self._begun.popitem(last=False)

    def _materialization(self, event: Event) -> None:
        with self._lock:
            begun = self._begun.pop((event.run, event.asset, event.key), None)
        millis = event.data.get("millis")
        if begun is not None and begun.at is not None and event.at is not None:
            millis = (event.at - begun.at) / timedelta(milliseconds=1)
        taken = millis if isinstance(millis, int | float) else None
        self._span(event, f"materialize {event.asset}", taken)

    def _span(self, event: Event, name: str, millis: float | None) -> None:
        run, root = _run_ids(event.run)
        above = SpanContext(
            run, root, is_remote=True, trace_flags=self._flags(run, event)
        )
        self._ids.set(run, _span_id(event))
        parent = trace.set_span_in_context(NonRecordingSpan(above), Context())
        self._record(event, name, millis, parent)

    def _run(self, event: Event, name: str, millis: float | None) -> None:
        self._ids.set(*_run_ids(event.run))
        self._record(event, name, millis, Context())

    def _flags(self, run: int, event: Event) -> trace.TraceFlags:
        """Sample what is of a run as the run itself will be sampled."""
        asked = self._tracer.sampler.should_sample(Context(), run, f"run {event.asset}")
        return trace.TraceFlags(int(asked.decision.is_sampled()))

    def _record(
        self, event: Event, name: str, millis: float | None, context: Context
    ) -> None:
        assert event.at is not None
        ended = _nanos(event)
        span = self._tracer.start_span(
            name,
            context=context,
            attributes=_attributes(event),
            start_time=ended - round((millis or 0) * 1_000_000),
        )
        if event.outcome in _BAD:
            span.set_status(Status(StatusCode.ERROR, str(event.data.get("error", ""))))
        if isinstance(event, MaterializationFailed):
            said = {_NAMED[k]: str(v) for k, v in event.data.items() if k in _NAMED}
            span.add_event("exception", said, ended)
        span.end(ended)


def _attributes(event: Event) -> Mapping[str, str | int | float | bool]:
    facts = {
        "asset": event.asset,
        "partition": event.key,
        "run_id": event.run,
        "outcome": event.outcome,
        **event.data,
    }
    return {
        f"flowstone.{name}": fact
        for name, fact in facts.items()
        if isinstance(fact, str | int | float | bool)
    }


def _nanos(event: Event) -> int:
    assert event.at is not None
    return round(event.at.timestamp() * 1_000_000) * 1_000


def _run_ids(run: str) -> tuple[int, int]:
    """Give the ids of a run's trace and of its own span."""
    text = run.replace("-", "")
    try:
        trace_id = int(text, 16) % 2**128
    except ValueError:
        trace_id = _hash(run, 16)
    return trace_id or _ANY_RUN, _hash(run, 8)


def _span_id(event: Event) -> int:
    told = (event.name, event.run, event.asset, event.key, str(event.at))
    return _hash("\n".join(told), 8)


def _hash(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:size], "big") or _ANY_RUN
