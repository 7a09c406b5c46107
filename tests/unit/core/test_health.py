"""How things are, as data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowstone.core.health import Component, Health

LEDGER = Component(kind="ledger", name="ledger", latency=timedelta(milliseconds=1.25))
FULL = Component(
    kind="io", name="lake", state="failing", problem="its disk is full", remedy="Sweep."
)


def test_health_is_good_where_nothing_fails() -> None:
    """A warning, or one that cannot be asked, makes nothing unhealthy."""
    others = [
        Component(kind="io", name=state, state=state)
        for state in ("warning", "unknown")
    ]

    assert Health((LEDGER, *others)).healthy
    assert not Health((LEDGER, FULL)).healthy


def test_a_component_is_found_by_its_name() -> None:
    """One asks for a component by name; what there is not is a `KeyError`."""
    health = Health((LEDGER, FULL))

    assert health["lake"] is FULL
    assert list(health) == [LEDGER, FULL]
    with pytest.raises(KeyError, match="cellar"):
        health["cellar"]


def test_health_is_plain_data() -> None:
    """Programs get every field, and latencies in milliseconds."""
    assert Health((LEDGER, FULL)).to_data() == {
        "healthy": False,
        "components": [
            {
                "kind": "ledger",
                "name": "ledger",
                "state": "ok",
                "latency_ms": 1.2,
                "detail": "",
                "problem": "",
                "remedy": "",
            },
            {
                "kind": "io",
                "name": "lake",
                "state": "failing",
                "latency_ms": None,
                "detail": "",
                "problem": "its disk is full",
                "remedy": "Sweep.",
            },
        ],
    }


def test_a_component_is_called_as_people_call_it() -> None:
    """A component is named with its kind, once."""
    assert [str(c) for c in (LEDGER, FULL)] == ["ledger", "io lake"]
