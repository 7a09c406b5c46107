"""Annotations are read to decode values, and never decide anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Optional, Union

import pytest

from flowstone.core.hints import Hints, read_hints
from flowstone.core.outcome import Approval, Signal, Skip, Snooze


def annotated(raw: list[int], extra: str = "", *, plain=0) -> dict[str, int]:  # pyright: ignore[reportMissingParameterType] - what it is about
    return {extra: len(raw)}


def bare():  # pyright: ignore[reportUnknownParameterType] - what it is about
    return None


def test_annotations_are_resolved() -> None:
    """A value is decoded as its reader has it, or as it was made."""
    assert read_hints(annotated) == Hints(
        parameters={"raw": list[int], "extra": str}, returns=dict[str, int]
    )


def test_what_is_not_annotated_has_no_hint() -> None:
    """Without annotations there are none."""
    assert read_hints(bare) == Hints(parameters={}, returns=None)  # pyright: ignore[reportUnknownArgumentType] - what it is about
    assert read_hints(Adds()) == Hints(parameters={}, returns=None)


class Adds:
    def __call__(self, raw: int) -> int:
        return raw + 1


def returning(hint: object) -> Callable[[], None]:
    def function() -> None:
        """Give whatever it is told."""

    function.__annotations__ = {"return": hint}
    return function


RETURNS: list[tuple[object, object]] = [
    (int, int),
    (None, type(None)),
    (Optional[int], Optional[int]),  # noqa: UP045 - the older way to say it
    (Union[int, Skip], int),  # noqa: UP007 - likewise
    (int | Skip | Snooze, int),
    (int | str | Skip, int | str),
    (Signal[int], int),
    (Signal, None),
    (Approval[list[int]], list[int]),
    (int | Approval[int] | Signal[int] | Skip, int),
    (int | Signal[str], int | str),
    (Skip, None),
    (Skip | Snooze, None),
    (Annotated[int, "rows"] | Skip, Annotated[int, "rows"]),
    (dict[str, int | None] | Skip, dict[str, int | None]),
]


@pytest.mark.parametrize(("hint", "value"), RETURNS)
def test_suspensions_are_no_values(hint: object, value: object) -> None:
    """What a function may return besides its value is not what is stored."""
    assert read_hints(returning(hint)).returns == value


def test_an_annotation_that_cannot_be_resolved_is_left_out() -> None:
    """One that names nothing, or raises, takes none of the others along."""

    def odd(raw: object, left: object, right: object) -> object:
        return (raw, left, right)

    odd.__annotations__ = {
        "raw": "list[int]",
        "left": "nowhere.to.be.found",
        "right": "1 / 0",
        "return": "Missing | Skip",
    }

    assert read_hints(odd) == Hints(parameters={"raw": list[int]}, returns=None)


class Touchy:
    """An annotation that refuses to be hashed or compared."""

    __hash__ = None  # pyright: ignore[reportAssignmentType] - what it is about

    def __eq__(self, other: object) -> bool:
        raise TypeError


def test_an_annotation_may_be_anything() -> None:
    """Whatever is in an annotation, it breaks nothing."""
    touchy = Touchy()

    assert read_hints(returning(Annotated[int, touchy])).returns is not None


@pytest.mark.parametrize(
    ("annotation", "waits"),
    [
        (Signal, True),
        (Signal[int], True),
        (Optional[Signal[int]], True),  # noqa: UP045 - people write it
        (int | Signal[int] | Skip, True),
        (int | Approval[int], False),
        (list[Signal[int]], False),
        (None, False),
    ],
)
def test_an_annotation_tells_who_waits_for_signals(
    annotation: object, waits: bool
) -> None:
    """An asset that says that it may return a signal is known by that."""
    assert read_hints(returning(annotation)).signals is waits
