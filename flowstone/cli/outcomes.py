"""How runs ended, as answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from flowstone.cli.board import counts
from flowstone.cli.ending import FAILED, error_data
from flowstone.cli.keys import text_of
from flowstone.cli.show import cell, emit, seconds
from flowstone.cli.values import as_data
from flowstone.core.errors import FlowstoneError, RunCancelled

if TYPE_CHECKING:
    from flowstone.run import Outcome, Progress, Run

__all__ = [
    "conclude",
    "ended_data",
    "failure_of",
    "progress_data",
    "started_data",
]

_GOOD = {"succeeded", "skipped"}


def started_data(run: Run[Any], status: str) -> dict[str, object]:
    """Give a run that may go on, as JSON has it."""
    return {
        "run_id": run.id,
        "asset": run.asset,
        "partition": text_of(run.partition),
        "status": status,
        "url": run.url,
    }


def ended_data(run: Run[Any], outcome: Outcome) -> dict[str, object]:
    """Give a run that has ended, as JSON has it; `error` is null where it succeeded."""
    error = failure_of(outcome)
    return {
        **started_data(run, outcome.status),
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
        "progress": progress_data(outcome.progress),
        "error": None if error is None else error_data(error),
    }


def progress_data(progress: Progress) -> dict[str, object]:
    """Give how far a run is, as JSON has it."""
    return {**asdict(progress), "pending": progress.pending}


def failure_of(outcome: Outcome) -> FlowstoneError | None:
    """Give why a run did not do what was asked, if it did not."""
    if outcome.status in _GOOD:
        return None
    return outcome.error or RunCancelled(run_id=outcome.run_id)


def conclude(
    run: Run[Any],
    outcome: Outcome,
    *,
    as_json: bool,
    value: object = None,
    with_value: bool = False,
) -> None:
    """Answer with a run's end, and give the process the status it deserves.

    Args:
        run: the run.
        outcome: how it ended.
        as_json: whether the answer is JSON.
        value: the value it made.
        with_value: whether that is part of the answer.

    Raises:
        FlowstoneError: it failed, or was cancelled.
    """
    error = failure_of(outcome)
    if as_json:
        shown = {"value": as_data(value)} if with_value else {}
        emit({**ended_data(run, outcome), **shown})
        raise typer.Exit(0 if error is None else FAILED)
    if error is not None:
        raise error
    taken = seconds(outcome.started_at, outcome.ended_at)
    what = cell(run.asset, text_of(run.partition))
    said = counts(outcome.progress) or "nothing to do"
    typer.echo(
        f"{what}: {outcome.status} in {taken} ({said}), run {run.id}", err=with_value
    )
    if with_value and outcome.status == "succeeded":
        emit(as_data(value))
