"""What a deployed worker is told by its environment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from workers.settings import WorkerSettings


@pytest.mark.parametrize("text", ["45", "45.0", "PT45S", "0:00:45"])
def test_a_drain_is_seconds_or_a_duration(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long packs may go on is written as for `flowstone worker --drain`."""
    monkeypatch.setenv("FLOWSTONE_WORKER_DRAIN", text)

    assert WorkerSettings().drain == timedelta(seconds=45)


@pytest.mark.parametrize("text", ["soon", "1.2.3", "-"])
def test_a_drain_that_is_no_time_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no time is refused at the start."""
    monkeypatch.setenv("FLOWSTONE_WORKER_DRAIN", text)

    with pytest.raises(ValidationError, match="drain"):
        WorkerSettings()


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing, as compose files do, counts as unset."""
    monkeypatch.setenv("FLOWSTONE_WORKER_HEALTH_PORT", "")
    monkeypatch.setenv("FLOWSTONE_WORKER_SLOTS", "")

    assert WorkerSettings().health_port is None
    assert WorkerSettings().slots == 10
