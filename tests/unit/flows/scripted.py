"""An engine that follows a script: a virtual clock, scripted replies, a transcript.

The clock stands still while anything can go on, and jumps to the next instant when
nothing can. What the flow commands, and what it is told, is written down in order.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from flowstone.core.messages import (
    Cell,
    Ended,
    EndRun,
    Flow,
    MakePlan,
    Planned,
    ReadPlan,
    RunAssets,
    SettleGates,
    Shard,
    ShardEnded,
    Step,
)
from flowstone.core.plan import Rule, Skeleton
from flowstone.core.replies import (
    Cancelled,
    Left,
    NotHere,
    PackReply,
    Produced,
    Reply,
    Reused,
)
from flowstone.core.table import State, read_table
from flowstone.core.ticks import Checked, CheckSensor, Resolved, ResolveTick
from flowstone.flows.table import AnyEnd, AnyFlow, take_flow

__all__ = ["CLOSED", "Script", "ScriptedEngine", "play", "skeleton"]

R = TypeVar("R")

BEGIN = datetime(2025, 1, 15, 12, tzinfo=UTC)
CLOSED = "closed"
"""As a scripted reply: the run has ended already."""

Scripted = Reply | BaseException | str


def skeleton(
    waits: Mapping[str, Sequence[str]],
    *,
    soft: Mapping[str, Sequence[str]] | None = None,
    rules: Mapping[str, Rule] | None = None,
    millis: Mapping[str, int] | None = None,
    single: Sequence[str] = (),
) -> Skeleton:
    """Give what a flow knows of a plan, from names; the last asset is the target."""
    names = list(waits)
    numbers = {name: i for i, name in enumerate(names)}
    rule = [(rules or {}).get(name, Rule()) for name in names]
    distinct = list(dict.fromkeys(rule))
    return Skeleton(
        plan="plan",
        names=names,
        waits=[sorted(numbers[up] for up in waits[n]) for n in names],
        soft=[sorted(numbers[up] for up in (soft or {}).get(n, ())) for n in names],
        rules=distinct,
        rule=[distinct.index(r) for r in rule],
        single=[numbers[n] for n in single],
        millis=[(millis or {}).get(n, -1) for n in names],
    )


@dataclass(kw_only=True)
class Script:
    """What the world does.

    Attributes:
        skeleton: the plan's.
        keys: how many keys the run has.
        plans: what the plan's steps answer, each time; with nothing, the plan.
        replies: what becomes of an asset, or of `asset@key`, each time it is asked;
            afterwards it is produced.
        gates: what becomes of its gate, each time that is asked.
        seconds: how long an asset takes; a step takes a second at least.
        deaf: assets that do not hear of a cancellation.
        unserved: assets that no worker takes up.
        lost: the shards that do not begin, and what starting them raises.
        bells: at which second which gate is rung.
        cancels: at which seconds the run is cancelled.
        full: how many commands a history holds; without end if nothing is given.
        newer: from which second until which newer workers are current.
        ends: what the step says that ends the run, if it does not end it.
        ticks: what becomes of a fire or a look, each time it is asked.
        unborn: what comes of starting the run of a fire, if not the run.
    """

    skeleton: Skeleton
    keys: int = 1
    plans: Sequence[Planned | NotHere | Ended | BaseException | None] = ()
    replies: Mapping[str, Sequence[Scripted]] = field(
        default_factory=dict[str, Sequence[Scripted]]
    )
    gates: Mapping[str, Sequence[Scripted]] = field(
        default_factory=dict[str, Sequence[Scripted]]
    )
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    deaf: Sequence[str] = ()
    unserved: Sequence[str] = ()
    lost: Mapping[int, BaseException] = field(default_factory=dict[int, BaseException])
    bells: Sequence[tuple[float, str]] = ()
    cancels: Sequence[float] = ()
    full: int | None = None
    newer: tuple[float, float] | None = None
    ends: BaseException | None = None
    ticks: Sequence[Resolved | Checked | NotHere | Ended | BaseException] = ()
    unborn: BaseException | None = None


class _World:
    """What all engines of one play share: the script's progress and the transcript."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.lines: list[str] = []
        self.asked: Counter[str] = Counter()
        self.bells: dict[str, asyncio.Queue[str]] = {}
        self.shown: list[str] = []
        self.shards: list[Shard] = []
        self.table = b""

    def say(self, who: str, text: str) -> None:
        at = asyncio.get_running_loop().time()
        self.lines.append(f"{at:9.3f}  {who}{text}")

    def next(
        self, kind: str, among: Mapping[str, Sequence[Scripted]], name: str
    ) -> Scripted:
        found = among.get(name, ())
        number = self.asked[f"{kind} {name}"]
        self.asked[f"{kind} {name}"] += 1
        return found[number] if number < len(found) else Produced(millis=10)


