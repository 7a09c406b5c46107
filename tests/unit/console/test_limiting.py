"""A source may ask so often, and no other pays for it."""

from __future__ import annotations

from flowstone.console.limiting import Limiter


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_source_has_its_requests_a_minute() -> None:
    """Who has used them up waits until there is another one; the wait is told."""
    clock = Clock()
    limiter = Limiter(6, clock=clock)

    assert [limiter.take("a") for _ in range(7)] == [0] * 6 + [10]
    clock.now = 4.0
    assert limiter.take("a") == 6
    clock.now = 10.0
    assert limiter.take("a") == 0
    assert limiter.take("a") == 10


def test_others_do_not_wait() -> None:
    """Each source has a bucket of its own."""
    limiter = Limiter(1, clock=Clock())

    assert [limiter.take("a"), limiter.take("a"), limiter.take("b")] == [0, 60, 0]


def test_what_was_saved_up_is_bounded() -> None:
    """After a quiet hour, a source may not ask an hour's worth at once."""
    clock = Clock()
    limiter = Limiter(2, clock=clock)
    limiter.take("a")
    clock.now = 3600.0

    assert [limiter.take("a") for _ in range(3)] == [0, 0, 30]


def test_memory_is_bounded() -> None:
    """However many sources there are, those not seen for longest are forgotten."""
    limiter = Limiter(1, sources=100, clock=Clock())
    for number in range(1000):
        limiter.take(str(number))

    assert len(limiter) == 100
    assert limiter.take("999") == 60
    assert limiter.take("1") == 0
