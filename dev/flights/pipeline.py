"""Flights that left New York in 2013, from the airlines' files to a report of each day.

    airlines  airports  planes        one value each, read as it is by every day
    flights   weather                 of a day
    flight_table                      every flight, with all that is known about it
    delays_by_carrier  delays_by_route
    daily_report
    signed_report                     of a day that somebody has looked at

The parameters of a function name the assets that it reads; there is no other wiring.
What is a table is kept as Parquet in the lake, the reports where the app keeps the rest.
"""
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
# pyarrow has no types

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from dev.flights.counts import ran
from dev.flights.sources import read
from flowstone import Approval, Context, asset, daily, single

__all__ = [
    "DailyReport",
    "airlines",
    "airports",
    "daily_report",
    "delays_by_carrier",
    "delays_by_route",
    "flight_table",
    "flights",
    "planes",
    "signed_report",
    "weather",
]

YEAR = daily(date(2013, 1, 1), date(2013, 12, 31))
LATE = 15
"""Minutes from which an arrival counts as late, as US authorities count."""
ENOUGH = 5
"""Arrivals that an airline or a route needs to be called a day's worst."""


class DailyReport(BaseModel, frozen=True):
    """One day in numbers; `None` is what nobody knows.

    Attributes:
        cancelled: flights that never left.
        diverted: flights that left, and did not arrive where they should.
        on_time: the share of arrivals that were not late.
        delay: minutes, the mean over all arrivals; early ones count as negative.
        worst_airline: the airline with the highest mean delay, and that delay.
        worst_route: likewise.
        wind: miles per hour, the strongest of the day.
        visibility: miles, the lowest of the day.
    """

    day: date
    flights: int
    cancelled: int
    diverted: int
    on_time: float | None
    delay: float | None
    worst_airline: tuple[str, float] | None
    worst_route: tuple[str, float] | None
    wind: float | None
    visibility: float | None


@asset(partitions=single, io="lake")
def airlines() -> pa.Table:
    """Names of airlines, by their codes."""
    ran("airlines")
    return read("airlines")


@asset(partitions=single, io="lake")
def airports() -> pa.Table:
    """Names and places of airports, by their codes."""
    ran("airports")
    return read("airports")


@asset(partitions=single, io="lake")
def planes() -> pa.Table:
    """Planes by their tail numbers: maker, model, seats."""
    ran("planes")
    return read("planes")


@asset(partitions=YEAR, io="lake")
def flights(ctx: Context) -> pa.Table:
    """The day's flights, as the airlines reported them."""
    ran("flights")
    return _of_day("flights", ctx)


@asset(partitions=YEAR, io="lake")
def weather(ctx: Context) -> pa.Table:
    """The day's weather at the three airports, hour by hour."""
    ran("weather")
    return _of_day("weather", ctx)


@asset(partitions=YEAR, io="lake")
def flight_table(
    flights: pa.Table,
    weather: pa.Table,
    airlines: pa.Table,
    airports: pa.Table,
    planes: pa.Table,
) -> pa.Table:
    """The day's flights with airline, destination, plane and weather.

    Every flight stays, whatever is unknown about it: some destinations are in no list
    of airports, some tail numbers in no register, some hours without an observation.
    """
    ran("flight_table")
    left, arrived = (pc.is_valid(flights[c]) for c in ("dep_time", "arr_delay"))
    table = (
        flights.select(_OF_FLIGHT)
        .append_column("cancelled", pc.invert(left))
        .append_column("diverted", pc.and_(left, pc.invert(arrived)))
        .append_column("late", pc.greater_equal(flights["arr_delay"], LATE))
    )
    for keys, found in (
        (["carrier"], _renamed(airlines, carrier="carrier", name="airline")),
        (["dest"], _renamed(airports, faa="dest", name="destination")),
        (
            ["tailnum"],
            _renamed(planes, tailnum="tailnum", model="plane", seats="seats"),
        ),
        (["origin", "time_hour"], weather.select(_OF_WEATHER)),
    ):
        table = table.join(found, keys, use_threads=False)
    return table.sort_by([(c, "ascending") for c in ("time_hour", "carrier", "flight")])


