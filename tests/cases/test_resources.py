"""Resources: what assets share, opened once and closed at the end, in this process."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from flowstone import (
    AssetFailed,
    ConfigurationError,
    Context,
    Flowstone,
    Pipeline,
    Resource,
    ResourceUnavailable,
    Retry,
    Signal,
    asset,
)

SECRET = "correct-horse"
Log = list[str]


@dataclass
class Dummy:
    """A resource that opens as a value; it is no subclass of anything."""

    value: object
    log: Log = field(default_factory=list[str])
    name: str = "dummy"

    def open(self) -> object:
        self.log.append(f"open {self.name}")
        return self.value

    def close(self) -> None:
        self.log.append(f"close {self.name}")


class Refusing(Resource):
    """A resource that refuses as often as it is told, and then opens."""

    def __init__(self, times: int, error: BaseException | None = None) -> None:
        self.left = times
        self.tries = 0
        self._error = error or ConnectionRefusedError("connection_refused")

    def open(self) -> str:
        self.tries += 1
        if self.left:
            self.left -= 1
            raise self._error
        return "open at last"


class Pool(Resource):
    """A resource that belongs to a loop, and is what assets get itself."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.closed_on: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        await asyncio.sleep(0)
        self.loop = asyncio.get_running_loop()

    async def close(self) -> None:
        self.closed_on = asyncio.get_running_loop()


@asset(resources=["dummy"])
def one(ctx: Context) -> object:
    return ctx.resources["dummy"]


@asset(resources=["failing"])
def stranded(ctx: Context) -> object:
    return ctx.resources["failing"]


@asset(resources=["pool"])
async def pooled(ctx: Context) -> bool:
    return ctx.resources["pool"].loop is asyncio.get_running_loop()


@asset
def plain(ctx: Context) -> list[str]:
    return sorted(ctx.resources)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two attempts be enough."""
    monkeypatch.setenv("FLOWSTONE_RESOURCE_ATTEMPTS", "2")


async def test_an_asset_gets_what_open_gave() -> None:
    """What `open` returned is what an asset finds under the name (RES-01)."""
    app = Flowstone("shop", Pipeline(one), resources={"dummy": Dummy(42)})

    async with app.local() as stone:
        assert await (await stone.materialize(one)).result() == 42
        assert (await stone.health())["dummy"].state == "ok"


async def test_a_resource_that_opens_as_nothing_is_given_itself() -> None:
    """Where `open` returns nothing, assets get the resource; so does what has none."""
    found: list[object] = []

    @asset(resources=["pool", "limit"])
    async def looking(ctx: Context) -> int:
        found.append(ctx.resources["pool"])
        return ctx.resources["limit"]

    pool = Pool()
    app = Flowstone("shop", Pipeline(looking), resources={"pool": pool, "limit": 7})
    async with app.local() as stone:
        assert await (await stone.materialize(looking)).result() == 7
    assert found == [pool]


async def test_one_that_fails_harms_only_those_that_ask_for_it() -> None:
    """A resource that does not open fails its own assets alone (RES-03)."""
    resources = {"dummy": Dummy(100), "failing": Refusing(99)}
    app = Flowstone("shop", Pipeline(one, stranded), resources=resources)

    async with app.local() as stone:
        good = await stone.materialize(one)
        bad = await (await stone.materialize(stranded)).wait()

        assert await good.result() == 100
        assert isinstance(bad.error, ResourceUnavailable)
        assert bad.error.resource == "failing"
        assert bad.error.error_type == "ConnectionRefusedError"
        assert bad.error.error == "connection_refused"
        assert not (await stone.health()).healthy


async def test_a_failed_setup_is_an_event() -> None:
    """Each attempt that a resource kept from its function is recorded (RES-04)."""
    app = Flowstone("shop", Pipeline(stranded), resources={"failing": Refusing(99)})

    async with app.local() as stone:
        run = await stone.materialize(stranded)
        await run.wait()
        events = await run.events()

    found = [e for e in events if e.name == "flowstone.resources.setup_failed"]
    assert [e.outcome for e in found] == ["unavailable"] * 2
    assert {e.data["resource"] for e in found} == {"failing"}
    assert found[0].data["error"] == "ConnectionRefusedError: connection_refused"


async def test_an_asset_gets_what_it_asked_for_and_no_more() -> None:
    """A context has the named ones of all that the app has; without a name, none.

    RES-06, RES-08.
    """
    names: list[list[str]] = []

    @asset(resources=["database", "ml_client"])
    def asking(ctx: Context) -> int:
        names.append(sorted(ctx.resources))
        with pytest.raises(KeyError, match="was not asked for"):
            ctx.resources["cache"]
        return len(ctx.resources)

    log: Log = []
    resources = {n: Dummy(1, log, n) for n in ("cache", "database", "ml_client")}
    app = Flowstone("shop", Pipeline(asking, plain), resources=resources)
    async with app.local() as stone:
        assert await (await stone.materialize(asking)).result() == 2
        assert await (await stone.materialize(plain)).result() == []
    assert names == [["database", "ml_client"]]
    assert "open cache" not in log
    assert Context(asset="by_hand").resources == {}


async def test_a_resource_reads_its_surroundings_when_it_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment counts as it is at the opening, however deep it is named (RES-09)."""
    import os

    @dataclass
    class FromEnvironment(Resource):
        config: dict[str, dict[str, str]]

        def open(self) -> str:
            return os.environ[self.config["pool"]["url"]]

    resource = FromEnvironment({"pool": {"url": "TEST_WAREHOUSE"}})
    app = Flowstone("shop", Pipeline(one), resources={"dummy": resource})
    monkeypatch.setenv("TEST_WAREHOUSE", "set later")

    async with app.local() as stone:
        assert await (await stone.materialize(one)).result() == "set later"


