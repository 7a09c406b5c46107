"""The cases of signal gates, of their tokens and of their endpoint."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowstone import (
    AlreadyDecided,
    AssetFailed,
    BadPayload,
    BadToken,
    Client,
    ConfigurationError,
    Context,
    Flowstone,
    NotAllowed,
    Pipeline,
    Refused,
    Retry,
    RunClosed,
    Secrets,
    Signal,
    SqlLedger,
    UnknownDelivery,
    asset,
)
from flowstone.console import Options, serving
from flowstone.core.token import derive_token, gate_id, read_token
from tests.unit.console.posting import post

NEW, OLD = b"a secret that is new", b"a secret that is old"
HOUR = timedelta(hours=1)
BASE = "https://api.example.com"


async def opened(stone: Client, many: int = 1) -> None:
    while len(await stone.gates.list()) < many:
        await asyncio.sleep(0.01)


# --- tokens -------------------------------------------------------------------------


def test_a_token_that_is_not_ours_is_refused() -> None:
    """Changed, cut, of no form or of an unknown key: each is bad, and says no more (GAT-03)."""
    gate = gate_id("run", 0, 0)
    token = derive_token(gate, {"k": NEW})
    version, key, _, mac = token.split(".")
    other = gate_id("run", 1, 0)
    bad = (
        *("invalid", "no.dots", "", "....", token[:-1], f"{token}.", f"{token}A"),
        *(f"{version}.{key}.{other}.{mac}", f"{version}.x.{gate}.{mac}", "é" * 60),
        derive_token(gate, {"k": OLD}),
    )

    assert read_token(token, {"k": NEW}) == gate
    for one in bad:
        with pytest.raises(BadToken) as refused:
            read_token(one, {"k": NEW})
        assert str(refused.value) == str(BadToken())


def test_tokens_are_equal_where_their_gates_are() -> None:
    """A gate's token is always the same one, and no other's (GAT-04)."""
    keys = {"k": NEW}
    gates = {
        gate_id(run, node, key, item)
        for run in ("a", "b")
        for node in (0, 1)
        for key in (0, 1)
        for item in (-1, 0)
    }

    assert len({derive_token(gate, keys) for gate in gates}) == len(gates) == 16
    assert derive_token("g", keys) == derive_token("g", keys)


def test_a_token_is_safe_in_a_url() -> None:
    """Whatever the keys and gates, nothing in a token is to be escaped (GAT-13)."""
    for number in range(200):
        gate = gate_id(f"report.v1.{number}/ä", 0, 0)
        token = derive_token(gate, {"k1": NEW})
        url = f"{BASE}/hooks/flowstone/signal/{token}"

        assert urlsplit(url).path.rpartition("/")[2] == token
        assert set(token) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
        )
        assert read_token(token, {"k1": NEW}) == gate


@pytest.mark.parametrize("key", ["", "x" * 257, "nul\0"])
def test_an_id_of_the_world_is_bounded(key: str) -> None:
    """An id that is empty, longer than 256 characters or no text is refused (GAT-13)."""
    with pytest.raises(ValueError, match="1 to 256 characters"):
        Signal(key=key)


def test_tokens_want_a_secret_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, an app that waits for signals does not start (GAT-12)."""
    monkeypatch.delenv("FLOWSTONE_SIGNING_KEYS", raising=False)
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", "postgresql://nobody@127.0.0.1:1/none")

    @asset
    def waits() -> int | Signal[int]:
        return 1

    async def connect() -> None:
        async with Flowstone("t", Pipeline(waits)).connect("127.0.0.1:1"):
            pass

    with pytest.raises(ConfigurationError, match="set FLOWSTONE_SIGNING_KEYS"):
        asyncio.run(connect())


def test_keys_are_replaced_while_tokens_are_out() -> None:
    """The first key signs, and its id is in the token; both verify, until one goes (GAT-12)."""
    secrets = Secrets.from_env(
        {"FLOWSTONE_SIGNING_KEYS": f"new:{NEW.decode()},old:{OLD.decode()}"}
    )
    keys = secrets.signing_keys
    before = derive_token("g", {"old": OLD})

    assert derive_token("g", keys).startswith("v1.new.g.")
    assert read_token(before, keys) == read_token(derive_token("g", keys), keys) == "g"
    with pytest.raises(BadToken):
        read_token(before, {"new": NEW})
    with pytest.raises(ConfigurationError, match="comes twice"):
        Secrets.from_env({"FLOWSTONE_SIGNING_KEYS": f"a:{NEW!r},a:{OLD!r}"})


