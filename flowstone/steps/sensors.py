"""Call a sensor's check, and record what it found together with its new cursor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flowstone.core.errors import FlowstoneError, RunError
from flowstone.core.events import SensorFailed, SensorPolled, SensorTriggered
from flowstone.core.messages import Request
from flowstone.core.outcome import Skip
from flowstone.core.partition import PartitionKey
from flowstone.core.replies import NotHere
from flowstone.core.sensor import Found, Sensor, Trigger, trigger_id, wait_after
from flowstone.core.ticks import Checked, CheckSensor
from flowstone.ledger.asked import request_hash
from flowstone.ledger.base import RunRow
from flowstone.ledger.ids import new_id
from flowstone.ledger.looks import News, SensorTick
from flowstone.steps.invoke import told
from flowstone.steps.points import reach
from flowstone.steps.toolbox import Call, Toolbox

__all__ = ["Look", "check_sensor", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a check gave, found to be in order.

    Attributes:
        outcome: `skipped` where it said so; else empty.
        why: what it said.
        triggers: the news, each once, with what it is known by.
        cursor: from where the next look goes on.
    """

    outcome: str = ""
    why: str = ""
    triggers: Sequence[tuple[str, Trigger]] = ()
    cursor: object = None


def check_sensor(toolbox: Toolbox, call: Call, step: CheckSensor) -> Checked | NotHere:
    """Have a sensor look once; the same look is recorded once."""
    del call
    sensor = toolbox.sensors.get(step.sensor)
    if sensor is None:
        return NotHere(
            why=f"No worker of {toolbox.name!r} that answered has the sensor "
            f"{step.sensor!r}; start one that has it, or apply the schedules anew."
        )
    known = toolbox.ledger.sensors.tick(step.tick)
    done = known or _look(toolbox, sensor, step)
    _tell(toolbox, done)
    return Checked(
        outcome=done.outcome, found=done.found, started=done.started, why=done.why
    )


def _look(toolbox: Toolbox, sensor: Sensor, step: CheckSensor) -> SensorTick:
    kept = toolbox.ledger.sensors
    seen = kept.read(toolbox.name, sensor.name)
    tick = SensorTick(id=step.tick, sensor=sensor.name)
    if seen.put_off and not step.forced:
        assert seen.due_at is not None
        why = f"put off until {seen.due_at:%H:%M:%S} UTC after: {seen.error}"
        return kept.put_off(toolbox.name, replace(tick, why=why))
    try:
        found = look(toolbox, sensor, seen.cursor, step.tick)
    except FlowstoneError as error:
        failures = seen.failures + 1
        wait = wait_after(failures, sensor.every)
        failed = replace(tick, why=error.message)
        return kept.fail(toolbox.name, failed, wait, failures=failures)
    reach("sensor.before")
    recorded = kept.record(
        toolbox.name,
        replace(tick, outcome=found.outcome, why=found.why),
        seen,
        cursor=found.cursor,
        news=[_news(toolbox, sensor, *each) for each in found.triggers],
    )
    reach("sensor.after")
    return recorded


def look(toolbox: Toolbox, sensor: Sensor, cursor: object, tick: str) -> Look:
    """Call a sensor's check, and see that what it gave can be.

    Raises:
        RunError: the check raised, or gave something else.
        UnknownAsset: a trigger names an asset that there is not.
        BadPartition: a trigger names a partition that there is not.
    """
    found = _called(toolbox, sensor, cursor)
    if found is None or isinstance(found, Skip):
        why = "" if found is None else found.reason
        outcome = "" if found is None else "skipped"
        return Look(outcome=outcome, why=why, cursor=cursor)
    if not isinstance(found, Found):
        raise RunError(
            reason=f"The check of the sensor {sensor.name!r} gave {found!r}: give "
            "Found([Trigger(...)], cursor), Skip(reason) or None."
        )
    triggers = dict(_known_by(toolbox, sensor, found.triggers, tick))
    return Look(triggers=list(triggers.items()), cursor=_plain(sensor, found.cursor))


def _called(toolbox: Toolbox, sensor: Sensor, cursor: object) -> object:
    try:
        given = sensor.check(cursor)
        return toolbox.background.settle(given, sensor.name, None)
    except FlowstoneError:
        raise
    except Exception as error:
        name, text, _ = told(error)
        reason = f"The check of the sensor {sensor.name!r} raised {name}: {text}"
        raise RunError(reason=reason) from error


def _known_by(
    toolbox: Toolbox, sensor: Sensor, triggers: Sequence[Trigger], tick: str
) -> Iterator[tuple[str, Trigger]]:
    for trigger in triggers:
        asset = toolbox.pipeline[trigger.asset].name
        key = PartitionKey.of(trigger.partition)
        toolbox.pipeline.check_keys(asset, key, upstream=sensor.upstream)
        yield trigger_id(toolbox.name, sensor.name, trigger, tick), trigger


def _plain(sensor: Sensor, cursor: object) -> object:
    try:
        return json.loads(json.dumps(cursor))
    except (TypeError, ValueError) as error:
        raise RunError(
            reason=f"The check of the sensor {sensor.name!r} gave a cursor that is no "
            f"JSON: {error}."
        ) from error


def _news(toolbox: Toolbox, sensor: Sensor, known_by: str, trigger: Trigger) -> News:
    key, run = PartitionKey.of(trigger.partition), new_id()
    request = Request(
        run=run,
        verb="materialize_all" if sensor.upstream else "materialize",
        pipeline=toolbox.name,
        asset=trigger.asset,
        key="" if key.is_none else key.text,
        policy=sensor.policy,
        sensor=sensor.name,
    )
    row = RunRow(
        request=request,
        # Of its own: news must not join a run that may have read what was before.
        workflow=f"flowstone/{toolbox.name}/sensor/{sensor.name}/run/{run}",
        keys=[key.text],
        request_hash=request_hash(request, [key.text]),
        actor=f"sensor:{sensor.name}",
    )
    event = SensorTriggered(
        asset=trigger.asset,
        key=key.text,
        run=run,
        at=datetime.now(UTC),
        sensor=sensor.name,
        trigger=trigger.key,
    )
    return News(id=known_by, run=row, event=event)


def _tell(toolbox: Toolbox, tick: SensorTick) -> None:
    """Tell handlers of a look; again, where an earlier attempt may not have."""
    if not toolbox.telemetry.listens("flowstone."):
        return
    toolbox.telemetry.emit(
        event
        for run in tick.runs
        for event in toolbox.ledger.runs.events(run)
        if event.name == "flowstone.sensor.trigger"
    )
    at = tick.at or datetime.now(UTC)
    if tick.outcome == "failed":
        failed = SensorFailed(
            asset="", at=at, outcome="failed", sensor=tick.sensor, why=tick.why
        )
        toolbox.telemetry.emit([failed])
    polled = SensorPolled(
        asset="",
        at=at,
        outcome=tick.outcome,
        sensor=tick.sensor,
        found=tick.found,
        started=tick.started,
    )
    toolbox.telemetry.emit([polled])
