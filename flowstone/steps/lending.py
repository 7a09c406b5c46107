"""Lend a function the resources that its asset asks for, before it is called."""

from __future__ import annotations

from dataclasses import replace

from flowstone.core.errors import ResourceUnavailable
from flowstone.core.outcome import Cancelled as StopCalled
from flowstone.core.replies import Cancelled, NotHere, Raised, Reply
from flowstone.core.text import masked
from flowstone.resources import CannotOpen
from flowstone.steps.group import Group
from flowstone.steps.invoke import Invocation, told
from flowstone.steps.toolbox import Call, Toolbox

__all__ = ["lend"]

_STATE = "unavailable"


def lend(
    toolbox: Toolbox, call: Call, group: Group, what: Invocation
) -> Invocation | Reply:
    """Give the call with its asset's resources; where one does not open, the answer.

    Such an attempt is not the user's: another worker may do better, or this one later.
    It fails once that has been so too often.
    """
    names = what.asset.options.resources
    if not names:
        return what
    try:
        given = toolbox.resources.take(names, stopped=call.cancelled.is_set)
    except StopCalled:
        group.end(what.want, what.attempt, "cancelled")
        return Cancelled()
    except CannotOpen as error:
        return _unavailable(toolbox, group, what, error)
    return replace(what, resources=given)


def _unavailable(
    toolbox: Toolbox, group: Group, what: Invocation, error: CannotOpen
) -> Reply:
    want = what.want
    before = toolbox.ledger.catalog.attempts(
        what.run, want.node, want.key_number, _STATE
    )
    assert error.__cause__ is not None
    kind, text, trace = told(error.__cause__)
    unavailable = ResourceUnavailable(
        asset=what.asset.name,
        partition=want.key,
        run_id=what.run,
        resource=error.name,
        error_type=kind,
        error=masked(text),
        attempts=before + 1,
        details=masked(trace),
    )
    group.note(group.tell.no_resource(want, unavailable))
    if before + 1 >= toolbox.patience.attempts:
        group.fail(want, what.attempt, unavailable, retryable=False)
        return Raised(retryable=False)
    group.put_off(want, what.attempt, _STATE, unavailable)
    return NotHere(
        why=f"The resource {error.name!r} of {what.asset.name!r} does not open: {kind}."
    )
