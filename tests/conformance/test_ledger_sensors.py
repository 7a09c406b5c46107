"""Sensors in the ledger: what was found and the cursor are recorded together, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from flowstone import SqlLedger
from flowstone.core.events import SensorTriggered
from flowstone.core.messages import Request
from flowstone.ledger.base import RunRow
from flowstone.ledger.ids import new_id
from flowstone.ledger.looks import News, SensorTick
from flowstone.ledger.schema import runs, sensor_ticks, triggers
from tests.conformance.ledger_suite import APP, Book, at_once

MINUTE = timedelta(minutes=1)


def news(known_by: str, key: str = "k") -> News:
    """Give a piece of news, and the run that is to be made of it."""
    run = new_id()
    request = Request(
        run=run, verb="materialize", pipeline=APP, asset="raw", key=key, sensor="s"
    )
    row = RunRow(
        request=request,
        workflow=f"flowstone/{APP}/sensor/s/run/{run}",
        keys=[key],
        request_hash="h",
        actor="sensor:s",
    )
    event = SensorTriggered(asset="raw", key=key, run=run, sensor="s")
    return News(id=known_by, run=row, event=event)


def tick(number: int) -> SensorTick:
    return SensorTick(id=f"t{number}", sensor="s")


def record(
    ledger: SqlLedger, number: int, *found: News, cursor: object = None
) -> SensorTick:
    """Have a look of the sensor, as it stands, be recorded."""
    seen = ledger.sensors.read(APP, "s")
    return ledger.sensors.record(
        APP, tick(number), seen, cursor=cursor, news=list(found)
    )


def test_a_sensor_begins_without_a_cursor(ledger: SqlLedger) -> None:
    """One that never looked has none, and nothing puts it off."""
    found = ledger.sensors.read(APP, "s")

    assert (found.cursor, found.number, found.failures) == (None, 0, 0)
    assert not found.put_off
    assert ledger.sensors.ticks(APP, "s", 10) == []
    assert ledger.sensors.tick("t1") is None


def test_what_is_found_and_the_cursor_are_one(book: Book) -> None:
    """A look leaves its cursor, a run for each piece of news, and itself."""
    found = record(book.ledger, 1, news("a"), news("b"), cursor={"at": [1, "x"]})

    assert (found.outcome, found.found, found.started) == ("triggered", 2, 2)
    assert book.ledger.sensors.read(APP, "s").cursor == {"at": [1, "x"]}
    assert [r.status for r in map(book.ledger.runs.get, found.runs) if r] == [
        "starting",
        "starting",
    ]
    assert book.ledger.sensors.ticks(APP, "s", 10) == [found]
    [event] = book.ledger.runs.events(found.runs[0])
    assert event.name == "flowstone.sensor.trigger"


def test_news_is_news_once(book: Book) -> None:
    """What is known by the same is not news again, whichever look finds it."""
    first = record(book.ledger, 1, news("a"))
    second = record(book.ledger, 2, news("a"), news("b"))
    third = record(book.ledger, 3, news("a"), news("b"))

    assert (first.started, second.started, third.started) == (1, 1, 0)
    assert (second.found, third.outcome) == (2, "nothing")
    assert book.count(runs) == book.count(triggers) == 2
    assert book.ledger.sensors.known(["a", "b", "c"]) == {"a", "b"}


def test_a_look_is_recorded_once(book: Book) -> None:
    """A step that is done again is told what it has recorded already."""
    first = record(book.ledger, 1, news("a"), cursor=1)
    again = record(book.ledger, 1, news("b"), cursor=2)
    failed = book.ledger.sensors.fail(APP, tick(1), MINUTE, failures=1)
    off = book.ledger.sensors.put_off(APP, tick(1))

    assert again == first == failed == off == book.ledger.sensors.tick("t1")
    assert book.ledger.sensors.read(APP, "s").cursor == 1
    assert book.count(sensor_ticks) == 1


def test_of_two_looks_at_one_cursor_one_is_recorded(book: Book) -> None:
    """The cursor is compared as it is set: whoever is late records nothing."""
    seen = book.ledger.sensors.read(APP, "s")

    def look(number: int) -> SensorTick:
        found = [news(f"{number}-{n}") for n in range(20)]
        return book.ledger.sensors.record(
            APP, tick(number), seen, cursor=number, news=found
        )

    found = at_once([lambda n=n: look(n) for n in range(6)])

    won = [t for t in found if t.outcome == "triggered"]
    assert [t.outcome for t in found].count("overtaken") == 5
    assert len(won) == 1
    assert book.count(runs) == 20
    assert f"t{book.ledger.sensors.read(APP, 's').cursor}" == won[0].id


def test_failures_put_a_sensor_off(ledger: SqlLedger) -> None:
    """A look that fails moves nothing; one that succeeds ends the waiting."""
    record(ledger, 1, cursor=5)
    failed = ledger.sensors.fail(
        APP, replace(tick(2), why="no such bucket"), MINUTE, failures=3
    )
    waiting = ledger.sensors.read(APP, "s")
    off = ledger.sensors.put_off(APP, replace(tick(3), why="put off"))
    record(ledger, 4, cursor=6)
    after = ledger.sensors.read(APP, "s")

    assert (failed.outcome, failed.why) == ("failed", "no such bucket")
    assert (off.outcome, off.why) == ("put_off", "put off")
    assert (waiting.cursor, waiting.failures, waiting.put_off) == (5, 3, True)
    assert waiting.error == "no such bucket"
    assert (after.cursor, after.failures, after.put_off) == (6, 0, False)


def test_a_sensor_may_fail_before_it_ever_looked(ledger: SqlLedger) -> None:
    """The first look may be the one that fails."""
    ledger.sensors.fail(APP, tick(1), MINUTE, failures=1)

    assert ledger.sensors.read(APP, "s").failures == 1


def test_triggers_are_due_until_they_are_delivered(book: Book) -> None:
    """Whoever takes one has it for half a minute; if he dies, it is due again."""
    record(book.ledger, 1, *[news(f"n{n}") for n in range(5)])
    kept = book.ledger.sensors

    first = kept.due(APP, limit=3, owner="me")
    second = kept.due(APP, limit=3)
    none = kept.due(APP, limit=3)
    kept.delivered([run.id for run in first])
    book.age(triggers.c.due_at, 31)
    again = kept.due(APP, limit=9)
    kept.delivered([run.id for run in again])
    book.age(triggers.c.due_at, 31)

    assert (len(first), len(second), none) == (3, 2, [])
    assert {run.id for run in again} == {run.id for run in second}
    assert [run.request.sensor for run in first] == ["s"] * 3
    assert kept.due(APP, limit=9) == []
    owners = [book.ledger.runs.get(run.id) for run in first]
    assert {row.owner for row in owners if row} == {"me"}


def test_two_workers_share_what_is_due(book: Book) -> None:
    """Those that look at the same moment start each run once."""
    record(book.ledger, 1, *[news(f"n{n:02}") for n in range(40)])

    def take() -> list[str]:
        return [r.id for _ in range(20) for r in book.ledger.sensors.due(APP, limit=3)]

    taken = [run for found in at_once([take] * 4) for run in found]

    assert len(taken) == len(set(taken)) == 40


def test_another_app_has_sensors_of_its_own(ledger: SqlLedger) -> None:
    """An equal name in another app is another sensor."""
    record(ledger, 1, news("a"), cursor=1)

    assert ledger.sensors.read("other", "s").cursor is None
    assert ledger.sensors.due("other", limit=9) == []
    assert ledger.sensors.ticks("other", "s", 9) == []


def test_the_history_of_looks_is_bounded(book: Book) -> None:
    """Of each sensor the last 500 looks are kept, and all that is known."""
    many = 505
    record(book.ledger, 0, news("a"))
    for number in range(1, many):
        book.ledger.sensors.put_off(APP, tick(number))

    assert book.count(sensor_ticks) == 500
    [last, *_] = book.ledger.sensors.ticks(APP, "s", 1)
    assert last.id == f"t{many - 1}"
    assert book.ledger.sensors.known(["a"]) == {"a"}