# --- waiting and answering ----------------------------------------------------------


class Desk:
    """An app that waits, its tokens, and an endpoint."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.urls: list[str] = []
        self.calls: list[int] = []

    def app(self) -> Flowstone:
        @asset
        def waits(ctx: Context) -> Signal[int]:
            self.tokens.append(ctx.token)
            self.urls.append(ctx.callback_url)
            return Signal(timeout=HOUR)

        @asset
        def doubled(waits: int) -> int:
            return 2 * waits

        @asset(retry=Retry(attempts=2, delay=timedelta(0)))
        def handled(ctx: Context) -> Signal[int]:
            self.tokens.append(ctx.token)
            return Signal(timeout=HOUR)

        @handled.on_signal
        def handle(payload: int) -> int:
            self.calls.append(payload)
            if payload < 0 or len(self.calls) < 2:
                raise RuntimeError(f"call {len(self.calls)}")
            return payload

        assert handle is not None
        pipeline = Pipeline(waits, doubled, handled)
        return Flowstone("desk", pipeline, secrets=Secrets({"k": NEW}))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("FLOWSTONE_CALLBACK_URL", f"{BASE}/")
    return Desk()


async def test_a_gate_tells_how_it_stands(desk: Desk) -> None:
    """It waits with its token out and its deadline set; then it is decided (GAT-05, GAT-06)."""
    async with desk.app().local() as stone:
        run = await stone.materialize("waits")
        await opened(stone)
        [gate] = await stone.gates.list()
        await stone.gates.signal(desk.tokens[0], 4)
        await run.wait()
        events = {event.name: event for event in await run.events()}
        still = await stone.gates.list()

    assert (gate.state, gate.on_timeout, gate.payload) == ("waiting", "fail", None)
    assert gate.deadline == gate.opened_at + HOUR
    assert read_token(desk.tokens[0], {"k": NEW}) == gate.id
    waited = events["flowstone.signal_gate.signal"].data["waited_millis"]
    assert isinstance(waited, int)
    assert 0 <= waited < 30_000
    assert still == []


async def test_an_answer_is_kept_with_where_it_came_from(desk: Desk) -> None:
    """Payload, source, headers and instant are kept; a second one is refused (GAT-07)."""
    async with desk.app().local() as stone, serving(stone, options=Options()) as url:
        await stone.materialize("waits")
        await opened(stone)
        callback = f"{url}{urlsplit(desk.urls[0]).path}"
        first = await post(callback, 4, User_Agent="robot/1")
        second = await post(callback, 5)
        log = await stone.gates.deliveries()
        with pytest.raises(BadToken):
            await stone.gates.receive("invalid.token.sig", b"4")

    assert (first.status, second.status) == (200, 409)
    assert [d.outcome for d in log] == ["refused", "answered"]
    assert (log[1].payload, log[1].source) == ("4", "127.0.0.1")
    assert log[1].headers["user-agent"] == "robot/1"
    assert log[1].at is not None


async def test_a_cancelled_gate_takes_nothing(desk: Desk) -> None:
    """A token names its gate while it is open; cancelled, it is closed (GAT-08, GAT-20)."""
    async with desk.app().local() as stone:
        run = await stone.materialize("waits")
        await opened(stone)
        [gate] = await stone.gates.list()
        await run.cancel()
        await run.wait()
        with pytest.raises(RunClosed):
            await stone.gates.signal(desk.tokens[0], 4)
        told = [event.outcome for event in await run.events() if "gate" in event.data]

    assert gate.id == read_token(desk.tokens[0], {"k": NEW})
    assert told[-1] == "abandoned"


async def test_a_callback_url_is_of_the_configured_endpoint(desk: Desk) -> None:
    """It begins with the setting's address; what waits is listed (GAT-10)."""
    async with desk.app().local() as stone:
        for day in ("mon", "tue"):
            await stone.materialize("waits", day)
        await opened(stone, 2)
        listed = await stone.gates.list()

    assert {gate.key for gate in listed} == {"mon", "tue"}
    assert all(u.startswith(f"{BASE}/hooks/flowstone/signal/") for u in desk.urls)


async def test_a_cell_has_one_gate(desk: Desk) -> None:
    """However often it is asked for, a cell waits at one gate, with one token (GAT-11)."""
    async with desk.app().local() as stone:
        first = await stone.materialize("waits")
        await opened(stone)
        second = await stone.materialize("waits")
        listed = await stone.gates.list()

    assert first.id == second.id
    assert len(listed) == len(desk.tokens) == 1