async def test_health_tells_what_a_resource_says_of_itself() -> None:
    """A resource is healthy, or tells by a text, `False` or an error why not (RES-10)."""

    class Says(Resource):
        def __init__(self, say: Callable[[], object]) -> None:
            self._say = say

        def healthy(self) -> object:
            return self._say()

    async def slowly() -> str:
        await asyncio.sleep(0)
        return "the pool is empty"

    def broken() -> object:
        raise OSError(f"cannot reach https://me:{SECRET}@host")

    resources = {
        "well": Says(lambda: True),
        "silent": Says(lambda: None),
        "sick": Says(lambda: "its disk is full"),
        "worse": Says(lambda: False),
        "broken": Says(broken),
        "later": Says(slowly),
        "value": 7,
    }
    app = Flowstone("shop", Pipeline(plain), resources=resources)
    async with app.local() as stone:
        health = await stone.health()

    said = {c.name: (c.state, c.problem) for c in health if c.kind == "resource"}
    assert said == {
        "well": ("ok", ""),
        "silent": ("ok", ""),
        "sick": ("failing", "its disk is full"),
        "worse": ("failing", "it says that it is not healthy"),
        "broken": ("failing", "OSError: cannot reach https://me:***@host"),
        "later": ("failing", "the pool is empty"),
        "value": ("ok", ""),
    }
    assert all(c.latency is not None for c in health if c.kind == "resource")


async def test_a_test_replaces_a_resource_for_as_long_as_the_app_is_open() -> None:
    """What `local` replaces is replaced in this opening alone (RES-11)."""
    log: Log = []
    app = Flowstone("shop", Pipeline(one), resources={"dummy": Dummy("real", log)})

    async with app.local(resources={"dummy": "fake"}) as stone:
        assert await (await stone.materialize(one)).result() == "fake"
    async with app.local() as stone:
        assert await (await stone.materialize(one)).result() == "real"
    assert log == ["open dummy", "close dummy"]


async def test_an_attempt_without_its_resource_is_not_the_users() -> None:
    """Attempts are not used up by a resource; the error has its setup's (RES-12)."""
    attempts: list[int] = []

    @asset(resources=["failing"], retry=Retry(attempts=1))
    def patient(ctx: Context) -> object:
        attempts.append(ctx.attempt)
        return ctx.resources["failing"]

    # One opening tries three times: the first attempt fails, the second does not.
    late, never = Refusing(3), Refusing(99)
    app = Flowstone("shop", Pipeline(patient), resources={"failing": late})
    async with app.local() as stone:
        assert await (await stone.materialize(patient)).result() == "open at last"
    assert attempts == [1]

    async with app.local(resources={"failing": never}) as stone:
        outcome = await (await stone.materialize(patient)).wait()
    assert attempts == [1]
    assert never.tries == 6
    assert isinstance(outcome.error, ResourceUnavailable)
    assert outcome.error.attempts == 2
    assert "raise self._error" in outcome.error.details
    assert str(outcome.error) == (
        "'patient' was not called: its resource 'failing' did not open in 2 attempts: "
        "ConnectionRefusedError: connection_refused. `flowstone doctor` tells how it "
        "is now."
    )


