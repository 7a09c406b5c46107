"""Errors say what to do next, and cross processes whole."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from flowstone.core.errors import (
    AssetFailed,
    DefinitionError,
    DuplicateAsset,
    FlowstoneError,
    LookupFailed,
    RunError,
    UnknownAsset,
    UnknownRun,
    UpstreamFailed,
    at,
    from_data,
)
from tests.unit.core.said import FAILED, SAID

ONE_OF_EACH = {type(error): error for error, _ in SAID}


@pytest.mark.parametrize(("error", "message"), SAID)
def test_an_error_builds_its_message(error: FlowstoneError, message: str) -> None:
    """Each class says what is wrong, with the names, and what to do next."""
    assert str(error) == message
    assert error.message == message


def subclasses(root: type[FlowstoneError]) -> set[type[FlowstoneError]]:
    found = {root}
    for child in root.__subclasses__():
        found |= subclasses(child)
    return found


def test_every_error_is_in_these_tests() -> None:
    """No error of the tree is left out."""
    assert set(ONE_OF_EACH) >= subclasses(FlowstoneError) - {LookupFailed}


@pytest.mark.parametrize("kind", ONE_OF_EACH, ids=lambda kind: kind.__name__)
def test_an_error_crosses_processes_whole(kind: type[FlowstoneError]) -> None:
    """An error comes back from JSON, from a pickle and from a copy as it was."""
    error = ONE_OF_EACH[kind]
    data = json.loads(json.dumps(error.to_data()))
    for back in (
        FlowstoneError.from_data(data),
        pickle.loads(pickle.dumps(error)),
        copy.copy(error),
    ):
        assert type(back) is kind
        assert back.to_data() == error.to_data()
        assert str(back) == str(error)


def test_errors_within_errors_cross_too() -> None:
    """A cause, and each of many problems, is an error again."""
    blocked = UpstreamFailed(asset="report", upstream="raw", cause=FAILED)
    several = DefinitionError(problems=(DuplicateAsset(asset="raw"), RunError()))  # pyright: ignore[reportArgumentType] - any error may be nested

    back = from_data(json.loads(json.dumps(blocked.to_data())))
    assert isinstance(back, UpstreamFailed)
    assert isinstance(back.cause, AssetFailed)
    assert back.cause.details == "Traceback ..."
    problems = from_data(json.loads(json.dumps(several.to_data())))
    assert isinstance(problems, DefinitionError)
    assert [type(p) for p in problems.problems] == [DuplicateAsset, RunError]


def test_fields_of_another_release_are_left_out() -> None:
    """An error of a later release is read as far as it is known."""
    back = from_data({"type": "RunError", "reason": "No.", "colour": {"red": 1}})

    assert isinstance(back, RunError)
    assert str(back) == "No."


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"type": "FromTheFuture", "reason": "It is later."}, "It is later."),
        (
            {"type": "AssetFailed", "reason": "It lacks its asset."},
            "It lacks its asset.",
        ),
        ({"type": "FromTheFuture", "colour": "red"}, "'colour': 'red'"),
        ({}, "{}"),
    ],
)
def test_an_error_that_is_not_known_is_an_error_of_the_run(
    data: dict[str, object], reason: str
) -> None:
    """Whatever comes, it is an error, with all that can be said of it."""
    back = from_data(data)

    assert type(back) is RunError
    assert reason in str(back)


def test_what_is_not_found_is_a_lookup_error() -> None:
    """Code that knows nothing of Flowstone can catch what does not exist."""
    assert issubclass(UnknownRun, LookupError)
    assert issubclass(UnknownRun, LookupFailed)


def test_a_long_list_of_names_is_cut() -> None:
    """Of many assets the first twenty are named."""
    error = UnknownAsset(asset="x", known=tuple(f"a{i:02}" for i in range(25)))

    assert "a19 and 5 more." in str(error)
    assert "a20" not in str(error)


def test_a_cell_is_named_as_people_read_it() -> None:
    """The partition is named where there is one."""
    assert at("raw", "2025-01-15") == "'raw' @ 2025-01-15"
    assert at("raw", "-") == at("raw", "") == "'raw'"
