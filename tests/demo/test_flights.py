"""The demonstration: its functions on small tables, and the whole of it on real days."""
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# pyarrow has no types

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from dev.flights import counts, pipeline
from dev.flights.app import app, flights_in
from dev.flights.board import Board
from dev.flights.pages import reports_table
from dev.flights.pipeline import DailyReport
from dev.flights.play import Play
from dev.flights.signoff import Answer, Ask
from flowstone import Context
from flowstone.telemetry import Event

DAY = date(2013, 2, 8)
MADE = app.pipeline.ancestors("daily_report")
TABLES = MADE - {"daily_report"}
SIX, SEVEN = (datetime(2013, 2, 8, hour, tzinfo=UTC) for hour in (6, 7))


def flights(*rows: Mapping[str, object]) -> pa.Table:
    usual = {
        "time_hour": SIX,
        "carrier": "AA",
        "flight": 1,
        "tailnum": "N1",
        "origin": "JFK",
        "dest": "MIA",
        "distance": 1089,
        "dep_time": 600,
        "dep_delay": 0,
        "arr_delay": 0,
        "air_time": 150,
    }
    return pa.Table.from_pylist([{**usual, **row} for row in rows], schema=SCHEMA)


SCHEMA = pa.schema(
    [
        ("time_hour", pa.timestamp("s", tz="UTC")),
        *((name, pa.string()) for name in ("carrier", "tailnum", "origin", "dest")),
        *((name, pa.int64()) for name in ("flight", "distance", "dep_time")),
        *((name, pa.int64()) for name in ("dep_delay", "arr_delay", "air_time")),
    ]
)
CANCELLED = {"dep_time": None, "dep_delay": None, "arr_delay": None, "air_time": None}
DIVERTED = {"arr_delay": None, "air_time": None}


def weather(hour: datetime = SIX, *, visib: float = 10.0) -> pa.Table:
    return pa.table(
        {
            "origin": ["JFK"],
            "time_hour": pa.array([hour], pa.timestamp("s", tz="UTC")),
            "temp": [30.0],
            "wind_speed": [12.0],
            "precip": [0.0],
            "visib": [visib],
        }
    )


AIRLINES = pa.table({"carrier": ["AA", "B6"], "name": ["American", "JetBlue"]})
AIRPORTS = pa.table({"faa": ["MIA"], "name": ["Miami Intl"]})
PLANES = pa.table({"tailnum": ["N1"], "model": ["A320"], "seats": [150]})


def joined(*rows: Mapping[str, object]) -> pa.Table:
    return pipeline.flight_table(flights(*rows), weather(), AIRLINES, AIRPORTS, PLANES)


def report(*rows: Mapping[str, object]) -> DailyReport:
    table = joined(*rows)
    return pipeline.daily_report(
        flight_table=table,
        delays_by_carrier=pipeline.delays_by_carrier(table),
        delays_by_route=pipeline.delays_by_route(table),
        weather=weather(visib=0.5),
        ctx=Context(asset="daily_report", partition=DAY),
    )


# --- the table --------------------------------------------------------------------------


def test_a_flight_gets_its_airline_destination_plane_and_weather():
    """What is known about a flight is in its row."""
    (row,) = joined({}).to_pylist()
    known = {
        "airline": "American",
        "destination": "Miami Intl",
        "plane": "A320",
        "seats": 150,
        "temp": 30.0,
        "wind_speed": 12.0,
    }
    assert row.items() >= known.items()


@pytest.mark.parametrize(
    ("stranger", "unknown"),
    [
        ({"time_hour": SEVEN}, ["temp", "wind_speed", "precip", "visib"]),
        ({"origin": "EWR"}, ["temp", "wind_speed", "precip", "visib"]),
        ({"tailnum": "N2"}, ["plane", "seats"]),
        ({"tailnum": None}, ["plane", "seats"]),
        ({"dest": "SJU"}, ["destination"]),
        ({"carrier": "ZZ"}, ["airline"]),
    ],
)
def test_a_flight_stays_whatever_is_unknown_about_it(
    stranger: dict[str, object], unknown: list[str]
):
    """A join takes no flight away: what is not found is NULL."""
    (row,) = joined(stranger).to_pylist()
    assert [
        name for name, value in row.items() if value is None and name not in stranger
    ] == (unknown)


def test_cancelled_and_diverted_flights_are_told_from_late_ones():
    """A flight that never left is neither late nor on time, nor is a diverted one."""
    rows = joined(
        {"flight": 1, "arr_delay": 14},
        {"flight": 2, "arr_delay": 15},
        {"flight": 3, **DIVERTED},
        {"flight": 4, **CANCELLED},
    ).to_pylist()
    assert [(r["cancelled"], r["diverted"], r["late"]) for r in rows] == [
        (False, False, False),
        (False, False, True),
        (False, True, None),
        (True, False, None),
    ]


