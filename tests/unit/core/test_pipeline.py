"""A pipeline is checked as a whole, and knows what needs what."""

from __future__ import annotations

from datetime import date
from types import ModuleType
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowstone.core.asset import AnyAsset, Asset, asset
from flowstone.core.errors import (
    BadCompanion,
    BadPartition,
    CyclicPipeline,
    DefinitionError,
    DuplicateAsset,
    UnknownAsset,
)
from flowstone.core.outcome import Signal
from flowstone.core.partition import NONE, PartitionKey
from flowstone.core.pipeline import Pipeline
from flowstone.core.space import daily, single
from flowstone.core.wiring import Need
from tests.unit.core.assets import made


@asset
def raw() -> int:
    return 1


@asset
def cleaned(raw: int) -> int:
    return raw


@asset
def report(cleaned: int, extra: int = 0) -> int:
    return cleaned + extra


EXTRA = made("extra")
SHOP = Pipeline(report, cleaned, EXTRA, raw)


def test_what_is_needed_comes_first() -> None:
    """The order is one in which each asset comes after what it needs."""
    order = SHOP.order

    assert sorted(order) == ["cleaned", "extra", "raw", "report"]
    assert order.index("raw") < order.index("cleaned") < order.index("report")
    assert order.index("extra") < order.index("report")


def test_people_see_assets_as_they_were_listed() -> None:
    """A pipeline holds its assets in the order in which they were given."""
    assert list(SHOP) == [report, cleaned, EXTRA, raw]
    assert len(SHOP) == 4


def test_an_asset_and_its_name_will_do() -> None:
    """Assets are found by themselves and by their names."""
    assert SHOP["raw"] is SHOP[raw] is raw
    assert "raw" in SHOP
    assert raw in SHOP
    assert "rwa" not in SHOP


def test_an_unknown_name_is_told_with_the_closest() -> None:
    """Whoever slips is told what was meant."""
    with pytest.raises(UnknownAsset, match=r"Did you mean 'cleaned'\? Known are: "):
        _ = SHOP["claened"]


def test_another_asset_of_the_same_name_is_not_taken_for_it() -> None:
    """An asset of another pipeline is unknown here, whatever it is called."""
    with pytest.raises(UnknownAsset):
        _ = SHOP[made("raw")]


def test_an_asset_may_be_listed_twice() -> None:
    """The same asset is there once."""
    assert len(Pipeline(raw, raw)) == 1


def test_a_module_gives_its_assets() -> None:
    """What a module has at its top level is gathered, under whatever names."""
    module = ModuleType("shop")
    found: dict[str, object] = {"raw": raw, "again": raw, "report": cleaned, "n": 5}
    vars(module).update(found)

    assert list(Pipeline.of(module)) == [raw, cleaned]
    with pytest.raises(DefinitionError, match="'empty' has no asset"):
        Pipeline.of(ModuleType("empty"))


def test_all_that_leads_to_an_asset_is_known() -> None:
    """Its ancestors are what it needs, directly or not, and itself."""
    assert SHOP.ancestors("report") == {"raw", "cleaned", "extra", "report"}
    assert SHOP.ancestors("raw") == {"raw"}
    fan = Pipeline(made("a"), made("b", "a"), made("c", "a"), made("d", "b", "c"))
    assert fan.ancestors("d") == {"a", "b", "c", "d"}


def test_a_pipeline_draws_itself() -> None:
    """The drawing goes from what is needed to what needs it."""
    assert Pipeline(cleaned, raw).graph() == "raw\n└── cleaned"
    assert (
        Pipeline(cleaned, raw).graph("dot").splitlines()[1] == '  "raw" -> "cleaned";'
    )


# --- keys ---------------------------------------------------------------------------

DAY = PartitionKey.of(date(2025, 1, 15))
KEYED = Pipeline(
    made("catalog", partitions=single),
    made("sales", partitions=daily(date(2025, 1, 1), date(2025, 1, 31))),
    made("free", "catalog"),
)


def test_a_single_asset_is_read_as_it_is_by_any_key() -> None:
    """The key of a reader is the key of what it reads, if that has any."""
    assert KEYED.key_of("sales", DAY) is DAY
    assert KEYED.key_of("catalog", DAY) is NONE


@pytest.mark.parametrize(
    ("name", "key"), [("sales", DAY), ("free", DAY), ("free", NONE), ("catalog", NONE)]
)
def test_a_key_of_the_space_is_taken(name: str, key: PartitionKey) -> None:
    """An asset takes the keys of its space, or any key where it declares none."""
    KEYED.check_key(name, key)


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("sales", PartitionKey.of(date(2026, 1, 1)), "not one of the partitions of"),
        ("sales", NONE, "'sales' has partitions Days.*; say which one"),
        ("catalog", DAY, "'catalog' is single: it has no partitions"),
    ],
)
def test_a_key_outside_of_the_space_is_refused(
    name: str, key: PartitionKey, words: str
) -> None:
    """A key that an asset cannot have is refused, with what it can have."""
    with pytest.raises(BadPartition, match=words):
        KEYED.check_key(name, key)


