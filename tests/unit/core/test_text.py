"""Small words about words."""

from __future__ import annotations

import pytest

from flowstone.core.text import closest, error_line, masked


def test_a_slip_is_understood() -> None:
    """The name that was meant is found among those there are."""
    assert closest("reprot", ["raw", "report", "cleaned"]) == "report"


def test_a_stranger_is_not_guessed_at() -> None:
    """A name like no other has no closest one."""
    assert closest("zebra", ["raw", "report"]) is None
    assert closest("raw", []) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://me:***@host/db"),
        ("at redis://:p@ss@word@host:1, again", "at redis://:***@host:1, again"),
        ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
        ("PGPASSWORD='hunter2'", "PGPASSWORD='***'"),
        ('{"api_key": "k-1", "rows": 3}', '{"api_key": "***", "rows": 3}'),
        ("https://host/x?token=abc&page=2", "https://host/x?token=***&page=2"),
        ("https://host:80/a@b and me@host", "https://host:80/a@b and me@host"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    """Passwords of URLs and values of names like `password` do not show."""
    assert masked(text) == shown


def test_an_error_is_told_in_one_line() -> None:
    """An error has its class, its message in one line, and no secret."""
    assert error_line(ValueError("no\n  rows")) == "ValueError: no rows"
    assert error_line(TimeoutError()) == "TimeoutError"
    assert error_line(OSError("token=abc")) == "OSError: token=***"


def test_an_error_that_wraps_another_says_that_one() -> None:
    """What a database library wraps is told without what it adds."""
    wrapper = RuntimeError("(psycopg.Error) refused\n(Background: https://sqlalche.me)")
    wrapper.orig = OSError("refused")  # pyright: ignore[reportAttributeAccessIssue]

    assert error_line(wrapper) == "RuntimeError: refused"