async def test_of_many_at_once_one_resumes(desk: Desk) -> None:
    """Identical ones are fine, others conflict; the asset is made once (GAT-14)."""
    async with desk.app().local() as stone, serving(stone, options=Options()) as url:
        run = await stone.materialize_all("doubled")
        await opened(stone)
        callback = f"{url}{urlsplit(desk.urls[0]).path}"
        replies = await asyncio.gather(*(post(callback, n % 2) for n in range(20)))
        value = await run.result()
        made = [e for e in await run.events() if e.outcome == "produced"]

    statuses = [reply.status for reply in replies]
    assert (statuses.count(200), statuses.count(409)) == (10, 10)
    assert value in {0, 2}
    assert [e.asset for e in made] == ["waits", "doubled"]


async def test_an_answer_before_its_gate_is_not_lost() -> None:
    """Whoever answers while the function still runs is heard (GAT-15)."""
    heard: list[Client] = []

    @asset
    async def fast(ctx: Context) -> Signal[int]:
        await heard[0].gates.signal(ctx.token, 7)
        return Signal(timeout=HOUR)

    async with Flowstone("fast", Pipeline(fast)).local() as stone:
        heard.append(stone)
        run = await stone.materialize(fast)
        value = await asyncio.wait_for(run.result(), 20)

    assert value == 7


async def test_a_handler_that_fails_is_asked_again(desk: Desk) -> None:
    """It has its attempts, without another answer; downstream goes on (GAT-17)."""
    async with desk.app().local() as stone:
        run = await stone.materialize("handled", "good")
        await opened(stone)
        await stone.gates.signal(desk.tokens[-1], 5)
        value = await run.result()
        failing = await stone.materialize("handled", "bad")
        await opened(stone)
        await stone.gates.signal(desk.tokens[-1], -5)
        with pytest.raises(AssetFailed, match="call"):
            await failing.result()

    assert value == 5
    assert desk.calls == [5, 5, -5, -5]


async def test_an_answer_that_does_not_fit_leaves_the_gate_open(desk: Desk) -> None:
    """It is refused before it takes effect; a good one is taken afterwards."""
    async with desk.app().local() as stone:
        run = await stone.materialize("waits")
        await opened(stone)
        with pytest.raises(BadPayload, match="'waits'.*still open"):
            await stone.gates.signal(desk.tokens[0], "four")
        await stone.gates.signal(desk.tokens[0], 4)
        value = await run.result()

    assert value == 4


