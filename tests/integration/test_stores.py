"""Streams into a bucket, from a worker on Temporal, while things are killed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flowstone import ConfigurationError, Flowstone, ParquetIO, SqlLedger
from flowstone.garbage import delete_garbage, find_garbage
from flowstone.io import S3IO, Stored
from flowstone.opening import close_toolbox, shared_toolbox
from flowstone.stack import S3Server
from tests.apps import stored
from tests.harness import WorkerProcess, eventually, query, upgrade

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

APP = "tests.apps.stored:app"


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Give the session's S3, named by the environment, running again after the test."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    yield s3_server
    if not s3_server.running:
        s3_server.start()


class Scene:
    """Where a run is disturbed."""

    def __init__(self, folder: Path, url: str, address: str) -> None:
        self.name = f"stored-{secrets.token_hex(4)}"
        self.folder, self.url, self.address = folder, url, address
        self.app = stored.make_app(self.name, url, self.name)

    def worker(self, **environment: str) -> WorkerProcess:
        """Start a worker, disturbed as the environment says."""
        return WorkerProcess(
            APP,
            self.folder,
            {
                "STORED_NAME": self.name,
                "STORED_PREFIX": self.name,
                "STORED_LOG": str(self.folder / "ran"),
                "TEMPORAL_ADDRESS": self.address,
                "FLOWSTONE_LEDGER_URL": self.url,
                **environment,
            },
        ).wait_ready()

    def wait_for(self, line: str) -> None:
        """Wait until a function got so far."""
        log = self.folder / "ran"
        eventually(
            lambda: log.exists() and line in log.read_text().splitlines(),
            within=60,
            what=line,
        )

    def versions(self) -> dict[str, Stored]:
        """Give what the ledger knows, by asset: one version of each."""
        rows = query(
            self.url,
            "SELECT asset, location, size FROM flowstone_versions WHERE asset LIKE %s",
            f"{self.name}/%",
        )
        found = {
            str(asset).partition("/")[2]: Stored(
                location=str(location), bytes=int(str(size)), digest="", facts={}
            )
            for asset, location, size in rows
        }
        assert len(found) == len(rows)
        return found

    def orphans(self) -> list[str]:
        """Give what is in the bucket, and in no version."""
        known = {version.location for version in self.versions().values()}
        with closing(S3IO("flowstone", prefix=self.name)) as everything:
            return [at for at, _ in everything.list_locations() if at not in known]

    def sweep(self) -> None:
        """Collect what is nobody's."""
        toolbox = shared_toolbox(self.app)
        try:
            found = find_garbage(toolbox)
            delete_garbage(toolbox, found, actor="a test")
            assert found.problems == {}
        finally:
            close_toolbox(toolbox)


@pytest.fixture
def scene(
    tmp_path: Path,
    postgres_url: str,
    temporal_address: str,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    """Give a place for a run, with the ledger's tables."""
    upgrade(postgres_url)
    monkeypatch.setenv("STORED_LOG", str(tmp_path / "ran"))
    return Scene(tmp_path, postgres_url, temporal_address)


async def _run(scene: Scene, disturb: Callable[[], None], **environment: str) -> int:
    doomed = await asyncio.to_thread(lambda: scene.worker(**environment))
    workers = [doomed]
    try:
        async with scene.app.connect(scene.address) as stone:
            run = await stone.materialize_all(stored.length)
            await asyncio.to_thread(disturb)
            if "STORED_KILL_AT" in environment:
                await asyncio.to_thread(doomed.wait_killed)
                workers.append(await asyncio.to_thread(scene.worker))
            result = await run.result()
            assert isinstance(result, int)
            return result
    finally:
        for worker in workers:
            worker.end()


async def test_streams_into_a_bucket(scene: Scene) -> None:
    """Batches and a file go through a bucket, each as one version, and nothing else."""
    assert await _run(scene, lambda: None) == stored.MADE
    assert set(scene.versions()) == {"numbers", "table", "total", "file", "length"}
    assert scene.versions()["table"].location.endswith(".parquet")
    assert scene.orphans() == []


@pytest.mark.parametrize("line", ["numbers 55", "table 55", "length"])
async def test_a_worker_that_is_killed_in_a_stream(scene: Scene, line: str) -> None:
    """Another worker makes the value anew; of the first one no half is ever seen."""
    assert await _run(scene, lambda: None, STORED_KILL_AT=line) == stored.MADE
    assert len(scene.versions()) == 5
    for orphan in scene.orphans():
        # found by listing, and by nobody else; a file may have been whole by then
        assert "?uploadId=" in orphan or line == "length"
    await asyncio.to_thread(scene.sweep)
    assert scene.orphans() == []
    assert len(scene.versions()) == 5


@pytest.mark.parametrize("line", ["numbers 50", "table 50"])
async def test_a_bucket_that_goes_away_in_a_stream(
    scene: Scene, s3: S3Server, line: str
) -> None:
    """When the store is killed in an upload, the run goes on when it is back."""

    def disturb() -> None:
        scene.wait_for(line)
        s3.kill()
        s3.start()

    assert await _run(scene, disturb, STORED_SLOW_AT=line) == stored.MADE
    assert len(scene.versions()) == 5
    for orphan in scene.orphans():
        assert "?uploadId=" in orphan


async def test_what_a_bucket_lacks_is_told_at_the_start(
    postgres_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app on a bucket without a name, or on a folder, is refused when it connects."""
    monkeypatch.delenv("FLOWSTONE_S3_BUCKET", raising=False)
    upgrade(postgres_url)
    app = Flowstone(
        "untold",
        stored.app.pipeline,
        io={"default": S3IO(), "lake": ParquetIO("lake")},
        ledger=SqlLedger(postgres_url),
    )
    with pytest.raises(ConfigurationError) as caught:
        await app.connect(temporal_address)
    told = str(caught.value)
    assert "'default': No bucket is named" in told
    assert "'lake' (ParquetIO) keeps its values in one process" in told
    with pytest.raises(ConfigurationError, match="set FLOWSTONE_S3_BUCKET"):
        await app.local()
