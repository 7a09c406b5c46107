"""The sign-off: the report of a day waits until somebody has decided on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from dev.flights.pipeline import signed_report
from flowstone import Client
from flowstone.views import ApprovalEntry

__all__ = ["HOW", "Answer", "Ask", "sign_off"]

Answer = Literal["yes", "no", "later"]
Ask = Callable[[str], Answer]
"""Asks a question; `later` leaves what waits as it is."""

HOW = "`--yes` signs it off; in a terminal, the demonstration asks."
_LOOK_EVERY = 0.1


@dataclass(frozen=True, kw_only=True)
class _Waits:
    """A report that waits, or why it does not."""

    approval: ApprovalEntry | None
    why: str = ""


async def sign_off(stone: Client, day: date, ask: Ask) -> str:
    """Have a day's report signed off; tell how that went.

    Args:
        stone: the client.
        day: whose report it is.
        ask: who is asked, where it is not signed off already.
    """
    if await stone.exists(signed_report, day):
        return f"The report of {day} is signed off."
    found = await _waiting(stone, day)
    approval = found.approval
    if approval is None:
        return f"The report of {day} cannot be signed off: {found.why}."
    question = f"{day}: {approval.message}. Sign off its report?"
    answer = await asyncio.to_thread(ask, question)
    if answer == "later":
        return f"The report of {day} waits for its sign-off: {approval.message}. {HOW}"
    if answer == "no":
        await stone.approvals.reject(approval.id, reason="not signed off")
        await (await stone.runs.get(approval.run_id)).wait()
        return f"The report of {day} was rejected; it is not published."
    await stone.approvals.approve(approval.id, comment="signed off")
    await (await stone.runs.get(approval.run_id)).wait()
    return f"The report of {day} is signed off: {approval.message}."


async def _waiting(stone: Client, day: date) -> _Waits:
    """Have the report be asked for; one that waits since an earlier call is joined."""
    run = await stone.materialize(signed_report, day)
    ended = asyncio.ensure_future(run.wait())
    try:
        while not ended.done():
            for approval in await stone.approvals.list(asset=signed_report):
                if approval.partition == day:
                    return _Waits(approval=approval)
            await asyncio.wait({ended}, timeout=_LOOK_EVERY)
    finally:
        ended.cancel()
    outcome = ended.result()
    return _Waits(approval=None, why=str(outcome.error or outcome.status))