@asset(partitions=YEAR, io="lake")
def delays_by_carrier(flight_table: pa.Table) -> pa.Table:
    """The day's delays of each airline."""
    ran("delays_by_carrier")
    return _delays(flight_table, ["carrier", "airline"])


@asset(partitions=YEAR, io="lake")
def delays_by_route(flight_table: pa.Table) -> pa.Table:
    """The day's delays from each airport to each destination."""
    ran("delays_by_route")
    return _delays(flight_table, ["origin", "dest", "destination"])


@asset(partitions=YEAR)
def daily_report(
    flight_table: pa.Table,
    delays_by_carrier: pa.Table,
    delays_by_route: pa.Table,
    weather: pa.Table,
    ctx: Context,
) -> DailyReport:
    """The day in numbers."""
    ran("daily_report")
    late = pc.mean(flight_table["late"]).as_py()
    return DailyReport(
        day=_day(ctx),
        flights=flight_table.num_rows,
        cancelled=pc.sum(flight_table["cancelled"], min_count=0).as_py(),
        diverted=pc.sum(flight_table["diverted"], min_count=0).as_py(),
        on_time=None if late is None else 1 - late,
        delay=pc.mean(flight_table["arr_delay"]).as_py(),
        worst_airline=_worst(delays_by_carrier, ["airline"]),
        worst_route=_worst(delays_by_route, ["origin", "dest"]),
        wind=pc.max(weather["wind_speed"]).as_py(),
        visibility=pc.min(weather["visib"]).as_py(),
    )


@asset(partitions=YEAR)
def signed_report(daily_report: DailyReport) -> Approval[DailyReport]:
    """The day in numbers, once somebody has signed it off."""
    ran("signed_report")
    day = daily_report
    return Approval(
        day, message=f"{day.cancelled} of {day.flights} flights were cancelled"
    )


_OF_FLIGHT = [
    *("time_hour", "carrier", "flight", "tailnum", "origin", "dest", "distance"),
    *("dep_delay", "arr_delay", "air_time"),
]
_OF_WEATHER = ["origin", "time_hour", "temp", "wind_speed", "precip", "visib"]


def _day(ctx: Context) -> date:
    if not isinstance(ctx.partition, date):
        raise TypeError(f"{ctx.asset} is made for a day, not for {ctx.partition!r}")  # noqa: EM102
    return ctx.partition


def _of_day(name: str, ctx: Context) -> pa.Table:
    """Cut a day out of a file of the whole year."""
    day = _day(ctx)
    fits = (pc.field("month") == day.month) & (pc.field("day") == day.day)
    return read(name).filter(fits)


def _renamed(table: pa.Table, **names: str) -> pa.Table:
    """Give the columns named, under their new names."""
    return table.select(list(names)).rename_columns(list(names.values()))


def _delays(flight_table: pa.Table, keys: list[str]) -> pa.Table:
    """Count flights and average delays; a mean is over what is known."""
    found = flight_table.group_by(keys, use_threads=False).aggregate(
        [
            ([], "count_all"),
            ("cancelled", "sum"),
            ("arr_delay", "count"),
            ("dep_delay", "mean"),
            ("arr_delay", "mean"),
        ]
    )
    counts = ["flights", "cancelled", "arrived", "mean_dep_delay", "mean_arr_delay"]
    return found.rename_columns([*keys, *counts]).sort_by(
        [(key, "ascending") for key in keys]
    )


def _worst(delays: pa.Table, named: list[str]) -> tuple[str, float] | None:
    """Give the row with the highest mean delay, of those with enough arrivals."""
    often = delays.filter(pc.field("arrived") >= ENOUGH)
    if often.num_rows == 0:
        return None
    by_name = [(column, "ascending") for column in named]
    ordered = often.sort_by([("mean_arr_delay", "descending"), *by_name])
    worst = ordered.slice(0, 1).to_pylist()[0]
    return "-".join(worst[column] or "?" for column in named), worst["mean_arr_delay"]
