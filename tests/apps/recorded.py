"""What the recorded histories run: one asset for each way a cell can go."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from flowstone import (
    Approval,
    Context,
    Flowstone,
    Pipeline,
    Retry,
    Secrets,
    Signal,
    Skip,
    Snooze,
    asset,
    single,
)

SHORT = timedelta(milliseconds=200)


@asset(partitions=single)
def catalog() -> list[str]:
    return ["a", "b"]


@asset
def rows(ctx: Context) -> list[int]:
    return [1, 2, len(str(ctx.partition))]


@asset
async def doubled(rows: list[int]) -> list[int]:
    return [2 * row for row in rows]


@asset
def table(doubled: list[int], rows: list[int], catalog: list[str]) -> int:
    return sum(doubled) + sum(rows) + len(catalog)


@asset(retry=Retry(attempts=3, delay=SHORT))
def flaky(rows: list[int], ctx: Context) -> int:
    if ctx.attempt < 3:
        message = "not yet"
        raise ValueError(message)
    return len(rows)


@asset
def sleepy(rows: list[int], ctx: Context) -> int | Snooze:
    marker = Path(os.environ["RECORDED_FOLDER"]) / f"snoozed-{ctx.run_id}"
    if not marker.exists():
        marker.touch()
        return Snooze(SHORT)
    return len(rows)


@asset
def nothing_today(rows: list[int]) -> int | Skip:
    return Skip("there is nothing")


@asset
def ways(flaky: int, sleepy: int, nothing_today: int | None = None) -> str:
    return f"{flaky} {sleepy} {nothing_today}"


@asset
def broken(rows: list[int]) -> int:
    message = "it is broken"
    raise RuntimeError(message)


@asset
def after_broken(broken: int) -> int:
    return broken


@asset
def answered(rows: list[int], ctx: Context) -> int | Signal[int]:
    (Path(os.environ["RECORDED_FOLDER"]) / "token").write_text(ctx.token)
    return Signal(timeout=timedelta(minutes=5))


@answered.on_signal
def take_answer(payload: int, rows: list[int]) -> int:
    return payload + len(rows)


@asset
def reads_answer(answered: int) -> int:
    return answered


@asset
def unanswered(rows: list[int]) -> int | Signal[int]:
    return Signal(timeout=SHORT)


@asset
def reviewed(rows: list[int]) -> int | Approval[int]:
    return Approval(len(rows), message="Enough?", timeout=timedelta(minutes=5))


@asset
def reads_review(reviewed: int) -> int:
    return reviewed


@asset
def escalated(rows: list[int]) -> int | Approval[int]:
    return Approval(
        len(rows),
        timeout=2 * SHORT,
        on_timeout="escalate",
        escalate_to="the board",
        remind=[SHORT],
    )


@asset
def extended(rows: list[int]) -> int | Signal[int]:
    return Signal(timeout=SHORT, on_timeout="extend", extensions=2)


@asset
def rerun(rows: list[int]) -> int | Signal[int]:
    return Signal(timeout=SHORT, on_timeout="rerun", extensions=2)


PIPELINE = Pipeline(
    catalog,
    rows,
    doubled,
    table,
    flaky,
    sleepy,
    nothing_today,
    ways,
    broken,
    after_broken,
    answered,
    reads_answer,
    unanswered,
    reviewed,
    reads_review,
    escalated,
    extended,
    rerun,
)

app = Flowstone(
    "recorded", PIPELINE, secrets=Secrets({"test": b"a secret of the tests"})
)