def test_the_table_is_in_order_whatever_the_order_of_the_source():
    """Equal flights make equal tables, so equal digests."""
    rows = [{"flight": 2}, {"time_hour": SEVEN}, {"carrier": "B6"}, {"flight": 1}]
    assert joined(*rows).equals(joined(*reversed(rows)))


# --- statistics -------------------------------------------------------------------------


def test_a_mean_delay_is_over_the_flights_that_arrived():
    """NULLs are left out of a mean, and counted where they are cancellations."""
    table = joined({"arr_delay": 10}, {"arr_delay": 30}, DIVERTED, CANCELLED)
    (row,) = pipeline.delays_by_carrier(table).to_pylist()
    assert row == {
        "carrier": "AA",
        "airline": "American",
        "flights": 4,
        "cancelled": 1,
        "arrived": 2,
        "mean_dep_delay": 0.0,
        "mean_arr_delay": 20.0,
    }


def test_who_cancelled_all_flights_has_no_mean_delay():
    """A mean of nothing is NULL, not zero."""
    table = joined({"carrier": "B6", **CANCELLED}, {"carrier": "AA"})
    means = pipeline.delays_by_carrier(table)["mean_arr_delay"].to_pylist()
    assert means == [0.0, None]


def test_routes_are_told_by_both_of_their_ends():
    """Two airports with one destination are two routes."""
    table = joined({"origin": "LGA"}, {"origin": "JFK"}, {"dest": "SJU"})
    rows = pipeline.delays_by_route(table).to_pylist()
    assert [(r["origin"], r["dest"], r["destination"]) for r in rows] == [
        ("JFK", "MIA", "Miami Intl"),
        ("JFK", "SJU", None),
        ("LGA", "MIA", "Miami Intl"),
    ]


# --- the report -------------------------------------------------------------------------


def test_a_report_counts_and_averages_its_day():
    """Shares and means are of arrivals; counts are of all flights."""
    arrivals = [{"arr_delay": delay} for delay in (0, 0, 0, 0, 50)]
    assert report(*arrivals, DIVERTED, CANCELLED, CANCELLED) == DailyReport(
        day=DAY,
        flights=8,
        cancelled=2,
        diverted=1,
        on_time=0.8,
        delay=10.0,
        worst_airline=("American", 10.0),
        worst_route=("JFK-MIA", 10.0),
        wind=12.0,
        visibility=0.5,
    )


def test_a_day_without_arrivals_has_unknown_delays():
    """Nobody knows how late flights are on a day when none arrives."""
    day = report(CANCELLED, CANCELLED)
    assert (day.flights, day.cancelled) == (2, 2)
    assert (day.on_time, day.delay, day.worst_airline, day.worst_route) == (None,) * 4


def test_the_worst_airline_has_enough_arrivals_to_be_judged():
    """One late flight does not make an airline the day's worst."""
    many = [{"carrier": "AA", "arr_delay": 5}] * pipeline.ENOUGH
    assert report(*many, {"carrier": "B6", "arr_delay": 300}).worst_airline == (
        "American",
        5.0,
    )


def test_a_function_refuses_a_key_that_is_no_day():
    """The days of the source are cut out by date, and by nothing else."""
    with pytest.raises(TypeError, match="'2013-02-08'"):
        pipeline.flights(Context(asset="flights", partition="2013-02-08"))


# --- what it shows ----------------------------------------------------------------------


def test_functions_count_themselves_where_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each execution is a line; without a file nothing is counted."""
    file = tmp_path / "executions"
    counts.ran("flights")
    assert not counts.executions(file)
    monkeypatch.setenv(counts.VARIABLE, str(file))
    for asset in ("flights", "weather", "flights"):
        counts.ran(asset)
    assert counts.executions(file) == {"flights": 2, "weather": 1}


def event(name: str, asset: str, key: str, outcome: str = "") -> Event:
    name = f"flowstone.materialization.{name}"
    return Event(name=name, asset=asset, key=key, run="r", outcome=outcome)


def test_the_board_tells_each_day_as_events_come_in():
    """A day is done when all of its values are there, however they came to be."""
    days = [date(2013, 2, day) for day in (7, 8, 9)]
    board = Board(["planes"], ["flights", "report"], days)
    board.found([("planes", "-"), ("flights", "2013-02-07"), ("report", "2013-02-07")])
    board.take(
        [
            event("start", "flights", "2013-02-08"),
            event("stop", "flights", "2013-02-08", "produced"),
            event("start", "report", "2013-02-08"),
            event("start", "flights", "2013-02-09"),
            event("exception", "flights", "2013-02-09"),
            event("stop", "report", "2013-02-09", "upstream_failed"),
        ]
    )
    words = [board.word(day) for day in days]
    assert words == ["there already", "runs", "failed"]
    assert [board.is_done(day) for day in days] == [True, False, True]
    assert board.summary().startswith("1 made, 3 there already, 2 failed, 1 running  ")


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_table_of_reports_fits_the_terminal(width: int):
    """Columns that have no room go, the least needed first; no line is cut."""
    out = StringIO()
    day = report({"arr_delay": 20})
    console = Console(file=out, width=width)
    console.print(reports_table([day], width=width))
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "…" not in out.getvalue()
    assert lines[0].startswith("day ")
    assert ("visibility" in lines[0]) == (width == 120)


# --- all of it --------------------------------------------------------------------------


async def play(folder: Path, days: list[date], ask: Ask | None = None) -> str:
    out = StringIO()
    shown = Play(
        pipeline=app.pipeline,
        console=Console(file=out, width=120),
        days=days,
        counts=folder / "executions",
        ask=ask,
    )
    async with flights_in(folder).local(folder, actor="ada") as stone:
        assert await shown.show(stone)
    return out.getvalue()


async def test_two_days_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A second call finds every value there: nothing runs, and it says so."""
    monkeypatch.setenv(counts.VARIABLE, str(tmp_path / "executions"))
    days = [date(2013, 2, 7), DAY]
    first = await play(tmp_path, days)
    ran = counts.executions(tmp_path / "executions")
    second = await play(tmp_path, days)
    assert ran == {
        **dict.fromkeys(("airlines", "airports", "planes"), 1),
        **dict.fromkeys(("flights", "weather", "flight_table"), 2),
        **dict.fromkeys(("delays_by_carrier", "delays_by_route", "daily_report"), 2),
    }
    assert counts.executions(tmp_path / "executions") == ran
    assert "15 of 15 values were made; asset functions ran 15 times" in first
    assert "All 15 values were there: no asset function ran" in second
    assert "no version was made" in second
    assert rows_of(first) == rows_of(second)