# --- what is refused ----------------------------------------------------------------


def test_what_is_no_asset_is_refused() -> None:
    """A function that was not decorated is not an asset."""
    with pytest.raises(DefinitionError, match="decorate it with @asset"):
        Pipeline(cast("AnyAsset", lambda: 1))


def test_two_assets_of_one_name_are_refused() -> None:
    """A name stands for one asset."""
    with pytest.raises(DuplicateAsset, match="Two assets are named 'raw'"):
        Pipeline(raw, made("raw"))


def test_a_need_of_nothing_is_refused() -> None:
    """What is not in the pipeline cannot be needed."""
    with pytest.raises(UnknownAsset, match="'report' needs 'cleaned', which is not in"):
        Pipeline(report, EXTRA)


def test_a_circle_is_shown_whole() -> None:
    """Assets that need each other are named in their order."""
    with pytest.raises(CyclicPipeline) as caught:
        Pipeline(made("a", "c"), made("b", "a"), made("c", "b"))

    path = list(caught.value.path)
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}
    with pytest.raises(CyclicPipeline, match="a → a"):
        Pipeline(made("a", "a"))


def test_a_single_asset_reads_single_ones() -> None:
    """An asset without partitions cannot say which of many to read."""
    with pytest.raises(DefinitionError, match="'all' is single and reads 'sales' at"):
        Pipeline(made("all", "sales", partitions=single), made("sales"))


def test_all_problems_are_told_at_once() -> None:
    """Whoever has several mistakes is told of all of them, each of its own kind."""
    with pytest.raises(DefinitionError) as caught:
        Pipeline(
            raw,
            made("raw"),
            made("a", "b"),
            made("b", "a"),
            made("c", "nowhere"),
            asset(name="d")(lambda *rest: cast("object", rest)),
        )

    assert [type(p) for p in caught.value.problems] == [
        DuplicateAsset,
        DefinitionError,
        UnknownAsset,
        CyclicPipeline,
    ]
    assert "4 problems in the definition:" in str(caught.value)


def test_an_asset_of_a_refused_pipeline_is_not_sealed() -> None:
    """Who mends the pipeline may still add a companion."""
    waits = made("waits", "nowhere")
    with pytest.raises(UnknownAsset):
        Pipeline(waits)

    waits.on_timeout(lambda: 1)


# --- companions ---------------------------------------------------------------------


def gated() -> Asset[..., Signal[int]]:
    @asset
    def gated(raw: int = 0) -> Signal[int]:
        return Signal()

    return gated


def test_what_a_companion_reads_is_a_need_of_its_asset() -> None:
    """A companion may need more, and what it needs its asset can no more do without."""
    waits = gated()

    @waits.on_signal
    def arrived(payload: int, raw: int, cleaned: int) -> int:
        return payload + raw + cleaned

    @waits.on_timeout
    def late(raw: int = 1) -> int:
        return raw

    assert Pipeline(waits, raw, cleaned).needs["gated"] == (
        Need(asset="raw", parameter="raw"),
        Need(asset="cleaned", parameter="cleaned"),
    )
    assert (arrived(1, 2, 3), late()) == (6, 1)


def test_a_companion_that_cannot_be_called_is_refused() -> None:
    """A companion with the wrong parameters is a problem of the pipeline."""
    waits = gated()
    waits.on_signal(lambda: 1)

    with pytest.raises(BadCompanion, match="'on_signal' of 'gated' cannot be used"):
        Pipeline(waits, raw)


def test_a_key_is_one_of_all_that_is_made() -> None:
    """With upstream, a key must fit all of it; without, the asset alone."""

    @asset(partitions=daily(date(2025, 1, 1)))
    def days() -> int:
        return 1

    @asset
    def anything(days: int) -> int:
        return days

    pipeline, key = Pipeline(days, anything), PartitionKey.of("eu")

    pipeline.check_keys("anything", key, upstream=False)
    pipeline.check_keys("anything", PartitionKey.of(date(2025, 1, 2)), upstream=True)
    with pytest.raises(BadPartition, match="partitions of 'days'"):
        pipeline.check_keys("anything", key, upstream=True)


# --- in general ---------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=30))
def test_every_graph_without_a_circle_has_an_order(wishes: list[list[int]]) -> None:
    """In every order what is needed comes first, however the assets are listed."""
    assets = [
        made(f"a{i}", *dict.fromkeys(f"a{wish % i}" for wish in found if i))
        for i, found in enumerate(wishes)
    ]
    pipeline = Pipeline(*reversed(assets))
    places = {name: i for i, name in enumerate(pipeline.order)}

    assert len(places) == len(assets)
    for name, needs in pipeline.needs.items():
        assert all(places[need.asset] < places[name] for need in needs)
