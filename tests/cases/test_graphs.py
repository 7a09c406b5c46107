"""Graphs: the lines of the cases on building and drawing them."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from flowstone import Asset, Pipeline, asset
from flowstone.core.plan import make_plan

AnyAsset = Asset[..., object]


def made(name: str, *needs: str) -> AnyAsset:
    """Make an asset that needs others, by parameters p0, p1, ..."""
    parameters = ", ".join(f"p{i}" for i in range(len(needs)))
    scope: dict[str, object] = {}
    exec(f"def made({parameters}): return 1", scope)
    renames = {f"p{i}": need for i, need in enumerate(needs)}
    return asset(name=name, needs=renames)(scope["made"])  # pyright: ignore[reportArgumentType, reportUnknownVariableType, reportReturnType]


def test_a_drawing_is_exact() -> None:
    """Text is a tree; Mermaid has a line for each edge, in order (DAG-08)."""
    pipeline = Pipeline(
        made("greeting"),
        made("numbers"),
        made("doubled", "numbers"),
        made("sum", "doubled"),
    )

    assert pipeline.graph() == "greeting\nnumbers\n└── doubled\n    └── sum"
    drawn = pipeline.graph("mermaid").splitlines()
    assert drawn[0] == "graph TD"
    assert [line for line in drawn if "-->" in line] == [
        "  numbers --> doubled",
        "  doubled --> sum",
    ]


def test_lonely_and_shared_nodes_are_drawn_once() -> None:
    """A node without edges is drawn; one with two parents has a mark (DAG-16)."""
    pipeline = Pipeline(
        made("alone"),
        made("a"),
        made("b"),
        made("both", "a", "b"),
        made("after", "both"),
    )

    assert "  alone" in pipeline.graph("mermaid").splitlines()
    assert '  "alone";' in pipeline.graph("dot").splitlines()
    text = pipeline.graph()
    assert text.count("after") == 1
    assert "both (see above)" in text


@given(st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=30))
def test_what_is_needed_comes_first(wishes: list[list[int]]) -> None:
    """In every graph without a circle what is needed comes first (DAG-12)."""
    assets = [
        made(f"a{i}", *dict.fromkeys(f"a{w % i}" for w in found if i))
        for i, found in enumerate(wishes)
    ]
    pipeline = Pipeline(*reversed(assets))
    places = {name: i for i, name in enumerate(pipeline.order)}

    for name, needs in pipeline.needs.items():
        assert all(places[n.asset] < places[name] for n in needs)


def test_a_dense_graph_is_planned_at_once() -> None:
    """Twenty layers of three, each needing all before it, are planned once (DAG-15)."""
    layers = [
        [made(f"l{i}_{j}", *(f"l{i - 1}_{k}" for k in range(3) if i)) for j in range(3)]
        for i in range(20)
    ]
    began = time.monotonic()
    pipeline = Pipeline(*(a for layer in layers for a in layer))
    plan = make_plan("dense", pipeline, "l19_0", upstream=True)

    assert len(plan.nodes) == 58
    assert time.monotonic() - began < 2
