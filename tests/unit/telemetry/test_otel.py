"""OpenTelemetry: one trace for each run, whoever told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import StatusCode

from flowstone import ConfigurationError, Flowstone, Pipeline, Retry, asset, telemetry
from flowstone.telemetry import GateAnswered, MaterializationStopped, RunStopped
from flowstone.telemetry.otel import SpanHandler

RUN = "01a2207e-7e30-7dff-b4d9-02bbebb09fc5"
NOW = datetime(2025, 1, 15, 6, tzinfo=UTC)
MADE = MaterializationStopped(
    asset="raw", key="k", run=RUN, outcome="produced", at=NOW, millis=5, version="v"
)
STOPPED = RunStopped(asset="report", key="k", run=RUN, outcome="succeeded", at=NOW)
Exported = Callable[[], dict[str, ReadableSpan]]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> SpanHandler:
    return _handler(exporter)


def _handler(
    exporter: InMemorySpanExporter, provider: TracerProvider | None = None
) -> SpanHandler:
    provider = provider or TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return SpanHandler(provider)


@asset
def raw() -> list[int]:
    return [3, 1, 2]


@asset
def report(raw: list[int]) -> int:
    return len(raw)


@asset(retry=Retry(attempts=2, delay=timedelta(0)))
def failing(raw: list[int]) -> int:
    message = "no such row"
    raise LookupError(message)


async def _played(spans: SpanHandler, wanted: str) -> str:
    app = Flowstone("traced", Pipeline(raw, report, failing))
    telemetry.attach(spans)
    try:
        async with app.local() as stone:
            run = await stone.materialize_all(wanted, "k")
            await run.wait()
    finally:
        telemetry.detach(spans)
    return run.id


async def test_a_run_is_a_trace(
    spans: SpanHandler, exporter: InMemorySpanExporter
) -> None:
    """A run and its materializations are one trace, which has the run's own id."""
    run = await _played(spans, "report")

    found = {s.name: s for s in exporter.get_finished_spans()}
    assert set(found) == {"run report", "materialize raw", "materialize report"}
    whole = found["run report"]
    assert whole.context is not None
    assert whole.context.trace_id == UUID(run).int
    assert whole.parent is None
    for name in ("materialize raw", "materialize report"):
        span = found[name]
        assert span.parent is not None
        assert span.parent.span_id == whole.context.span_id
        assert span.context is not None
        assert span.context.trace_id == whole.context.trace_id
        assert span.start_time is not None
        assert whole.start_time is not None
        assert whole.end_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time <= whole.end_time


async def test_spans_say_what_they_are_of(
    spans: SpanHandler, exporter: InMemorySpanExporter
) -> None:
    """A span names its asset, partition, run, outcome and version."""
    run = await _played(spans, "report")

    [span] = [s for s in exporter.get_finished_spans() if s.name == "materialize raw"]
    said = dict(span.attributes or {})
    assert isinstance(said.pop("flowstone.version"), str)
    assert isinstance(said.pop("flowstone.millis"), int)
    assert said == {
        "flowstone.asset": "raw",
        "flowstone.partition": "k",
        "flowstone.run_id": run,
        "flowstone.outcome": "produced",
        "flowstone.attempt": 1,
    }
    assert span.status.status_code == StatusCode.UNSET


async def test_a_failure_is_an_error(
    spans: SpanHandler, exporter: InMemorySpanExporter
) -> None:
    """Each attempt that fails is a span with its exception; its run is an error too."""
    await _played(spans, "failing")

    found = exporter.get_finished_spans()
    failed = [s for s in found if s.name == "materialize failing"]
    [run] = [s for s in found if s.name == "run failing"]
    assert len(failed) == 2
    for span in failed:
        assert span.status.status_code == StatusCode.ERROR
        assert span.status.description == "no such row"
        [event] = span.events
        assert event.attributes == {
            "exception.type": "LookupError",
            "exception.message": "no such row",
        }
    assert run.status.status_code == StatusCode.ERROR


def test_workers_share_a_trace() -> None:
    """Spans of one run from several workers are in one trace, under the run's own."""
    one, other = InMemorySpanExporter(), InMemorySpanExporter()
    _handler(one)(MADE)
    _handler(other)(STOPPED)

    [made], [run] = one.get_finished_spans(), other.get_finished_spans()
    assert made.context is not None
    assert run.context is not None
    assert made.parent is not None
    assert made.context.trace_id == run.context.trace_id == UUID(RUN).int
    assert made.parent.span_id == run.context.span_id


def test_what_is_told_twice_is_one_span(
    spans: SpanHandler, exporter: InMemorySpanExporter
) -> None:
    """An event that is told again gives a span with the same id."""
    spans(MADE)
    spans(MADE)

    one, again = exporter.get_finished_spans()
    assert one.context == again.context
    assert one.end_time is not None
    assert one.start_time == one.end_time - 5_000_000


def test_a_wait_is_a_span(spans: SpanHandler, exporter: InMemorySpanExporter) -> None:
    """A wait at a gate is as long as it lasted, and says who answered."""
    answered = GateAnswered(
        asset="a", run=RUN, outcome="answered", at=NOW, gate="g", waited_millis=60_000
    )
    spans(answered)

    [span] = exporter.get_finished_spans()
    assert span.name == "wait a"
    assert span.start_time == (NOW - timedelta(minutes=1)).timestamp() * 1e9


@pytest.mark.parametrize("run", [RUN, "f" * 8 + RUN[8:], "no uuid at all"])
def test_a_run_is_sampled_whole(run: str) -> None:
    """Where only some traces are kept, a run is kept with all of its spans, or none."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.5)))
    spans = _handler(exporter, provider)
    for number in range(50):
        name = f"{run[:-2]}{number:02x}"
        made = MaterializationStopped(asset="a", run=name, outcome="skipped", at=NOW)
        spans(made)
        spans(RunStopped(asset="a", run=name, at=NOW))

    kept = [s.context.trace_id for s in exporter.get_finished_spans() if s.context]
    assert len(kept) == 2 * len(set(kept))


def test_a_provider_is_needed() -> None:
    """Without a provider of the SDK there is nowhere to put spans: it says so."""
    with pytest.raises(ConfigurationError, match="set_tracer_provider"):
        SpanHandler()
