"""Schedules on the command line, on Temporal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import upgrade
from tests.unit.cli.typed import APP, Said, shell

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]


def test_schedules_are_applied_and_steered(
    tmp_path: Path, postgres_url: str, temporal_address: str
) -> None:
    """Apply, list, pause, resume, fill in: each says what it did, plain or as JSON."""
    upgrade(postgres_url)
    env = {
        "SHOP_FOLDER": str(tmp_path),
        "TEMPORAL_ADDRESS": temporal_address,
        "FLOWSTONE_LEDGER_URL": postgres_url,
        "FLOWSTONE_SIGNING_KEYS": "test:a secret of the tests",
        "FLOWSTONE_ACTOR": "ada",
    }

    def typed(*words: str, group: str = "schedules") -> Said:
        said = shell(group, words[0], APP, *words[1:], env=env)
        assert said.status == 0, said.err
        return said

    tried = typed("apply", "--dry-run")
    applied = typed("apply", "--json")
    again = typed("apply")
    paused = typed("pause", "nightly", "--reason", "no data")
    [listed] = typed("list", "--json").data
    resumed = typed("resume", "nightly", "--json")
    stretch = ("--from", "2025-01-11", "--to", "2025-01-13")
    filled = typed("backfill", "nightly", *stretch)
    as_json = typed("backfill", "nightly", *stretch, "--overlap", "skip", "--json")
    table = typed("list")
    run = typed("trigger", "nightly", "--at", "2025-01-12", "--no-wait").out.strip()

    assert tried.out.splitlines()[0] == "create schedule nightly"
    assert "warning: nightly: on " in tried.out
    created = applied.data["changes"]
    assert created[0] == {
        "kind": "create",
        "what": "schedule",
        "name": "nightly",
        "fields": [],
    }
    assert [c["name"] for c in created[1:]] == ["arrivals", "stuck", "quiet"]
    assert again.out.startswith("nothing to do")
    assert paused.out == "nightly: paused\n"
    assert (listed["state"], listed["note"]) == ("paused", "no data (ada)")
    assert resumed.data == {"name": "nightly", "state": "resumed"}
    assert filled.out.splitlines() == [
        "nightly: 2 fires",
        "2025-01-11 01:30:00Z",
        "2025-01-12 01:30:00Z",
    ]
    assert len(as_json.data["fires"]) == 2
    assert "active" in table.out
    assert len(run) == 36
    off = typed("pause", "quiet", "--reason", "enough", group="sensors")
    states = typed("list", group="sensors")
    on = typed("resume", "quiet", "--json", group="sensors")
    assert off.out == "quiet: paused\n"
    assert "paused: enough (ada)" in states.out
    assert on.data == {"name": "quiet", "state": "resumed"}
