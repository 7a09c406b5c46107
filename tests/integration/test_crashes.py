"""Whatever is killed or frozen, and whenever: a run ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowstone.core.partition import PartitionKey
from flowstone.stack import PostgresServer
from flowstone.testing import crash_at, freeze_at
from tests.apps import crashy
from tests.harness import WorkerProcess, eventually, query, upgrade

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("crashes"),
]

DAY_BEFORE, DAY = "2025-01-14", "2025-01-15"
KEY = PartitionKey.of(DAY).text
APP = "tests.apps.crashy:app"

KILLS: Mapping[str, Mapping[str, str]] = {
    "before-open": crash_at("open.before").environment,
    "inside-user-code": {"CRASHY_KILL_IN": "second"},
    "with-finished-uncommitted-members": crash_at("store.before").environment,
    "between-store-and-commit": crash_at("commit.before").environment,
    "between-commit-and-reply": crash_at("reply.before").environment,
    "after-commit": crash_at("commit.after").environment,
    # What is known to be short is made by the step that plans it.
    "known-inside-user-code": {"CRASHY_KILL_IN": "second"},
    "known-with-uncommitted-members": crash_at("store.before").environment,
    "known-between-commit-and-reply": crash_at("reply.before").environment,
}
FREEZES: Mapping[str, Mapping[str, str]] = {
    "before-open": freeze_at("open.before").environment,
    "inside-user-code": {"CRASHY_FREEZE_IN": "second"},
    "before-commit": freeze_at("commit.before").environment,
    "known-before-open": freeze_at("open.before").environment,
    "known-before-commit": freeze_at("commit.before").environment,
}
_AT_ONCE = 5
"""Scenes; to start more workers would take longer than to wait for their heartbeats."""


KILLED = [f"kill-{name}" for name in KILLS]
FROZEN = [f"freeze-{name}" for name in FREEZES]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a disturbed run left behind."""

    value: object
    versions: list[tuple[object, ...]]
    claims: list[tuple[object, ...]]
    attempts: list[tuple[object, ...]]
    produced: list[tuple[object, ...]]
    along: list[tuple[object, ...]]
    log: list[str]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where a disturbance takes place."""

    name: str
    url: str
    address: str
    folder: Path

    def worker(self, **environment: str) -> WorkerProcess:
        """Start a worker, disturbed as the environment says."""
        return WorkerProcess(
            APP,
            self.folder,
            {
                "CRASHY_NAME": self.name,
                "CRASHY_LOG": str(self.folder / "ran"),
                "TEMPORAL_ADDRESS": self.address,
                "FLOWSTONE_LEDGER_URL": self.url,
                **environment,
            },
        )

    async def prepare(self) -> None:
        """Have durations of all assets on record, where the scene is of known ones."""
        if "-known-" not in self.name:
            return
        worker = await asyncio.to_thread(self.worker)
        try:
            app = crashy.make_app(self.name, self.url)
            async with app.connect(self.address) as stone:
                run = await stone.materialize_all(crashy.last, DAY_BEFORE)
                await run.result()
        finally:
            worker.end()

    def wait_late(self) -> None:
        """Wait until a thawed worker has tried to commit what it had."""
        if not self.name.endswith("before-commit"):
            time.sleep(3)
            return
        late = "SELECT 1 FROM flowstone_attempts WHERE asset LIKE %s AND state = %s"
        mine = f"{self.name}/%"
        eventually(lambda: query(self.url, late, mine, "discarded"), what="its commit")

    def seen(self, value: object) -> Seen:
        """Look at what is left."""
        mine = f"{self.name}/%"
        own = (mine, KEY)
        return Seen(
            value=value,
            versions=query(
                self.url,
                "SELECT asset, count(*) FROM flowstone_versions WHERE asset LIKE %s "
                "AND key = %s GROUP BY asset ORDER BY asset",
                *own,
            ),
            claims=query(
                self.url, "SELECT * FROM flowstone_claims WHERE asset LIKE %s", mine
            ),
            attempts=query(
                self.url,
                "SELECT state, count(*) FROM flowstone_attempts WHERE asset LIKE %s "
                "AND key = %s GROUP BY state ORDER BY state",
                *own,
            ),
            produced=query(
                self.url,
                "SELECT r.pipeline || '/' || e.asset, count(*) FROM flowstone_events e "
                "JOIN flowstone_runs r ON r.id = e.run WHERE r.pipeline = %s "
                "AND e.outcome = 'produced' AND e.key = %s GROUP BY 1 ORDER BY 1",
                self.name,
                KEY,
            ),
            along=query(
                self.url,
                "SELECT asset FROM flowstone_attempts WHERE asset LIKE %s "
                "AND key = %s AND dispatch = 0",
                *own,
            ),
            log=(self.folder / "ran").read_text().split(),
        )


def one_each(name: str) -> list[tuple[object, ...]]:
    names = ["first", "last", "second", "side", "third"]
    return [(f"{name}/{asset}", 1) for asset in names]


async def killed(scene: Scene, environment: Mapping[str, str]) -> Seen:
    """Run while the worker is killed, and another one comes."""
    await scene.prepare()
    doomed = await asyncio.to_thread(lambda: scene.worker(**environment))
    workers = [doomed]
    try:
        async with crashy.make_app(scene.name, scene.url).connect(
            scene.address
        ) as stone:
            run = await stone.materialize_all(crashy.last, DAY)
            await asyncio.to_thread(doomed.wait_killed)
            workers.append(await asyncio.to_thread(scene.worker))
            return scene.seen(await run.result())
    finally:
        for worker in workers:
            worker.end()


async def frozen(scene: Scene, environment: Mapping[str, str]) -> Seen:
    """Run while the worker is frozen past its heartbeat, and thawed at the end."""
    await scene.prepare()
    doomed = await asyncio.to_thread(lambda: scene.worker(**environment))
    workers = [doomed]
    try:
        async with crashy.make_app(scene.name, scene.url).connect(
            scene.address
        ) as stone:
            run = await stone.materialize_all(crashy.last, DAY)
            await asyncio.to_thread(doomed.wait_frozen)
            workers.append(await asyncio.to_thread(scene.worker))
            value = await run.result()
            doomed.thaw()
            await asyncio.to_thread(scene.wait_late)
            again = await stone.value(crashy.last, DAY)
            assert value == again
            return scene.seen(value)
    finally:
        for worker in workers:
            worker.end()


@pytest.fixture(scope="module")
def disturbed(
    postgres: PostgresServer,
    temporal_address: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Seen]:
    """Play every scene, several at once: most of the time they wait for heartbeats."""
    url = postgres.url
    upgrade(url)
    room = asyncio.Semaphore(_AT_ONCE)

    async def play() -> dict[str, Seen]:
        found: dict[str, Seen] = {}

        async def one(kind: str, name: str, environment: Mapping[str, str]) -> None:
            scene = Scene(
                name=f"{kind}-{name}",
                url=url,
                address=temporal_address,
                folder=tmp_path_factory.mktemp(f"{kind}-{name}"),
            )
            run = killed if kind == "kill" else frozen
            async with room:
                found[scene.name] = await run(scene, environment)

        async with asyncio.TaskGroup() as group:
            for name, environment in FREEZES.items():
                group.create_task(one("freeze", name, environment))
            for name, environment in KILLS.items():
                group.create_task(one("kill", name, environment))
        return found

    return asyncio.run(play())


@pytest.mark.parametrize("when", KILLS)
def test_a_killed_worker_changes_nothing(disturbed: dict[str, Seen], when: str) -> None:
    """A run whose worker is killed ends with one version of each asset (EXE-16)."""
    seen = disturbed[f"kill-{when}"]

    assert seen.value == crashy.MADE
    assert seen.versions == one_each(f"kill-{when}")
    assert seen.claims == []


@pytest.mark.parametrize("when", FREEZES)
def test_a_thawed_worker_is_too_late(disturbed: dict[str, Seen], when: str) -> None:
    """A worker that was frozen past its heartbeat commits nothing when it is thawed."""
    seen = disturbed[f"freeze-{when}"]

    assert seen.value == crashy.MADE
    assert seen.versions == one_each(f"freeze-{when}")
    assert seen.claims == []


@pytest.mark.parametrize("scene", [*KILLED, *FROZEN])
def test_each_value_is_told_of_once(disturbed: dict[str, Seen], scene: str) -> None:
    """What is recorded as made was made: once for each asset, never for a late worker."""
    assert disturbed[scene].produced == one_each(scene)


@pytest.mark.parametrize("scene", [*KILLED, *FROZEN])
def test_what_is_known_was_begun_with_its_plan(
    disturbed: dict[str, Seen], scene: str
) -> None:
    """The scenes of known durations disturb the step that plans; the others do not.

    Who is disturbed before it has planned has begun nothing, and does not when it is
    thawed: whoever has planned meanwhile leaves it to the flow.
    """
    begun = "-known-" in scene and not scene.endswith("before-open")
    assert bool(disturbed[scene].along) == begun


def test_what_a_thawed_worker_had_made_is_discarded(
    disturbed: dict[str, Seen],
) -> None:
    """The late commit of a thawed worker is refused, and its attempts say so."""
    seen = disturbed["freeze-before-commit"]

    assert "discarded" in {state for state, _ in seen.attempts}
