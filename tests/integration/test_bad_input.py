"""Bad input gets one clear error that names the thing and the remedy."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import cast

import pytest

from flowstone import (
    AssetFailed,
    BadPartition,
    ConfigurationError,
    CyclicPipeline,
    DefinitionError,
    Flowstone,
    Key,
    MemoryIO,
    NotSupported,
    Pipeline,
    PostgresIO,
    SqlLedger,
    UnknownAsset,
    UpstreamMissing,
    asset,
    daily,
    scatter,
)
from flowstone.stack.ports import free_port
from tests.apps import crashy
from tests.harness import WorkerProcess, query, upgrade


@asset
def orders() -> list[int]:
    return [1]


@asset
def total(orders: list[int]) -> int:
    return sum(orders)


@asset
def lock() -> object:
    return threading.Lock()


SHOP = Pipeline(orders, total, lock)


def test_an_unknown_need_is_named_with_what_was_meant() -> None:
    """A parameter that names no asset is refused with the closest name (DAG-14)."""

    @asset
    def report(order: list[int]) -> int:
        return len(order)

    with pytest.raises(UnknownAsset) as caught:
        Pipeline(orders, report)

    assert str(caught.value) == (
        "'report' needs 'order', which is not in the pipeline. Did you mean "
        "'orders'? Add it to Pipeline(...), or rename the parameter."
    )


def test_a_circle_is_shown_whole() -> None:
    """Assets that need each other in a circle are refused with the circle (DAG-11)."""

    @asset
    def chicken(egg: int) -> int:
        return egg

    @asset
    def egg(chicken: int) -> int:
        return chicken

    with pytest.raises(CyclicPipeline) as caught:
        Pipeline(chicken, egg)

    assert "chicken → egg → chicken" in str(caught.value) or (
        "egg → chicken → egg" in str(caught.value)
    )


def test_all_problems_of_a_definition_are_told_at_once() -> None:
    """A pipeline with several problems names all of them in one error."""

    @asset
    def one(nowhere: int) -> int:
        return nowhere

    @asset
    def two(*many: int) -> int:
        return len(many)

    with pytest.raises(DefinitionError) as caught:
        Pipeline(one, two)

    assert len(caught.value.problems) == 2
    assert "'nowhere'" in str(caught.value)
    assert "*many" in str(caught.value)


def test_an_io_manager_that_the_app_lacks_is_named() -> None:
    """An asset that wants an unknown IO manager is refused by the app (IO-19)."""

    @asset(io="lake")
    def table() -> int:
        return 1

    with pytest.raises(ConfigurationError) as caught:
        Flowstone("shop", Pipeline(table), io={"files": MemoryIO()})

    assert str(caught.value) == (
        "'table' wants the IO manager 'lake', which the app does not have; it has "
        "'default', 'files'. Add it to io={...}."
    )


async def test_an_unknown_asset_is_refused_on_submit() -> None:
    """A verb on an asset that does not exist names those that do (API-03, API-04)."""
    async with Flowstone("shop", SHOP).local() as stone:
        with pytest.raises(UnknownAsset, match="no asset 'totl'. Did you mean 'total'"):
            await stone.materialize("totl")


@pytest.mark.parametrize("key", [True, 1.5, b"x", [1], (), {}])
async def test_an_unsupported_partition_is_refused_on_submit(key: object) -> None:
    """A value that cannot be a partition is refused before anything starts (PAR-18)."""
    async with Flowstone("shop", SHOP).local() as stone:
        with pytest.raises(BadPartition, match="cannot be a partition"):
            await stone.materialize("orders", cast("Key", key))
        assert await stone.runs.list() == []


async def test_a_key_outside_of_the_space_is_refused_on_submit() -> None:
    """A key that an asset's space does not have is refused before anything starts."""
    from datetime import date

    @asset(partitions=daily(date(2025, 1, 1)))
    def dated() -> int:
        return 1

    async with Flowstone("shop", Pipeline(dated)).local() as stone:
        with pytest.raises(BadPartition, match="not one of the partitions of 'dated'"):
            await stone.materialize(dated, date(2024, 12, 31))
        with pytest.raises(BadPartition, match="say which one"):
            await stone.materialize(dated)


