"""What the benchmark computes and builds; what it measures is no test's business."""

import ast
import json

import pytest

from dev.benchmarks.many import make_app
from dev.benchmarks.plan_once import source_of
from dev.benchmarks.planning import Measure
from dev.benchmarks.report import (
    as_json,
    as_table,
    sizes_as_json,
    sizes_as_table,
    values_as_json,
    values_as_table,
    waits_as_json,
    waits_as_table,
)
from dev.benchmarks.shapes import SHAPES, app
from dev.benchmarks.size import ManyMade
from dev.benchmarks.stats import Series, compare, is_valid, per_second
from dev.benchmarks.values import Need
from dev.benchmarks.waiting import Answered


def _compared(target: float | None = 0.5):
    return compare(
        Series(cold=9.0, seconds=[1.0, 2.0, 9.0]),
        Series(cold=1.0, seconds=[2.0, 8.0, 9.0]),
        name="chain",
        title="chain of 3",
        baseline="raw SDK",
        target=target,
    )


def test_a_ratio_is_the_median_of_its_pairs() -> None:
    """One disturbed pair moves neither the ratio nor the median."""
    found = _compared()
    assert found.ratio == 0.5
    assert (found.ours.median, found.theirs.median) == (2.0, 8.0)
    assert found.reached is True
    assert _compared(None).reached is None


def test_rounds_without_a_partner_are_refused() -> None:
    """What was not alternated cannot be compared."""
    with pytest.raises(ValueError, match="2 and 1 rounds"):
        compare(
            Series(cold=1.0, seconds=[1.0, 1.0]),
            Series(cold=1.0, seconds=[1.0]),
            name="chain",
            title="chain",
            baseline="raw SDK",
        )


def test_a_slow_baseline_makes_the_comparison_invalid() -> None:
    """Beating a server that was never tuned is no feat."""
    series = Series(cold=1.0, seconds=[2.0])
    assert per_second(series, 100) == 50.0
    assert not is_valid(50.0)
    assert is_valid(60.0)
    assert "INVALID" in as_table([_compared()], [], 50.0)
    assert "INVALID" not in as_table([_compared()], [], 100.0)


def test_json_is_one_object_with_an_entry_for_each_line() -> None:
    """Programs find ratio, target and baseline of each shape."""
    measure = Measure(name="plan", title="plan", seconds=1.0, target=2.0)
    found = json.loads(as_json([_compared()], [measure], 100.0))
    wanted = {"ratio": 0.5, "target": 0.5, "baseline": "raw SDK", "cold": 9.0}
    assert found["chain"].items() >= wanted.items()
    assert found["plan"]["ratio"] == 0.5
    assert found["raw SDK"] == {"steps_per_second": 100.0, "valid": True}


def test_shapes_are_as_large_as_they_say() -> None:
    """The assets of a shape are as many as the steps it is compared with."""
    sizes = {s.name: len(app.pipeline.ancestors(s.target)) for s in SHAPES}
    assert sizes == {s.name: s.nodes for s in SHAPES}
    assert {s.name: s.runs for s in SHAPES} == {"chain": 1, "fan": 1, "runs": 100}


def test_a_generated_module_is_valid_and_connected() -> None:
    """Each of its functions is another one, and the last needs all."""
    functions = ast.parse(source_of(500)).body[1:]
    assert len(functions) == 501
    assert len({ast.unparse(f) for f in functions}) == 501


def test_values_of_any_size_are_compared() -> None:
    """A target holds above a mebibyte alone, and memory is told beside the ratios."""
    need = Need(name="s3/store a file", streamed=1024, mib=150.0)
    assert need.reached
    found = json.loads(values_as_json([_compared()], [need]))
    assert found["s3/store a file"]["ratio"] == 0.75
    assert found["chain"]["ratio"] == 0.5
    told = values_as_table([_compared()], [need])
    assert "1024 MiB as a stream" in told
    assert "target 200: reached" in told


@pytest.mark.parametrize("shape", ["grid", "fan", "chain"])
def test_apps_of_many_assets_are_as_large_as_they_say(shape: str) -> None:
    """The last asset needs all the others."""
    app, target = make_app("many", shape, 250)
    assert len(app.pipeline) == len(app.pipeline.ancestors(target)) == 250


def test_many_assets_are_told_beside_a_ledger() -> None:
    """Seconds, memory and histories of runs, and what a ledger was asked."""
    made = ManyMade(
        name="many/cold",
        title="5,000 assets, durations unknown",
        seconds=9.5,
        worker_mib=190,
        client_mib=120,
        runs=18,
        events=19_812,
        longest=1_166,
        payload=15_124,
        skeleton=167_631,
    )
    asked = Measure(name="ledger/status", title="status", seconds=0.005, target=0.05)
    found = json.loads(sizes_as_json([made], [asked]))
    assert found["many/cold"]["worker_mib"] == 190
    assert found["ledger/status"]["ratio"] == 0.1
    told = sizes_as_table([made], [asked])
    assert "18 runs, 19,812 events" in told
    assert "target 0.05: reached" in told


@pytest.mark.parametrize(
    ("told", "lost", "good"),
    [
        ({"200 answered": 4, "200 repeated": 4}, 0, True),
        ({"200 answered": 4, "200 repeated": 3, "409 refused": 1}, 0, False),
        ({"200 answered": 4, "200 repeated": 4}, 1, False),
    ],
)
def test_callbacks_are_good_where_each_takes_effect_once(
    told: dict[str, int], lost: int, good: bool
) -> None:
    """Each delivery is answered as it should be, and no value is lost."""
    answered = Answered(
        gates=4,
        parked=1.5,
        deliveries=8,
        told=told,
        seconds=2.5,
        lost=lost,
        doubled=0,
    )
    assert answered.good is good
    assert json.loads(waits_as_json(_compared(), answered))["waiting/answered"] == (
        answered.to_data()
    )
    table = waits_as_table(_compared(), answered)
    assert "throughput 2.00 of what it is alone" in table
    assert f"{lost} lost, 0 made twice" in table
