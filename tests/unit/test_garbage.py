"""What attempts leave behind is found by what became of them, and by nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from flowstone import Client, Flowstone, IOManager, MemoryIO, SqlLedger
from flowstone.garbage import Found, delete_garbage, find_garbage
from flowstone.ledger.ids import new_id
from flowstone.steps.toolbox import Toolbox
from tests.apps.shelf import PIPELINE, ShelfIO, failing, good, slow, waiting


@dataclass
class Place:
    """An app that is open, and what it runs on."""

    stone: Client
    shelf: ShelfIO
    toolbox: Toolbox

    def attempts(self, asset: str) -> Sequence[str]:
        """Give the attempts at an asset, the first one first."""
        query = text(
            "SELECT id FROM flowstone_attempts WHERE asset = :asset ORDER BY id"
        )
        with self.toolbox.ledger.database.reading() as conn:
            found = conn.execute(query, {"asset": f"shelf/{asset}"}).scalars()
            return [str(one) for one in found]

    def leave(self, asset: str, attempt: str | None = None) -> str:
        """Leave what an attempt would have written; give its location."""
        wrote = attempt or self.attempts(asset)[-1]
        return self.shelf.put(f"shelf/{asset}/{wrote}", b"42")

    def find(self) -> Found:
        """Look through everything."""
        return find_garbage(self.toolbox)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Give an app of one process, whose ledger is on either database."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    if request.param == "postgres":
        url = cast("str", request.getfixturevalue("postgres_url"))
    ledger, shelf = SqlLedger(url), ShelfIO(tmp_path / "shelf")
    app = Flowstone("shelf", PIPELINE, ledger=ledger, io={"default": shelf})
    async with app.local() as stone:
        toolbox = Toolbox(
            name="shelf",
            pipeline=PIPELINE,
            ledger=ledger,
            io={"default": shelf, "memory": MemoryIO()},
            keys={},
        )
        yield Place(stone, shelf, toolbox)


async def test_what_a_version_names_is_kept(place: Place) -> None:
    """Values that were made stay, those that are no longer read too."""
    for _ in range(2):
        await (await place.stone.materialize(good, policy="always")).result()
    await place.stone.invalidate(good)

    found = place.find()

    assert found.garbage == []
    assert found.kept == 2


async def test_what_a_failed_attempt_left_is_garbage(place: Place) -> None:
    """An object whose attempt ended without a version is found, with why."""
    run = await place.stone.materialize(failing, "eu")
    await run.wait()
    location = place.leave("failing")

    [one] = place.find().garbage

    assert (one.location, one.bytes, one.io) == (location, 2, "default")
    assert (one.asset, one.key, one.run) == ("failing", "eu", run.id)
    assert one.why == "its attempt ended as failed"


async def test_what_is_being_made_is_kept_until_its_run_is_closed(place: Place) -> None:
    """The object of an attempt that goes on is kept; once its run has ended, it is not."""
    run = await place.stone.materialize(slow)
    await _until(lambda: place.attempts("slow"))
    location = place.leave("slow")
    assert (place.find().garbage, place.find().kept) == ([], 1)

    await run.cancel()
    await run.wait()

    [one] = place.find().garbage
    assert one.location == location


async def test_what_waits_at_a_gate_is_kept_until_its_run_is_closed(
    place: Place,
) -> None:
    """What a gate refers to stays for as long as it may be answered."""
    run = await place.stone.materialize(waiting)
    await _until_async(place.stone.gates.list)
    location = place.leave("waiting")
    assert (place.find().garbage, place.find().kept) == ([], 1)

    await run.cancel()
    await run.wait()

    [one] = place.find().garbage
    assert one.location == location
    assert one.why == "its run ended as cancelled"


async def test_what_nobody_wrote_is_reported_and_left(place: Place) -> None:
    """An object without an attempt is a stranger: told, never deleted."""
    await (await place.stone.materialize(failing)).wait()
    garbage = place.leave("failing")
    unknown = place.leave("good", new_id())
    nameless = place.shelf.put("shelf/notes.txt", b"mine")

    found = place.find()
    delete_garbage(place.toolbox, found, actor="ann")

    assert [one.location for one in found.garbage] == [garbage]
    assert found.strangers == [("default", unknown), ("default", nameless)]
    assert found.deleted == 1
    assert {location for location, _ in place.shelf.list_locations()} == {
        unknown,
        nameless,
    }


async def test_a_version_keeps_its_location_whoever_wrote_it(place: Place) -> None:
    """Where a version was made of what another attempt wrote, that stays."""
    await (await place.stone.materialize(good)).result()
    await (await place.stone.materialize(failing)).wait()
    [made], [failed] = place.attempts("good"), place.attempts("failing")

    judge = place.toolbox.ledger.litter.judge
    judged = judge("shelf", {f"shelf:shelf/good/{made}": failed, "elsewhere": failed})

    verdicts = {where: one.verdict for where, one in judged.items() if one}
    assert verdicts == {f"shelf:shelf/good/{made}": "kept", "elsewhere": "litter"}


async def test_what_is_another_apps_is_left_to_it(place: Place) -> None:
    """An attempt of another app that shares the ledger is neither kept nor garbage."""
    await (await place.stone.materialize(failing)).wait()
    [failed] = place.attempts("failing")

    judged = place.toolbox.ledger.litter.judge("other", {"there": failed})["there"]

    assert judged is not None
    assert judged.verdict == "foreign"


async def test_deleting_is_told_and_written_down(place: Place) -> None:
    """What cannot be deleted is told with why; what is gone is in the audit log."""
    for key in ("eu", "us"):
        await (await place.stone.materialize(failing, key)).wait()
    first, second = place.attempts("failing")
    gone = place.leave("failing", first)
    stuck = place.shelf.put(f"shelf/stuck/{second}", b"abc")

    found = place.find()
    delete_garbage(place.toolbox, found, actor="ann")

    assert found.bytes == 5
    assert found.deleted == 1
    assert list(found.problems) == [stuck]
    assert found.problems[stuck].startswith("PermissionError: ")
    assert [one.location for one in place.find().garbage] == [stuck]
    assert gone not in dict(place.shelf.list_locations())
    [line] = await place.stone.audit.list(subject="shelf", limit=1)
    assert (line.actor, line.action) == ("ann", "litter.delete")
    assert json.loads(line.data) == {"objects": 1, "bytes": 2}


async def test_a_manager_that_cannot_tell_is_named(place: Place) -> None:
    """Managers that cannot list what they keep are told, and left alone."""

    class Silent:
        def store(self, value: object, at: object) -> None: ...
        def load(self, at: object, want: object) -> None: ...
        def delete(self, at: object) -> None: ...

    class Broken(ShelfIO):
        def list_locations(self, prefix: str = "") -> Iterator[tuple[str, int]]:
            raise OSError("the share is asleep")

    managers = {"silent": Silent(), "broken": Broken()}
    place.toolbox.io = cast("Mapping[str, IOManager]", managers)

    found = place.find()

    assert found.silent == ["silent"]
    assert found.problems == {"broken": "OSError: the share is asleep"}


async def _until(check: Callable[[], object]) -> None:
    while not check():
        await asyncio.sleep(0.01)


async def _until_async(check: Callable[[], Awaitable[object]]) -> None:
    while not await check():
        await asyncio.sleep(0.01)
