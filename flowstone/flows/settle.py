"""The loop of every run: start what the state says, fold what comes back."""

from __future__ import annotations

import asyncio

from flowstone.core.errors import Superseded
from flowstone.core.messages import (
    PackReply,
    RunAssets,
    SettleGates,
    Step,
)
from flowstone.core.report import describe, summary
from flowstone.core.state import Order, RunState
from flowstone.flows.aio import Window
from flowstone.flows.engine import Engine

__all__ = ["Settling"]


class Settling:
    """Brings every cell of a state to its end.

    Args:
        engine: what drives it.
        state: the table; it is changed in place.
        parallel: how many packs run at once.
        whole: whether the state is all of the run, so that a step may end the run.

    Attributes:
        ended: whether a step has ended the run already.
        cancelled: whether cancellation was asked for.
    """

    def __init__(
        self, engine: Engine, state: RunState, *, parallel: int, whole: bool = False
    ) -> None:
        self.state = state
        self.ended = False
        self.cancelled = False
        self._engine = engine
        self._whole = whole
        self._closed = False
        self._stopping = False
        self._window: Window[Order, PackReply] = Window(engine, parallel)

    async def run(self, *, stop_at_failure: bool = False) -> bool:
        """Go on until all is settled, or until the history is full.

        Returns:
            Whether all is settled; if not, continue as new with `state.carry()`.
        """
        try:
            while not self._finished():
                self._engine.show(lambda: describe(self.state))
                if self._may_start(stop_at_failure=stop_at_failure):
                    self._start()
                    if self._finished():
                        break
                await self._take_in()
        finally:
            self._window.close()
        if self._closed:
            raise Superseded(reason="The run was ended while it was running.")
        if self.cancelled or (stop_at_failure and self.state.failed):
            self.state.cancel()
        return self.state.settled

    def _finished(self) -> bool:
        if self._window.busy:
            return False
        if self._closed or self.cancelled or self.state.settled:
            return True
        return self._draining

    @property
    def _draining(self) -> bool:
        return self._engine.history_full or self._stopping

    def _may_start(self, *, stop_at_failure: bool) -> bool:
        if stop_at_failure and self.state.failed:
            self._stopping = True
        return not (self._closed or self.cancelled or self._draining)

    def _start(self) -> None:
        state = self.state
        for order in state.orders(self._engine.now(), self._window.room):
            self._window.start(
                order,
                self._engine.do(self._step(order), summary(state, order)),
            )

    def _step(self, order: Order) -> Step[PackReply]:
        state = self.state
        cells = [state.cell(number) for number in order.cells]
        run = state.request.run
        if order.gates:
            return SettleGates(
                run=run, dispatch=order.dispatch, cells=cells, expired=order.expired
            )
        return RunAssets(
            run=run,
            dispatch=order.dispatch,
            cells=cells,
            budget=state.request.budget,
            last=self._whole and order.last,
            again=any(number in state.lacked for number in order.cells),
        )

    async def _take_in(self) -> None:
        try:
            done, bells = await self._window.next(until=self.state.next_due())
        except asyncio.CancelledError:
            self.cancelled = True
            self._window.cancel()
            return
        for order, reply in done:
            self._fold(order, reply)
        for gate in bells:
            self.state.ring(gate)

    def _fold(self, order: Order, reply: PackReply | BaseException) -> None:
        if isinstance(reply, asyncio.CancelledError):
            self.state.give_back(order)
            return
        if isinstance(reply, BaseException):
            raise reply
        if reply.closed:
            self._closed = True
            self.state.give_back(order)
            return
        self.ended = self.ended or reply.ended
        self.state.fold(order, reply.replies, self._engine.now())