class ScriptedEngine:
    """An `Engine` whose world is a script.

    Args:
        world: what it shares with the engines of its children.
        who: what its lines in the transcript begin with.
    """

    def __init__(self, world: _World, who: str) -> None:
        self._world = world
        self._who = who
        self._commands = 0

    async def do(self, step: Step[R], summary: str = "") -> R:
        """Do a step as the script says; what is cancelled still answers."""
        self._command(f"do {_named(step)}: {summary}")
        work = asyncio.ensure_future(self._work(cast("Step[object]", step)))
        told = False
        while not work.done():
            ended = asyncio.get_running_loop().create_future()
            work.add_done_callback(lambda _, e=ended: e.done() or e.set_result(None))
            try:
                await ended
            except asyncio.CancelledError:
                if not told:
                    self._say(f"stop {_named(step)}")
                told = True
                if not self._is_deaf(cast("Step[object]", step)):
                    work.cancel()
        try:
            found = work.result()
        except asyncio.CancelledError:
            self._say(f"     {_named(step)}: never begun")
            raise
        except Exception as error:
            self._say(f"     {_named(step)}: {type(error).__name__}")
            raise
        self._say(f"     {_named(step)}: {_told(found)}")
        return cast("R", found)

    async def spawn(self, flow: Flow[R], name: str) -> R:
        """Run a child flow in the same world."""
        self._command(f"spawn {name}")
        child = cast("AnyFlow", flow)
        lost = self._world.script.unborn
        if isinstance(child, Shard):
            self._world.shards.append(child)
            lost = self._world.script.lost.get(child.number)
        try:
            if lost is not None:
                raise lost
            found = await _drive(
                self._world, child, f"{self._who}{name.rsplit('/', 1)[-1]}| "
            )
        except asyncio.CancelledError:
            self._say(f"     {name}: never begun")
            raise
        self._say(f"     {name}: {_told(found)}")
        return cast("R", found)

    async def sleep(self, delay: timedelta, why: str) -> None:
        """Wait until the virtual clock has moved on."""
        self._command(f"sleep {delay.total_seconds():g} s: {why}")
        try:
            await asyncio.sleep(delay.total_seconds())
        except asyncio.CancelledError:
            self._say("stop sleeping")
            raise

    async def doorbell(self) -> str:
        """Wait for a bell."""
        gate = await self._world.bells[self._who].get()
        self._say(f"     bell {gate!r}")
        return gate

    def now(self) -> datetime:
        """Give the virtual time."""
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())

    def show(self, details: Callable[[], str]) -> None:
        """Keep what people would see."""
        self._world.shown.append(details())

    @property
    def outdated(self) -> bool:
        """Whether newer workers are current, by the script."""
        since, until = self._world.script.newer or (0, 0)
        return since <= asyncio.get_running_loop().time() < until

    @property
    def history_full(self) -> bool:
        """Whether the script's count of commands is reached."""
        full = self._world.script.full
        return full is not None and self._commands >= full

    def _command(self, text: str) -> None:
        self._commands += 1
        self._say(text)

    def _say(self, text: str) -> None:
        self._world.say(self._who, text)

    # --- the worker -----------------------------------------------------------------

    def _is_deaf(self, step: Step[object]) -> bool:
        return any(name in self._world.script.deaf for name in self._assets(step))

    def _assets(self, step: Step[object]) -> list[str]:
        if not isinstance(step, RunAssets | SettleGates):
            return [type(step).__name__]
        return [self._world.script.skeleton.names[c.node] for c in step.cells]

    async def _work(self, step: Step[object]) -> object:
        script = self._world.script
        names = self._assets(step)
        if any(name in script.unserved for name in names):
            await asyncio.get_running_loop().create_future()
        seconds = max(1.0, sum(script.seconds.get(name, 0) for name in names))
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if isinstance(step, RunAssets | SettleGates):
                return PackReply(replies=[Cancelled() for _ in step.cells])
            raise
        return self._answer(step)

    def _answer(self, step: Step[object]) -> object:
        script = self._world.script
        match step:
            case MakePlan() | ReadPlan():
                planned = Planned(skeleton=script.skeleton, keys=script.keys)
                return self._next_of("plan", script.plans) or planned
            case ResolveTick() | CheckSensor():
                return self._next_of("tick", script.ticks)
            case RunAssets():
                return self._run(step)
            case SettleGates():
                return self._settle(step)
            case EndRun():
                self._world.table = bytes(read_table(step.table))
                if script.ends is not None:
                    raise script.ends
                return Ended(status=step.status)
            case _:
                raise AssertionError(f"no script for {step!r}")

    def _next_of(self, kind: str, answers: Sequence[object]) -> object:
        number = self._world.asked[kind]
        self._world.asked[kind] += 1
        found = answers[number] if number < len(answers) else None
        if isinstance(found, BaseException):
            raise found
        return found

    def _run(self, step: RunAssets) -> PackReply:
        replies: dict[tuple[int, int], Reply] = {}
        for cell in (Cell(*c) for c in step.cells):
            at = (cell.node, cell.key)
            beside = [
                replies[up, cell.key]
                for up in self._world.script.skeleton.waits[cell.node]
                if (up, cell.key) in replies
            ]
            if any(not isinstance(r, Produced | Reused) for r in beside):
                replies[at] = Left()
                continue
            found = self._next("run", self._world.script.replies, cell)
            if found == CLOSED:
                return PackReply(replies=[Left() for _ in step.cells], closed=True)
            replies[at] = cast("Reply", found)
        done = all(isinstance(r, Produced | Reused) for r in replies.values())
        return PackReply(replies=list(replies.values()), ended=step.last and done)

    def _settle(self, step: SettleGates) -> PackReply:
        found = [self._next("gate", self._world.script.gates, c) for c in step.cells]
        if CLOSED in found:
            return PackReply(replies=[Left() for _ in found], closed=True)
        return PackReply(replies=cast("list[Reply]", found))

    def _next(
        self, kind: str, among: Mapping[str, Sequence[Scripted]], cell: Cell
    ) -> Scripted:
        name = self._world.script.skeleton.names[cell.node]
        at_key = f"{name}@{cell.key}"
        found = self._world.next(kind, among, at_key if at_key in among else name)
        if isinstance(found, BaseException):
            raise found
        return found


