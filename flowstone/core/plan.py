"""The plan of one run: which nodes, what each waits for, by which rules.

A plan is immutable data: the ledger keeps it as a row under its hash. A flow gets its
`Skeleton`, which has numbers where the plan has names of parameters and managers, so
that 5,000 nodes stay far below the limits of a history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any

from flowstone.core.pipeline import Pipeline
from flowstone.core.policy import Retry

__all__ = ["Edge", "Node", "Plan", "Rule", "Skeleton", "make_plan", "make_skeleton"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One need of a node: the number of the node it reads, or comes after."""

    node: int
    parameter: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How failures of a node are answered; durations in milliseconds.

    `declared` tells a retry of one attempt that was asked for from none at all.
    """

    attempts: int = 1
    delay: int = 1000
    backoff: float = 2.0
    max_delay: int = 60_000
    declared: bool = False

    @staticmethod
    def of(retry: Retry | None) -> Rule:
        """Give the rule that a policy stands for."""
        if retry is None:
            return Rule()
        return Rule(
            attempts=retry.attempts,
            delay=_millis(retry.delay),
            backoff=retry.backoff,
            max_delay=_millis(retry.max_delay),
            declared=True,
        )

    def wait(self, failures: int) -> timedelta:
        """Give the wait after so many failures, of which there is at least one."""
        return Retry(
            attempts=self.attempts,
            delay=timedelta(milliseconds=self.delay),
            backoff=self.backoff,
            max_delay=timedelta(milliseconds=self.max_delay),
        ).wait(failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One asset of a plan.

    Attributes:
        asset: its name.
        edges: what it reads and comes after.
        single: whether it is made once, at no key, whatever the run's keys are.
        given: whether this run takes its value as it is, and never makes it.
        code: the code version that is to make it.
        io: the manager that keeps it.
        rule: how its failures are answered.
        alone: whether it declares what needs an activity of its own.
    """

    asset: str
    edges: tuple[Edge, ...] = ()
    single: bool = False
    given: bool = False
    code: str = ""
    io: str = "default"
    rule: Rule = Rule()
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Nodes in an order in which what is needed comes first; the last is the target."""

    pipeline: str
    nodes: tuple[Node, ...]

    @property
    def target(self) -> int:
        """The number of the node that was asked for."""
        return len(self.nodes) - 1

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each asset."""
        return {node.asset: i for i, node in enumerate(self.nodes)}

    @cached_property
    def body(self) -> str:
        """The plan as canonical JSON."""
        nodes = [_node_data(node) for node in self.nodes]
        data = {"pipeline": self.pipeline, "nodes": nodes}
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """The plan's identity: 32 hex digits of the hash of its body."""
        return sha256(self.body.encode()).hexdigest()[:32]

    def is_shaped_as(self, other: Plan) -> bool:
        """Tell whether it has the same graph, whatever code makes its assets."""
        return self._shape == other._shape

    @property
    def _shape(self) -> object:
        return [(n.asset, n.edges, n.single, n.given) for n in self.nodes]

    @staticmethod
    def from_body(body: str) -> Plan:
        """Give back the plan whose body this is."""
        data = json.loads(body)
        return Plan(
            pipeline=data["pipeline"],
            nodes=tuple(_node_from(node) for node in data["nodes"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What a flow knows of a plan, in columns: entry `i` is of node `i`.

    Attributes:
        plan: the plan's digest.
        names: the asset's name, for summaries.
        waits: the nodes it waits for.
        soft: those among them whose absence it can bear.
        rules: the distinct rules; `rule` is an index into them.
        alone: the nodes that need an activity of their own.
        single: the nodes that are made once for all keys.
        given: the nodes whose value was there before.
        absent: given nodes that have no value, which their readers can bear.
        millis: how long it took of late; -1 where nobody knows.
    """

    plan: str
    names: Sequence[str]
    waits: Sequence[Sequence[int]]
    soft: Sequence[Sequence[int]]
    rules: Sequence[Rule]
    rule: Sequence[int]
    alone: Sequence[int] = ()
    single: Sequence[int] = ()
    given: Sequence[int] = ()
    absent: Sequence[int] = ()
    millis: Sequence[int] = ()


def make_plan(name: str, pipeline: Pipeline, target: str, *, upstream: bool) -> Plan:
    """Plan the making of one asset, with all that it needs or with only itself.

    Args:
        name: the app's name.
        pipeline: where the assets are.
        target: the asset to make.
        upstream: whether what it needs is made too, or taken as it is.
    """
    if upstream:
        wanted = pipeline.ancestors(target)
        made = wanted
    else:
        # What merely comes first is not asked for: it would not be made here.
        wanted = {n.asset for n in pipeline.needs[target] if n.loads} | {target}
        made = {target}
    order = [n for n in pipeline.order if n in wanted and n != target] + [target]
    numbers = {asset: i for i, asset in enumerate(order)}
    nodes = tuple(
        _node(pipeline, asset, numbers) if asset in made else _given(pipeline, asset)
        for asset in order
    )
    return Plan(pipeline=name, nodes=nodes)


def make_skeleton(
    plan: Plan, millis: Mapping[str, int], absent: Sequence[int] = ()
) -> Skeleton:
    """Give what a flow needs to know of a plan.

    Args:
        plan: the plan.
        millis: how long each asset took of late, where that is known.
        absent: the given nodes that have no value.
    """
    rules = list(dict.fromkeys(node.rule for node in plan.nodes))
    places = {rule: i for i, rule in enumerate(rules)}
    nodes = plan.nodes
    return Skeleton(
        plan=plan.digest,
        names=[n.asset for n in nodes],
        waits=[sorted({e.node for e in n.edges}) for n in nodes],
        soft=[_soft(n) for n in nodes],
        rules=rules,
        rule=[places[n.rule] for n in nodes],
        alone=[i for i, n in enumerate(nodes) if n.alone],
        single=[i for i, n in enumerate(nodes) if n.single],
        given=[i for i, n in enumerate(nodes) if n.given],
        absent=list(absent),
        millis=[millis.get(n.asset, -1) for n in nodes],
    )


_EDGE, _NODE, _RULE = (
    frozenset(f.name for f in fields(kind)) for kind in (Edge, Node, Rule)
)


def _node_data(node: Node) -> dict[str, object]:
    # What dataclasses.asdict gives, ten times as fast.
    return {
        **{name: getattr(node, name) for name in _NODE},
        "edges": [{name: getattr(e, name) for name in _EDGE} for e in node.edges],
        "rule": {name: getattr(node.rule, name) for name in _RULE},
    }


def _node_from(data: Mapping[str, Any]) -> Node:
    edges = tuple(Edge(**_known(edge, _EDGE)) for edge in data["edges"])
    rule = Rule(**_known(data["rule"], _RULE))
    rest: dict[str, Any] = {**_known(data, _NODE), "edges": edges, "rule": rule}
    return Node(**rest)


def _known(data: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    # A worker of a later release may have written fields that are not known here.
    return {name: value for name, value in data.items() if name in names}


def _node(pipeline: Pipeline, name: str, numbers: Mapping[str, int]) -> Node:
    asset = pipeline.assets[name]
    options = asset.options
    return Node(
        asset=name,
        edges=tuple(
            Edge(node=numbers[n.asset], parameter=n.parameter, optional=n.optional)
            for n in pipeline.needs[name]
            if n.asset in numbers
        ),
        single=asset.is_single,
        code=asset.code,
        io=options.io,
        rule=Rule.of(options.retry),
        alone=options.timeout is not None or bool(options.resources),
    )


def _given(pipeline: Pipeline, name: str) -> Node:
    asset = pipeline.assets[name]
    return Node(asset=name, single=asset.is_single, given=True, io=asset.options.io)


def _soft(node: Node) -> list[int]:
    """Give the nodes whose being skipped does not skip this one."""
    hard = {e.node for e in node.edges if e.parameter and not e.optional}
    return sorted({e.node for e in node.edges} - hard)


def _millis(delay: timedelta) -> int:
    return round(delay.total_seconds() * 1000)