async def test_the_worst_day_is_signed_off_once(tmp_path: Path):
    """Whoever is asked decides; the report is published, and asked for no more."""
    questions: list[str] = []

    def ask(question: str) -> Answer:
        questions.append(question)
        return "yes"

    first = await play(tmp_path, [DAY], ask)
    second = await play(tmp_path, [DAY], ask)

    [question] = questions
    assert question == (
        "2013-02-08: 472 of 930 flights were cancelled. Sign off its report?"
    )
    assert "The report of 2013-02-08 is signed off: 472 of 930" in first
    assert "The report of 2013-02-08 is signed off." in second
    async with flights_in(tmp_path).local(tmp_path) as stone:
        signed = await stone.value(pipeline.signed_report, DAY)
        assert signed == await stone.value(pipeline.daily_report, DAY)
        entries = [e for e in await stone.audit.list() if "approve" in e.action]
    assert [(e.actor, e.action) for e in entries] == [("ada", "approval.approve")]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("no", "was rejected; it is not published"),
        ("later", "waits for its sign-off: 472 of 930 flights were cancelled"),
    ],
)
async def test_a_report_that_is_not_signed_off_is_not_published(
    answer: Answer, said: str, tmp_path: Path
):
    """Rejected, or left waiting, it is told how it stands, and nobody can read it."""
    shown = await play(tmp_path, [DAY], lambda _: answer)

    assert said in shown
    async with flights_in(tmp_path).local(tmp_path) as stone:
        assert not await stone.exists(pipeline.signed_report, DAY)


async def test_without_anybody_to_ask_it_says_how_to(tmp_path: Path):
    """A call that has nobody to ask starts nothing that would wait."""
    shown = await play(tmp_path, [DAY])

    assert "awaits its sign-off. `--yes` signs it off" in shown


async def test_reports_and_their_lineage_are_of_real_flights(tmp_path: Path):
    """The blizzard of February 2013 is in the report, and its sources in the lineage."""
    shown = await play(tmp_path, [DAY])
    (row,) = rows_of(shown)
    assert row.split()[:6] == ["2013-02-08", "930", "472", "3", "51%", "+24"]
    tree = shown[shown.index("Lineage") : shown.index("Summary")]
    assert all(name in tree for name in MADE)
    async with flights_in(tmp_path).local(tmp_path) as stone:
        made_of = await stone.lineage.upstream(pipeline.daily_report, DAY)
    _, *ids = [word for word in tree.split() if len(word) == 36]  # first, its own
    assert {entry.version for entry in made_of} == set(ids)


async def test_without_servers_the_tables_are_parquet_files(tmp_path: Path):
    """In this process tables are files of a folder; the report is no file there."""
    await play(tmp_path, [DAY])
    files = [file for file in (tmp_path / "lake").rglob("*") if file.is_file()]
    assert {file.relative_to(tmp_path / "lake/flights").parts[0] for file in files} == (
        TABLES
    )
    assert {file.suffix for file in files} == {".parquet"}
    (flown,) = (tmp_path / "lake/flights/flights/2013-02-08").iterdir()
    assert pq.read_metadata(flown).num_rows == 930


def rows_of(shown: str) -> list[str]:
    table = shown[shown.index("Reports") : shown.index("Lineage")]
    return [line for line in table.splitlines() if line.startswith("2013-")]