async def _drive(world: _World, flow: AnyFlow, who: str) -> AnyEnd:
    world.bells.setdefault(who, asyncio.Queue())
    while True:
        found = await take_flow(ScriptedEngine(world, who), flow)
        if isinstance(found, Ended | ShardEnded | Checked):
            return found
        world.say(who, "continue as new")
        flow = found


# --- the play -----------------------------------------------------------------------


def _refuse() -> None:
    raise AssertionError("nothing is played")


class _Jumps(selectors.SelectSelector):
    """Waits for nothing: the time that it should wait passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.stuck: Callable[[], object] = _refuse

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass."""
        found = super().select(0)
        if not found and timeout is None:
            self.stuck()
        elif not found:
            self.now += cast("float", timeout)
        return found


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumps = _Jumps()
        super().__init__(self.jumps)

    def time(self) -> float:
        return self.jumps.now


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a play.

    Attributes:
        found: the flow's result, or what it raised.
        transcript: what it commanded and was told, a line each.
        shown: what people were shown, in order.
        shards: the children that were to be started.
        table: the states that were written at the end.
        left: how many tasks the flow left behind.
    """

    found: AnyEnd | BaseException
    transcript: str
    shards: Sequence[Shard]
    table: bytes
    shown: Sequence[str]
    left: int


def play(flow: AnyFlow, script: Script) -> Played:
    """Run a flow in a script's world, to its end."""
    loop = _VirtualLoop()
    try:
        return loop.run_until_complete(_play(loop, flow, script))
    finally:
        loop.close()


