"""Decisions at the endpoint: of those who are known, once, whatever they ask for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from flowstone import Approval, Client, ConfigurationError, Flowstone, Pipeline, asset
from flowstone.console import Options, serving
from flowstone.settings import Settings
from tests.unit.console.posting import Reply, post, send

ADA, BOB = "a token of ada alone", "a token of bob alone"
ACTORS = {"ada": ADA, "bob": BOB}


@asset
def draft() -> int:
    return 1


@asset
def report(draft: int) -> Approval[int]:
    return Approval(draft, message="look at it")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """An approval that waits, and the endpoints at which it is decided."""

    stone: Client
    urls: list[str]
    ids: list[str]

    async def decide(
        self, word: str, payload: object = None, *, token: str = ADA, at: int = 0
    ) -> Reply:
        """Decide what waits, or waited."""
        id_ = self.ids[0]
        url = f"{self.urls[at]}/approvals/{id_}/{word}"
        return await post(url, payload or {}, Authorization=f"Bearer {token}")


@asynccontextmanager
async def desk(options: Options | None = None, many: int = 1) -> AsyncGenerator[Desk]:
    async with AsyncExitStack() as stack:
        app = Flowstone("decided", Pipeline(draft, report))
        stone = await stack.enter_async_context(app.local())
        told = options or Options(actors=ACTORS, rate=1_000_000)
        urls = [
            await stack.enter_async_context(serving(stone, options=told))
            for _ in range(many)
        ]
        await stone.materialize_all(report)
        while not (found := await stone.approvals.list()):
            await asyncio.sleep(0.01)
        yield Desk(stone=stone, urls=urls, ids=[entry.id for entry in found])


async def test_of_fifty_decisions_at_two_endpoints_one_wins() -> None:
    """Whoever is second learns at once who was first."""
    async with desk(many=2) as at:
        words = ("approve", "reject")
        replies = await asyncio.gather(
            *(
                at.decide(words[n % 2], token=(ADA, BOB)[n // 2 % 2], at=n % 2)
                for n in range(50)
            )
        )
        audited = [e for e in await at.stone.audit.list() if "approval." in e.action]

    assert Counter(reply.status for reply in replies) == {200: 1, 409: 49}
    [won] = [reply.data for reply in replies if reply.status == 200]
    assert won["winner"] in {f"{d} by {a}" for d in _PAST for a in ACTORS}
    lost = {reply.data["error"] for reply in replies if reply.status == 409}
    assert len(lost) == 1
    assert won["winner"] in lost.pop()
    assert len(audited) == 1


_PAST = ("approved", "rejected")


async def test_who_decides_is_whom_the_token_names() -> None:
    """The audit has a name that no request can choose."""
    async with desk() as at:
        [listed] = (
            await post_get(f"{at.urls[0]}/approvals", Authorization=f"Bearer {BOB}")
        ).data
        decided = await at.decide("approve", {"comment": "fine", "edits": 5}, token=BOB)
        run = await at.stone.runs.get(listed["run_id"])
        value = await run.result()

    assert (listed["asset"], listed["partition"]) == ("report", "-")
    assert (listed["message"], listed["state"]) == ("look at it", "pending")
    assert (decided.status, decided.data["winner"]) == (200, "approved by bob")
    assert (decided.data["comment"], decided.data["edited"]) == ("fine", True)
    assert value == 5


@pytest.mark.parametrize("shown", ["", f"Basic {ADA}", "Bearer nobody's", "Bearer "])
async def test_a_stranger_decides_nothing(shown: str) -> None:
    """Who shows no good token is told so, and nothing else."""
    async with desk() as at:
        url = f"{at.urls[0]}/approvals"
        decided = await post(f"{url}/{at.ids[0]}/approve", {}, Authorization=shown)
        listed = await post_get(url, Authorization=shown)
        waiting = await at.stone.approvals.list()

    assert (decided.status, listed.status) == (401, 401)
    assert decided.headers["www-authenticate"] == "Bearer"
    assert len(waiting) == 1


@pytest.mark.parametrize(
    ("word", "payload", "status", "said"),
    [
        ("approve", {"edits": "five"}, 422, "int"),
        ("approve", {"actor": "bob"}, 400, "it takes comment, edits"),
        ("approve", {"edits": None}, 400, '{"edits": null} is not what this takes'),
        ("approve", ["fine"], 400, "a JSON object"),
        ("approve", b"{", 400, "Expecting"),
        ("escalate", {}, 422, "takes the name of who is to decide"),
        ("publish", {}, 404, "not found"),
        ("recompute", {"comment": "again"}, 400, "it takes nothing"),
    ],
)
async def test_what_cannot_be_decided_is_refused(
    word: str, payload: object, status: int, said: str
) -> None:
    """It is said what is wrong, and the approval waits as before."""
    async with desk() as at:
        reply = await at.decide(word, payload)
        waiting = await at.stone.approvals.list()

    assert reply.status == status
    assert said in reply.data["error"]
    assert len(waiting) == 1


async def test_a_page_of_another_site_decides_nothing() -> None:
    """What a browser posts by itself is no JSON, and is refused whoever it is."""
    async with desk() as at:
        url = f"{at.urls[0]}/approvals/{at.ids[0]}/approve"
        shown = {"Authorization": f"Bearer {ADA}", "Content-Type": "text/plain"}
        reply = await asyncio.to_thread(send, url, b"{}", headers=shown)
        waiting = await at.stone.approvals.list()

    assert (reply.status, len(waiting)) == (415, 1)


async def test_an_approval_that_never_was_is_unknown() -> None:
    """An id that names nothing is a 404."""
    async with desk() as at:
        url = f"{at.urls[0]}/approvals/0123456789abcdef.1/approve"
        reply = await post(url, {}, Authorization=f"Bearer {ADA}")

    assert reply.status == 404


async def test_a_decision_is_bounded_and_limited() -> None:
    """One that is too large is not read; who asks too often has to wait."""
    options = Options(actors=ACTORS, max_bytes=64, rate=2)
    async with desk(options) as at:
        large = await at.decide("reject", {"reason": "x" * 100})
        again = [(await at.decide("reject", {})).status for _ in range(3)]

    assert large.status == 413
    assert 429 in again


async def test_without_actors_there_are_no_decisions() -> None:
    """An endpoint that knows nobody has no such paths."""
    async with desk(Options()) as at:
        reply = await at.decide("approve")

    assert reply.status == 404


def test_actors_are_read_from_the_environment() -> None:
    """Each has a name and a token that is not short; they are shown by name alone."""
    variable = "FLOWSTONE_SERVE_ACTORS"
    said = {variable: f"ada:{ADA}, bob:{BOB}"}

    assert Settings.from_env(said).serve_actors == ACTORS
    [shown] = [s for s in Settings.shown(environ=said) if s.name == variable]
    assert shown.value == "ada, bob"
    with pytest.raises(ConfigurationError, match="pair 2 is none"):
        Settings.from_env({variable: f"ada:{ADA},bob:short"})


async def post_get(url: str, **headers: str) -> Reply:
    return await asyncio.to_thread(send, url, method="GET", headers=headers)
