"""Small words about words."""

from __future__ import annotations

from flowstone.core.text import closest


def test_a_slip_is_understood() -> None:
    """The name that was meant is found among those there are."""
    assert closest("reprot", ["raw", "report", "cleaned"]) == "report"


def test_a_stranger_is_not_guessed_at() -> None:
    """A name like no other has no closest one."""
    assert closest("zebra", ["raw", "report"]) is None
    assert closest("raw", []) is None
