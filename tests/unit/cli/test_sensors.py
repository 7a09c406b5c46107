"""Sensors on the command line, in one process and without a server."""

from __future__ import annotations

from tests.unit.cli.typed import APP, Type


def test_a_sensor_looks_and_what_it_finds_is_made(typed: Type, kept: str) -> None:
    """A look names its runs; in this process they are waited for (E2E-14)."""
    plain = typed("sensors", "tick", APP, "arrivals", kept)
    runs = typed("runs", "list", APP, kept, "--json").data

    assert plain.status == 0
    assert plain.out.splitlines()[0] == "arrivals: triggered, 2 runs started"
    assert set(plain.out.split()[-2:]) == {r["run_id"] for r in runs}
    assert {r["status"] for r in runs} == {"succeeded"}
    assert {r["partition"] for r in runs} == {"2025-01-10", "2025-01-11"}


def test_a_look_that_fails_is_status_one(typed: Type, kept: str) -> None:
    """It says why, and the sensor is failing from then on."""
    plain = typed("sensors", "tick", APP, "stuck", kept)
    machine = typed("sensors", "tick", APP, "stuck", kept, "--json")
    listed = typed("sensors", "list", APP, kept)

    assert (plain.status, machine.status) == (1, 1)
    assert "the source is down" in plain.out
    assert machine.data["outcome"] == "failed"
    assert "failing: The check of the sensor 'stuck' raised" in listed.out


def test_sensors_are_listed(typed: Type, kept: str) -> None:
    """Each is a line, with its last look and its cursor."""
    typed("sensors", "tick", APP, "arrivals", kept)
    plain = typed("sensors", "list", APP, kept)
    listed = {s["name"]: s for s in typed("sensors", "list", APP, kept, "--json").data}

    assert "not applied" in plain.out
    assert set(listed) == {"arrivals", "stuck", "quiet"}
    assert listed["arrivals"]["cursor"] == 12
    assert listed["arrivals"]["last"]["started"] == 2
    assert listed["quiet"]["last"] is None


def test_looks_are_shown(typed: Type, kept: str) -> None:
    """The newest first, with why nothing came of it."""
    for name in ("quiet", "quiet"):
        typed("sensors", "tick", APP, name, kept)

    plain = typed("sensors", "ticks", APP, "quiet", kept)
    [one] = typed("sensors", "ticks", APP, "quiet", "--limit", "1", kept, "--json").data

    assert plain.out.count("skipped") == 2
    assert (one["outcome"], one["why"]) == ("skipped", "it is Sunday")


def test_a_sensor_is_tested(typed: Type, kept: str) -> None:
    """A dry run says what would be made, and moves nothing (SEN-09)."""
    plain = typed("sensors", "test", APP, "arrivals", kept)
    quiet = typed("sensors", "test", APP, "quiet", kept)
    machine = typed("sensors", "test", APP, "arrivals", kept, "--json")

    assert plain.out.splitlines() == [
        "arrivals: 2 new, 0 known",
        "report @ 2025-01-10",
        "report @ 2025-01-11",
    ]
    assert quiet.out == "quiet: 0 new, 0 known (it is Sunday)\n"
    assert machine.data["new"] == ["report @ 2025-01-10", "report @ 2025-01-11"]
    assert machine.data["cursor"] == 12


def test_an_unknown_sensor_is_one_line(typed: Type, kept: str) -> None:
    """The error names it, and says where to look."""
    said = typed("sensors", "tick", APP, "nothing", kept)

    assert said.status != 0
    assert "no sensor 'nothing'" in said.error
    assert "`sensors list`" in said.error