async def test_what_lives_in_one_process_is_refused_by_connect(tmp_path: Path) -> None:
    """An app of one process's stores is refused by connect, all problems at once."""
    app = Flowstone(
        "shop",
        SHOP,
        io={"default": MemoryIO()},
        ledger=SqlLedger(f"sqlite:///{tmp_path / 'ledger.db'}"),
    )

    with pytest.raises(ConfigurationError) as caught:
        async with app.connect("127.0.0.1:1"):
            pass

    assert "serves one process" in str(caught.value)
    assert "IO manager 'default' (MemoryIO)" in str(caught.value)
    assert "PostgresIO(url)" in str(caught.value)


async def test_a_postgres_that_is_away_is_named_without_its_password() -> None:
    """When the ledger does not answer, its place is named and its password is not."""
    url = f"postgresql://someone:hush@127.0.0.1:{free_port(but=set())}/flowstone"
    app = Flowstone(
        "shop", SHOP, io={"default": PostgresIO(url)}, ledger=SqlLedger(url)
    )

    with pytest.raises(ConfigurationError, match="does not answer") as caught:
        async with app.connect("127.0.0.1:1"):
            pass

    assert "hush" not in str(caught.value)
    assert "FLOWSTONE_LEDGER_URL" in str(caught.value)


@pytest.mark.service
async def test_a_temporal_that_is_away_is_named(postgres_url: str) -> None:
    """When Temporal does not answer, its address and what starts it are named."""
    upgrade(postgres_url)
    address = f"127.0.0.1:{free_port(but=set())}"

    with pytest.raises(ConfigurationError, match=f"Temporal at {address} does not"):
        async with crashy.make_app("shop", postgres_url).connect(address):
            pass


@pytest.mark.service
async def test_a_ledger_without_tables_says_what_to_run(postgres_url: str) -> None:
    """A ledger that has no tables, or older ones, names the command to run."""
    with pytest.raises(ConfigurationError, match="flowstone db upgrade"):
        async with crashy.make_app("shop", postgres_url).connect("127.0.0.1:1"):
            pass


async def test_a_value_that_cannot_be_stored_fails_its_asset() -> None:
    """A value of no known encoding fails its asset, with the type and the remedy."""
    async with Flowstone("shop", SHOP).local() as stone:
        run = await stone.materialize(lock)

        with pytest.raises(AssetFailed, match="CodecError.*lock"):
            await run.result()
        assert not await stone.exists(lock)


async def test_a_need_that_was_never_made_is_named() -> None:
    """Making only one asset, whose needs have no value, names them (API-10)."""
    async with Flowstone("shop", SHOP).local() as stone:
        run = await stone.materialize(total)

        with pytest.raises(UpstreamMissing, match="'total' needs 'orders'"):
            await run.result()


@pytest.mark.service
@pytest.mark.timeout(120)
async def test_a_worker_without_the_asset_leaves_it_to_one_that_has_it(
    tmp_path: Path, postgres_url: str, temporal_address: str
) -> None:
    """A run waits, and says for what, until a worker has its asset (REG-07)."""
    upgrade(postgres_url)
    told = {
        "CRASHY_NAME": "narrow",
        "TEMPORAL_ADDRESS": temporal_address,
        "FLOWSTONE_LEDGER_URL": postgres_url,
    }
    narrow = WorkerProcess("tests.apps.narrow:app", tmp_path, told).wait_ready()
    workers = [narrow]
    try:
        app = crashy.make_app("narrow", postgres_url)
        async with app.connect(temporal_address) as stone:
            run = await stone.materialize_all(crashy.last, "2025-01-15")
            note = ""
            for _ in range(200):
                note = (await run.progress()).note
                if note:
                    break
                await asyncio.sleep(0.1)
            assert note == (
                "No worker of 'narrow' that answered has the asset 'last'; "
                "start one that has it."
            )

            workers.append(WorkerProcess("tests.apps.crashy:app", tmp_path, told))
            assert await run.result() == crashy.MADE
            made = query(postgres_url, "SELECT count(*) FROM flowstone_versions")
            assert made == [(5,)]
    finally:
        for worker in workers:
            worker.end()


def test_what_is_not_built_yet_is_refused() -> None:
    """A decorator or keyword whose work is not built is refused, never ignored."""
    with pytest.raises(NotSupported, match="@scatter is not supported yet"):
        scatter(max_concurrent=4)
    with pytest.raises(NotSupported, match="queue="):
        asset(queue="gpu")(orders.function)


def test_a_name_that_no_parameter_can_have_is_refused() -> None:
    """An asset must be named as its readers can write it."""
    with pytest.raises(DefinitionError, match="Python identifier"):
        asset(name="not a name")(orders.function)