async def test_once_for_all_assets_and_closed_in_reverse() -> None:
    """A resource opens when it is first asked for, once, and closes last in first out."""
    log: Log = []

    @asset(resources=["first"])
    def first(ctx: Context) -> int:
        return 1

    @asset(resources=["second", "first"])
    def second(first: int, ctx: Context) -> int:
        return 2

    resources = {n: Dummy(n, log, n) for n in ("unused", "second", "first")}
    app = Flowstone("shop", Pipeline(first, second), resources=resources)
    async with app.local() as stone:
        assert log == []
        await (await stone.materialize_all(second)).result()
        await (await stone.materialize_all(second, policy="always")).result()
        assert log == ["open first", "open second"]
    assert log[2:] == ["close second", "close first"]


async def test_many_that_ask_at_once_share_one_opening() -> None:
    """Assets that run side by side wait for the same opening."""
    opened: list[int] = []

    class Slow(Resource):
        def open(self) -> int:
            time.sleep(0.2)
            opened.append(1)
            return len(opened)

    app = Flowstone("shop", Pipeline(one), resources={"dummy": Slow()})
    async with app.local() as stone:
        run = await stone.backfill(one, range(8), max_parallel=8)
        assert (await run.result()).succeeded == 8
        assert {await stone.value(one, key) for key in range(8)} == {1}


async def test_an_async_resource_lives_on_the_loop_of_async_assets() -> None:
    """It opens and closes where `async def` assets run."""
    pool = Pool()
    app = Flowstone("shop", Pipeline(pooled), resources={"pool": pool})

    async with app.local() as stone:
        assert await (await stone.materialize(pooled)).result() is True
    assert pool.loop is pool.closed_on is not None
    assert pool.loop is not asyncio.get_running_loop()


