"""The plan of a run: immutable data, and the skeleton that a flow knows of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from flowstone.core.asset import asset
from flowstone.core.pipeline import Pipeline
from flowstone.core.plan import (
    Edge,
    Node,
    Plan,
    Rule,
    Skeleton,
    make_plan,
    make_skeleton,
)
from flowstone.core.policy import HOUR, MINUTE, SECOND, Retry
from flowstone.core.space import single
from tests.unit.core.assets import made

RETRY = Retry(attempts=3, delay=2 * SECOND, backoff=3.0, max_delay=HOUR)
SHOP = Pipeline(
    made("migrate"),
    made("catalog", partitions=single),
    made("sales", io="lake", retry=RETRY),
    made("notes"),
    made(
        "report", "sales", "catalog", "notes", optional=("notes",), after=("migrate",)
    ),
    made("elsewhere", "sales"),
)

# --- drawn at random ----------------------------------------------------------------

RULES = st.builds(
    Rule,
    attempts=st.integers(1, 100),
    delay=st.integers(0, 1_000),
    backoff=st.floats(1, 1e300),
    max_delay=st.integers(1_000, 10**9),
    declared=st.booleans(),
)
NAMES = st.text(min_size=1, max_size=8)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a plan, whatever it says."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 6))):
        edges = st.builds(
            Edge,
            node=st.integers(0, max(number - 1, 0)),
            parameter=st.just("") | NAMES,
            optional=st.booleans(),
        )
        nodes.append(
            Node(
                asset=f"n{number}",
                edges=tuple(draw(st.lists(edges, max_size=3))) if number else (),
                single=draw(st.booleans()),
                given=draw(st.booleans()),
                code=draw(NAMES),
                io=draw(NAMES),
                rule=draw(RULES),
                alone=draw(st.booleans()),
            )
        )
    return Plan(pipeline=draw(NAMES), nodes=tuple(nodes))


@settings(deadline=None)
@given(plans())
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    """A plan read from its body is the same, under the same digest."""
    back = Plan.from_body(plan.body)

    assert back == plan
    assert (back.body, back.digest) == (plan.body, plan.digest)


@settings(deadline=None)
@given(plans(), plans())
def test_a_digest_names_one_plan(one: Plan, other: Plan) -> None:
    """Different plans have different digests."""
    assert (one.digest == other.digest) == (one == other)


@settings(deadline=None)
@given(plans())
def test_a_skeleton_crosses_the_wall(plan: Plan) -> None:
    """What a flow knows of a plan is the same in its history."""
    kind = TypeAdapter(Skeleton)
    skeleton = make_skeleton(plan, {"n0": 5}, [0])
    back = kind.validate_json(kind.dump_json(skeleton))

    assert kind.dump_json(back) == kind.dump_json(skeleton)
    assert list(back.rules) == list(skeleton.rules)


@settings(deadline=None)
@given(plans())
def test_a_skeleton_says_what_the_plan_says(plan: Plan) -> None:
    """Each column has an entry for each node, and says of it what the plan says."""
    found = make_skeleton(plan, {})

    for number, node in enumerate(plan.nodes):
        read = {e.node for e in node.edges if e.parameter and not e.optional}
        assert found.names[number] == node.asset
        assert list(found.waits[number]) == sorted({e.node for e in node.edges})
        assert set(found.waits[number]) - set(found.soft[number]) == read
        assert set(found.soft[number]) <= set(found.waits[number])
        assert found.rules[found.rule[number]] == node.rule
        assert (number in found.single) == node.single
        assert (number in found.given) == node.given
        assert (number in found.alone) == node.alone
    assert len(set(found.rules)) == len(found.rules)


# --- making one ---------------------------------------------------------------------


def test_a_plan_has_all_that_leads_to_its_target() -> None:
    """What is needed comes first, the target last, and nothing else is there."""
    plan = make_plan("shop", SHOP, "report", upstream=True)
    names = [node.asset for node in plan.nodes]

    assert sorted(names[:-1]) == ["catalog", "migrate", "notes", "sales"]
    assert names[-1] == "report"
    assert (plan.target, plan.numbers["report"]) == (4, 4)


def test_a_node_says_how_its_asset_is_made() -> None:
    """Edges, manager, code and rule are those of the asset."""
    plan = make_plan("shop", SHOP, "report", upstream=True)
    at = plan.numbers

    assert plan.nodes[at["report"]].edges == (
        Edge(node=at["sales"], parameter="sales"),
        Edge(node=at["catalog"], parameter="catalog"),
        Edge(node=at["notes"], parameter="notes", optional=True),
        Edge(node=at["migrate"]),
    )
    assert plan.nodes[at["sales"]] == Node(
        asset="sales", code="1", io="lake", rule=Rule.of(RETRY)
    )
    assert [node.asset for node in plan.nodes if node.single] == ["catalog"]


def test_only_the_asset_itself_takes_what_it_reads_as_it_is() -> None:
    """Without all upstream what is read is given, and what comes first left out."""
    plan = make_plan("shop", SHOP, "report", upstream=False)
    given = {node.asset for node in plan.nodes if node.given}

    assert given == {"sales", "catalog", "notes"}
    assert [node.asset for node in plan.nodes][-1] == "report"
    assert all(node.edges == () for node in plan.nodes[:-1])
    assert len(plan.nodes[-1].edges) == 3


def test_an_asset_with_a_timeout_goes_alone() -> None:
    """What may be stopped by the clock has an activity of its own."""

    @asset(timeout=MINUTE)
    def slow() -> int:
        return 1

    plan = make_plan("shop", Pipeline(slow), "slow", upstream=True)

    assert make_skeleton(plan, {}).alone == [0]


def test_an_asset_with_resources_goes_alone() -> None:
    """What asks for a resource has an activity of its own, and asks for it once."""

    @asset(resources=["warehouse", "cache", "warehouse"])
    def lent() -> int:
        return 1

    plan = make_plan("shop", Pipeline(lent), "lent", upstream=True)

    assert make_skeleton(plan, {}).alone == [0]
    assert lent.options.resources == ("warehouse", "cache")


def test_durations_are_known_or_not() -> None:
    """A skeleton has how long each asset took of late, and -1 where nobody knows."""
    plan = make_plan("shop", SHOP, "elsewhere", upstream=True)

    assert make_skeleton(plan, {"sales": 40}).millis == [40, -1]


def test_a_plan_of_a_later_release_is_read() -> None:
    """Fields that are not known here are left out."""
    plan = make_plan("shop", SHOP, "report", upstream=True)
    data = json.loads(plan.body)
    data["since"] = "later"
    for node in data["nodes"]:
        node["colour"] = "red"
        node["rule"]["colour"] = "red"
        for edge in node["edges"]:
            edge["colour"] = "red"

    assert Plan.from_body(json.dumps(data)) == plan


# --- rules --------------------------------------------------------------------------


def test_a_rule_is_a_policy_in_numbers() -> None:
    """A rule waits as the policy that it stands for."""
    rule = Rule.of(RETRY)

    assert rule == Rule(
        attempts=3, delay=2_000, backoff=3.0, max_delay=3_600_000, declared=True
    )
    assert [rule.wait(n) for n in (1, 2, 9)] == [
        timedelta(seconds=2),
        timedelta(seconds=6),
        HOUR,
    ]


def test_no_policy_is_one_attempt() -> None:
    """One attempt that was asked for is told from none at all."""
    assert Rule.of(None) == Rule(attempts=1, declared=False)
    assert Rule.of(Retry()) == Rule(attempts=1, declared=True)


def test_a_plan_has_its_shape_whatever_code_makes_it() -> None:
    """Two plans are of one graph where assets read the same, however they are made."""
    plan = make_plan("shop", SHOP, "report", upstream=True)
    newer = replace(plan, nodes=tuple(replace(n, code="2") for n in plan.nodes))
    cut = replace(plan, nodes=plan.nodes[1:])

    assert newer.digest != plan.digest
    assert newer.is_shaped_as(plan)
    assert not cut.is_shaped_as(plan)