async def _play(loop: _VirtualLoop, flow: AnyFlow, script: Script) -> Played:
    world = _World(script)
    main = asyncio.ensure_future(_drive(world, flow, ""))
    stuck: asyncio.Future[None] = loop.create_future()
    loop.jumps.stuck = lambda: stuck.set_result(None)
    _schedule(loop, script, world, main)
    await asyncio.wait([main, stuck], return_when=asyncio.FIRST_COMPLETED)
    result: AnyEnd | BaseException = asyncio.CancelledError()
    if main.done() and not main.cancelled():
        result = main.exception() or main.result()
    world.say("", f"     => {_told(result)}")
    # What was cancelled at the end gets its turn to end.
    for _ in range(3):
        await asyncio.sleep(0)
    left = await _sweep()
    assert not stuck.done(), f"the flow waits for what never comes\n{world.lines}"
    return Played(
        found=result,
        transcript="\n".join(world.lines) + "\n",
        shown=world.shown,
        shards=world.shards,
        table=world.table,
        left=left,
    )


def _schedule(
    loop: _VirtualLoop, script: Script, world: _World, main: asyncio.Task[object]
) -> None:
    def cancel() -> None:
        world.say("", "     cancelled")
        main.cancel()

    def ring(gate: str) -> None:
        for bells in world.bells.values():
            bells.put_nowait(gate)

    for at in script.cancels:
        loop.call_at(at, cancel)
    for at, gate in script.bells:
        loop.call_at(at, ring, gate)


async def _sweep() -> int:
    """End what is left, and say how much there was."""
    mine = asyncio.current_task()
    found = len(asyncio.all_tasks()) - 1
    while left := [task for task in asyncio.all_tasks() if task is not mine]:
        for task in left:
            task.cancel()
        await asyncio.sleep(10)
    return found


def _named(step: Step[R]) -> str:
    name = type(step).__name__
    if isinstance(step, RunAssets | SettleGates):
        marks = [f"{name} {step.dispatch}", *_marks(step)]
        return " ".join(marks)
    if isinstance(step, EndRun):
        return f"EndRun {step.status} {_states(step.table)}"
    return f"{name} again" if getattr(step, "again", False) else name


def _marks(step: RunAssets | SettleGates) -> Iterable[str]:
    words = ("last", "again", "expired")
    yield from (word for word in words if getattr(step, word, False))
    attempts = sorted({c.attempt for c in step.cells} - {1})
    yield from (f"attempt={a}" for a in attempts)
    yield from (f"absent={list(c.absent)}" for c in step.cells if c.absent)


def _told(found: object) -> str:
    match found:
        case PackReply():
            replies = ", ".join(r.kind for r in found.replies)
            flags = [w for w in ("ended", "closed") if getattr(found, w)]
            return " ".join([replies, *flags])
        case Planned() | Resolved():
            return found.kind
        case NotHere():
            return "not_here"
        case Ended(status=word) | Checked(outcome=word):
            return f"{type(found).__name__} {word}"
        case ShardEnded():
            return f"ShardEnded {found.number} {_states(found.table)}"
        case BaseException():
            return type(found).__name__
        case _:
            raise AssertionError(f"no words for {found!r}")


def _states(table: str) -> str:
    counts = Counter(State(s).name.lower() for s in read_table(table))
    return "(" + ", ".join(f"{n} {word}" for word, n in counts.items()) + ")"