async def test_a_companion_has_the_resources_of_its_asset() -> None:
    """What answers for an asset is lent what the asset is lent."""
    tokens: list[str] = []

    @asset(resources=["dummy"])
    def asked(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        return Signal()

    @asked.on_signal
    def answered(payload: int, ctx: Context) -> int:
        return payload + cast("int", ctx.resources["dummy"])

    app = Flowstone("shop", Pipeline(asked), resources={"dummy": Dummy(40)})
    async with app.local() as stone:
        run = await stone.materialize(asked)
        await _until(stone.gates.list)
        await stone.gates.signal(tokens[0], 2)
        assert await run.result() == 42


async def test_a_resource_that_hangs_is_waited_for_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An opening that does not end fails the attempts that wait for it, one by one."""
    monkeypatch.setenv("FLOWSTONE_RESOURCE_TIMEOUT", "0.3")
    let_go = threading.Event()

    class Hanging(Resource):
        def open(self) -> None:
            let_go.wait(20)

    app = Flowstone("shop", Pipeline(one), resources={"dummy": Hanging()})
    async with app.local() as stone:
        outcome = await (await stone.materialize(one)).wait()
        let_go.set()
    assert isinstance(outcome.error, ResourceUnavailable)
    assert outcome.error.error == "it did not open within 0.3 s"


async def test_a_cancelled_run_does_not_wait_for_a_resource() -> None:
    """Cancelling reaches an asset that is not called yet, because a resource is slow."""
    let_go = threading.Event()

    class Slow(Resource):
        def open(self) -> None:
            let_go.wait(20)

    app = Flowstone("shop", Pipeline(one), resources={"dummy": Slow()})
    async with app.local() as stone:
        run = await stone.materialize(one)
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await run.cancel()
        assert (await run.wait()).status == "cancelled"
        assert time.monotonic() - began < 10
        let_go.set()


async def test_a_resource_that_cannot_close_keeps_no_other_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What `close` raises is logged without its secrets, and the others close."""
    log: Log = []

    class Stuck(Resource):
        def close(self) -> None:
            raise OSError(f"postgresql://me:{SECRET}@host/db is gone")

    @asset(resources=["dummy", "stuck"])
    def both(ctx: Context) -> int:
        return 1

    resources = {"dummy": Dummy(1, log), "stuck": Stuck()}
    app = Flowstone("shop", Pipeline(both), resources=resources)
    with caplog.at_level(logging.WARNING, logger="flowstone"):
        async with app.local() as stone:
            await (await stone.materialize(both)).result()

    assert log == ["open dummy", "close dummy"]
    assert "resource 'stuck' does not close" in caplog.text
    assert SECRET not in caplog.text


async def test_what_a_resource_is_shows_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither a representation, nor an error, an event or a log has its secrets."""

    @dataclass
    class Warehouse(Resource):
        url: str

        def open(self) -> None:
            raise OSError(f"could not connect to {self.url}: password={SECRET}")

    shown: list[str] = []

    @asset(resources=["dummy"])
    def looking(ctx: Context) -> int:
        shown.extend((repr(ctx), str(ctx.resources)))
        return 1

    url = f"postgresql://me:{SECRET}@warehouse/db"
    resources = {"dummy": Dummy(Warehouse(url)), "failing": Warehouse(url)}
    app = Flowstone("shop", Pipeline(looking, stranded), resources=resources)
    with caplog.at_level(logging.DEBUG):
        async with app.local() as stone:
            await (await stone.materialize(looking)).result()
            run = await stone.materialize(stranded)
            outcome = await run.wait()
            shown.append(repr(await run.events()))
            shown.append(str((await stone.health()).to_data()))
    assert outcome.error is not None
    shown += [repr(app), str(outcome.error), str(outcome.error.to_data()), caplog.text]

    assert any("<resources dummy>" in text for text in shown)
    assert any("***" in text for text in shown)
    assert [text for text in shown if SECRET in text] == []


def test_an_app_tells_all_that_is_wrong_with_resources() -> None:
    """Unknown names, classes and async resources of sync assets are told at once."""

    @asset(resources=["dumy"])
    def mistyped(ctx: Context) -> int:
        return 1

    @asset(resources=["pool"])
    def sync(ctx: Context) -> int:
        return 1

    @asset(resources=["pool"])
    async def waiting(ctx: Context) -> Signal[int]:
        return Signal()

    @waiting.on_signal
    def answered(payload: int, ctx: Context) -> int:
        return payload

    with pytest.raises(ConfigurationError) as caught:
        Flowstone(
            "shop",
            Pipeline(mistyped, sync, waiting),
            resources={"dummy": Dummy, "pool": Pool()},
        )

    assert [p.partition(",")[0] for p in caught.value.problems] == [
        "The resource 'dummy' is a class: give an instance of it",
        "'mistyped' wants the resource 'dumy'",
        "'sync' is a plain def and wants the resource 'pool'",
        "'waiting.on_signal' is a plain def and wants the resource 'pool'",
    ]
    assert "Did you mean 'dummy'?" in caught.value.problems[1]


def test_what_replaces_a_resource_must_fit() -> None:
    """A replacement of nothing, or one on the wrong side, is refused at once."""
    app = Flowstone("shop", Pipeline(one), resources={"dummy": Dummy(1)})

    with pytest.raises(ConfigurationError) as caught:
        app.local(resources={"dumy": 1, "dummy": Pool()})

    assert caught.value.problems[0] == (
        "There is no resource 'dumy' to replace; the app has 'dummy'."
    )
    assert "'one' is a plain def" in caught.value.problems[1]


async def test_what_the_function_raises_is_still_its_own() -> None:
    """A function that fails with its resource open fails as any other."""

    @asset(resources=["dummy"])
    def raising(ctx: Context) -> int:
        raise ValueError(ctx.resources["dummy"])

    app = Flowstone("shop", Pipeline(raising), resources={"dummy": Dummy("no rows")})
    async with app.local() as stone:
        outcome = await (await stone.materialize(raising)).wait()
    assert isinstance(outcome.error, AssetFailed)
    assert outcome.error.error == "no rows"


async def _until(check: Callable[[], Awaitable[object]]) -> None:
    while not await check():
        await asyncio.sleep(0.01)