async def test_an_answer_may_be_too_large(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting bounds what anybody may hand in, by the client too."""
    monkeypatch.setenv("FLOWSTONE_CALLBACK_MAX_BYTES", "10")
    async with desk.app().local() as stone:
        await stone.materialize("waits")
        await opened(stone)
        with pytest.raises(BadPayload, match="FLOWSTONE_CALLBACK_MAX_BYTES"):
            await stone.gates.signal(desk.tokens[0], 10**11)
        delivery = await stone.gates.receive(desk.tokens[0], b"1" * 11)

    assert (delivery.outcome, delivery.status) == ("oversize", 413)


async def test_a_client_is_told_what_an_endpoint_tells() -> None:
    """Early, twice, changed, flipped, and late: each is its own error."""
    tokens: list[str] = []
    gone = asyncio.Event()

    @asset
    async def slow(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        while not gone.is_set():
            await asyncio.sleep(0.01)
        return Signal()

    @asset
    def brief(ctx: Context) -> Signal[int]:
        tokens.append(ctx.token)
        return Signal(timeout=timedelta(milliseconds=30))

    async with Flowstone("told", Pipeline(slow, brief)).local() as stone:
        signal = stone.gates.signal
        run = await stone.materialize(slow)
        while not tokens:
            await asyncio.sleep(0.01)
        await signal(tokens[0], 5)
        await signal(tokens[0], 5)
        with pytest.raises(AlreadyDecided, match="an earlier answer"):
            await signal(tokens[0], 6)
        version, key, gate, mac = tokens[0].split(".")
        flipped = ("A" if mac[0] != "A" else "B") + mac[1:]
        with pytest.raises(BadToken):
            await signal(f"{version}.{key}.{gate}.{flipped}", 5)
        gone.set()
        assert await run.result() == 5
        await signal(tokens[0], 5)
        with pytest.raises(AlreadyDecided, match="answered by"):
            await signal(tokens[0], 7)
        late = await stone.materialize(brief)
        await late.wait()
        with pytest.raises(AlreadyDecided, match="its deadline"):
            await signal(tokens[1], 5)


# --- by the world's own id ----------------------------------------------------------


async def test_the_worlds_own_id_answers() -> None:
    """Early, twice, differently and for another asset: as by a token."""

    @asset
    def task(ctx: Context) -> Signal[int]:
        return Signal(key=f"ecs-{ctx.partition}", timeout=HOUR)

    @asset
    def other() -> Signal[int]:
        return Signal(key="ecs-a")

    async with Flowstone("ids", Pipeline(task, other)).local() as stone:
        signal = stone.gates.signal
        await signal(key="ecs-a", asset=task, payload=1)
        run = await stone.materialize(task, "a")
        value = await run.result()
        await stone.materialize(other)
        await opened(stone)
        await signal(key="ecs-a", asset="task", payload=1)
        with pytest.raises(AlreadyDecided):
            await signal(key="ecs-a", asset=task, payload=2)
        with pytest.raises(BadPayload):
            await signal(key="ecs-b", asset=task, payload="x")
        still = [gate.outside for gate in await stone.gates.list()]

    assert value == 1
    assert still == ["ecs-a"]


async def test_a_key_needs_its_asset() -> None:
    """A key without an asset, or beside a token, is refused."""

    @asset
    def one() -> int:
        return 1

    async with Flowstone("ids", Pipeline(one)).local() as stone:
        for token, key, name in (
            (None, "a", None),
            (None, None, "one"),
            ("t", "a", "one"),
        ):
            with pytest.raises(Refused, match="together with asset="):
                await stone.gates.signal(token, 1, key=key, asset=name)
        with pytest.raises(BadToken):
            await stone.gates.signal()


async def test_one_id_waits_once() -> None:
    """A second wait with an id that waits already fails, and says why."""

    @asset
    def task(ctx: Context) -> Signal[int]:
        return Signal(key="same")

    async with Flowstone("ids", Pipeline(task)).local() as stone:
        await stone.materialize(task, "a")
        await opened(stone)
        second = await stone.materialize(task, "b")
        with pytest.raises(AssetFailed, match="an id of its own") as failed:
            await second.result()

    assert failed.value.error_type == NotAllowed.__name__


# --- again --------------------------------------------------------------------------


async def test_a_delivery_is_delivered_again(desk: Desk) -> None:
    """What was refused is in the log, and can be delivered again, by whoever asks."""
    async with desk.app().local(actor="anna") as stone:
        run = await stone.materialize("waits")
        await opened(stone)
        misfit = await stone.gates.receive(desk.tokens[0], b'"four"', source="there")
        broken = await stone.gates.receive(desk.tokens[0], b"{")
        still = await stone.gates.redeliver(misfit.id)
        taken = await stone.gates.receive(desk.tokens[0], b"4")
        again = await stone.gates.redeliver(taken.id)
        value = await run.result()
        for_gate = await stone.gates.deliveries(gate=misfit.gate, limit=2)
        with pytest.raises(UnknownDelivery):
            await stone.gates.redeliver("nothing")
        with pytest.raises(Refused, match="nothing to deliver again"):
            await stone.gates.redeliver(broken.id)

    assert (misfit.status, broken.status, still.status) == (422, 400, 422)
    assert (taken.outcome, again.outcome, value) == ("answered", "repeated", 4)
    assert (again.actor, again.replay_of, again.run) == ("anna", taken.id, run.id)
    assert [d.id for d in for_gate] == [again.id, taken.id]


async def test_another_apps_token_is_nobodys(tmp_path: Path, desk: Desk) -> None:
    """Apps that share a ledger and its keys do not answer each other's gates."""

    @asset
    def one() -> int:
        return 1

    url = f"sqlite:///{tmp_path / 'shared.db'}"
    mine, theirs = desk.app(), Flowstone("other", Pipeline(one))
    mine.ledger, theirs.ledger = SqlLedger(url), SqlLedger(url)
    theirs.secrets = mine.secrets
    async with mine.local() as stone, theirs.local() as stranger:
        await stone.materialize("waits")
        await opened(stone)
        with pytest.raises(BadToken):
            await stranger.gates.signal(desk.tokens[0], 4)
        with pytest.raises(BadToken):
            await stranger.gates.receive(desk.tokens[0], b"4")
        still = [gate.state for gate in await stone.gates.list()]

    assert still == ["waiting"]
