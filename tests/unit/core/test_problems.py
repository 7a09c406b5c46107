"""Problems are gathered, and told together."""

from __future__ import annotations

import pytest

from flowstone.core.errors import ConfigurationError
from flowstone.core.problems import Problems


def _refuse(*problems: str) -> int:
    if problems:
        raise ConfigurationError(problems=problems)
    return 7


def test_what_is_wrong_with_several_things_is_one_error() -> None:
    """Each problem is told once, in the order in which it was found."""
    problems = Problems()

    assert problems.of(lambda: _refuse("no ledger", "no key")) is None
    assert problems.of(lambda: _refuse("no key")) is None
    assert problems.of(_refuse) == 7
    problems.add(["no address"])
    with pytest.raises(ConfigurationError) as caught:
        problems.refuse()

    assert caught.value.problems == ["no ledger", "no key", "no address"]


def test_where_nothing_is_wrong_one_goes_on() -> None:
    """Without a problem nothing is refused."""
    problems = Problems()
    problems.refuse()

    assert problems.found == []


def test_other_errors_pass() -> None:
    """What is no matter of configuration is raised as it is."""
    with pytest.raises(ZeroDivisionError):
        Problems().of(lambda: 1 // 0)
