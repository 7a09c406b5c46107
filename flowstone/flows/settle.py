"""The loop of every run: start what the state says, fold what comes back."""

from __future__ import annotations

import asyncio

from flowstone.core.errors import Superseded
from flowstone.core.messages import First, RunAssets, SettleGates, Step
from flowstone.core.order import Order
from flowstone.core.replies import PackReply
from flowstone.core.report import describe, summary
from flowstone.core.state import RunState
from flowstone.core.table import State
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
        cancelled: whether cancellation was asked for already.

    Attributes:
        ended: whether a step has ended the run already.
        cancelled: whether cancellation was asked for.
        cut: whether that has kept it from settling all.
    """

    def __init__(
        self,
        engine: Engine,
        state: RunState,
        *,
        parallel: int,
        whole: bool = False,
        cancelled: bool = False,
    ) -> None:
        self.state = state
        self.ended = False
        self.cut = False
        self._engine = engine
        self._whole = whole
        self.cancelled = cancelled
        self._closed = False
        self._broken: BaseException | None = None
        self._window: Window[Order, PackReply] = Window(engine, parallel)

    def take(self, first: First) -> None:
        """Take in a pack that was run along with the plan."""
        self._fold(self.state.begun(first.cells), first.reply)

    async def run(self, *, stop_at_failure: bool = False) -> bool:
        """Go on until all is settled, or until the history is full.

        Args:
            stop_at_failure: whether nothing more is started once a key has failed.

        Returns:
            Whether all is settled; if not, continue as new with `state.carry()`.

        Raises:
            Superseded: the run was ended by somebody else meanwhile.
        """
        state = self.state
        try:
            while True:
                stopping = self._is_stopping(stop_at_failure=stop_at_failure)
                if not stopping:
                    self._start()
                self._engine.show(lambda: describe(state))
                if not self._window.busy and (stopping or state.settled):
                    break
                # What is not started does not wake: no timer runs while it drains.
                await self._take_in(wakes=not stopping)
        finally:
            self._window.close()
        if self._closed:
            raise Superseded(reason="The run was ended while it was running.")
        if self._broken is not None:
            raise self._broken
        if self.cancelled or (stop_at_failure and state.failed):
            self.cut = self.cancelled and not state.settled
            state.cancel()
        return state.settled

    def _is_stopping(self, *, stop_at_failure: bool) -> bool:
        if self.cancelled or self._closed or self._broken is not None:
            return True
        if stop_at_failure and self.state.failed:
            return True
        return self._engine.history_full or self._should_move()

    def _should_move(self) -> bool:
        """Tell whether nothing is left but to wait, and newer workers are there."""
        parked = not self._window.busy and State.READY not in self.state.table
        return parked and not self.state.settled and self._engine.outdated

    def _start(self) -> None:
        state = self.state
        for order in state.orders(self._engine.now(), self._window.room):
            self._window.start(
                order, self._engine.do(self._step(order), summary(state, order))
            )

    def _step(self, order: Order) -> Step[PackReply]:
        state = self.state
        cells = [state.cell(number) for number in order.cells]
        run = state.request.run
        if order.gates:
            return SettleGates(
                run=run,
                dispatch=order.dispatch,
                cells=cells,
                expired=order.expired,
                instants=order.instants,
            )
        return RunAssets(
            run=run,
            dispatch=order.dispatch,
            cells=cells,
            budget=state.request.budget,
            last=self._whole and order.last,
            again=order.again,
        )

    async def _take_in(self, *, wakes: bool) -> None:
        until = self.state.next_due if wakes else None
        try:
            done, bells = await self._window.next(until=until)
        except asyncio.CancelledError:
            self.cancelled = True
            self._window.cancel()
            return
        for order, reply in done:
            self._fold(order, reply)
        for gate in bells:
            self.state.ring(gate)

    def _fold(self, order: Order, reply: PackReply | BaseException) -> None:
        if isinstance(reply, BaseException):
            self.state.give_back(order)
            if not self.cancelled and not isinstance(reply, asyncio.CancelledError):
                self._broken = self._broken or reply
                self._window.cancel()
            return
        if reply.closed:
            self.state.give_back(order)
            self._closed = True
            self._window.cancel()
            return
        self.ended = self.ended or reply.ended
        self.state.fold(order, reply.replies, self._engine.now())
