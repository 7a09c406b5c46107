"""The commands, in one process and without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.harness import eventually
from tests.unit.cli.typed import APP, Type, started

DAY = ("-p", "2025-01-11")


def test_materialize_makes_all_and_says_so(typed: Type, kept: str) -> None:
    """An asset is made with all that it needs; a second time nothing is made."""
    first = typed("materialize", APP, "report", *DAY, kept)
    second = typed("materialize", APP, "report", *DAY, kept)

    assert first.status == second.status == 0
    assert first.out.startswith("report @ 2025-01-11: succeeded in ")
    assert "(3 made), run " in first.out
    assert "(3 there already), run " in second.out


def test_stdout_is_for_the_answer(typed: Type, kept: str) -> None:
    """What assets and modules print goes to stderr; the value alone to stdout."""
    said = typed("materialize", APP, "report", *DAY, kept, "--value")

    assert said.data == "3 rows"
    assert "an asset prints" in said.err
    assert "(3 made)" in said.err


def test_materialize_answers_in_json(typed: Type, kept: str) -> None:
    """One object has the run, how it ended, and the value where it is asked for."""
    said = typed("materialize", APP, "report", *DAY, kept, "--value", "--json")

    assert said.status == 0
    assert said.data["status"] == "succeeded"
    assert said.data["partition"] == "2025-01-11"
    assert said.data["progress"]["made"] == 3
    assert said.data["error"] is None
    assert said.data["value"] == "3 rows"


def test_a_failed_run_is_status_one(typed: Type, kept: str) -> None:
    """A run that failed says why in one line, and ends with status 1."""
    plain = typed("materialize", APP, "report", "-p", "2025-01-12", kept)
    machine = typed("materialize", APP, "report", "-p", "2025-01-12", kept, "--json")

    assert (plain.status, machine.status) == (1, 1)
    assert "'cleaned' @ 2025-01-12 failed: ValueError: it rained all day" in plain.error
    assert plain.out == ""
    assert machine.data["error"]["type"] == "UpstreamFailed"
    assert machine.data["error"]["cause"]["error"] == "it rained\nall day"


def test_debug_shows_where_a_function_failed(typed: Type, kept: str) -> None:
    """The traceback of the user's function is shown where it is asked for."""
    said = typed("materialize", APP, "cleaned", "-p", "2025-01-12", kept, "--debug")

    assert said.status == 1
    assert "shop.py" in said.err


def test_only_makes_the_asset_alone(typed: Type, kept: str) -> None:
    """With --only, what the asset needs must exist."""
    said = typed("materialize", APP, "cleaned", "--only", kept)

    assert said.status == 1
    assert "'cleaned' needs 'raw', which was never made" in said.error


def test_a_skip_is_no_failure(typed: Type, kept: str) -> None:
    """A run that made nothing on purpose ends with status 0, and has no value."""
    said = typed("materialize", APP, "closed", kept, "--value", "--json")

    assert said.status == 0
    assert said.data["status"] == "skipped"
    assert said.data["value"] is None


def test_always_makes_again(typed: Type, kept: str) -> None:
    """The policy says whether what exists is made again."""
    typed("materialize", APP, "raw", kept)
    said = typed("materialize", APP, "raw", kept, "--policy", "always")

    assert "(1 made)" in said.out


def test_the_same_key_gives_the_same_run(typed: Type, kept: str) -> None:
    """A request's own key makes it once."""
    words = ("materialize", APP, "raw", kept, "--key", "mine", "--json")

    assert typed(*words).data["run_id"] == typed(*words).data["run_id"]


def test_named_dimensions_are_keys(typed: Type, kept: str) -> None:
    """An asset of several dimensions is made at the text of its key."""
    key = "{date=2025-01-11,region=eu}"
    said = typed("materialize", APP, "regional", "-p", key, kept, "--json")
    told = typed("status", APP, "regional", "-p", key, kept)

    assert said.data["partition"] == key
    assert told.out.startswith(f"regional @ {key}: fresh")


def test_a_backfill_ends_with_a_table(typed: Type, kept: str) -> None:
    """All of the asset's own partitions are made; one that failed is status 1."""
    said = typed("backfill", APP, "report", kept)
    rows = [line.split()[:2] for line in said.out.splitlines()]

    assert said.status == 1
    assert said.error == "1 of 4 partitions of 'report' failed."
    assert rows[:5] == [
        ["PARTITION", "OUTCOME"],
        ["2025-01-10", "made"],
        ["2025-01-11", "made"],
        ["2025-01-12", "failed"],
        ["2025-01-13", "made"],
    ]
    assert said.out.splitlines()[5].startswith("3 made, 1 failed, run ")
    assert "2025-01-11: made\n" in said.err
    assert "2025-01-12: failed" in said.err


@pytest.mark.parametrize(
    "which",
    [
        ("--from", "2025-01-10", "--to", "2025-01-11"),
        ("--to", "2025-01-11"),
        ("--partitions", "2025-01-10,2025-01-11,2025-01-10"),
    ],
)
def test_a_backfill_is_told_which_keys(
    typed: Type, kept: str, which: tuple[str, ...]
) -> None:
    """A range or a list says which partitions; JSON has each with its outcome."""
    said = typed("backfill", APP, "report", kept, *which, "--json")

    assert said.status == 0
    assert said.data["partitions"] == [
        {"partition": "2025-01-10", "outcome": "made", "error": None},
        {"partition": "2025-01-11", "outcome": "made", "error": None},
    ]


def test_a_backfill_of_dimensions_names_each_key(typed: Type, kept: str) -> None:
    """Keys of several dimensions are told by their texts."""
    keys = "{date=2025-01-10,region=eu},{date=2025-01-10,region=us}"
    said = typed("backfill", APP, "regional", "--partitions", keys, kept, "--json")

    assert [row["partition"] for row in said.data["partitions"]] == [
        "{date=2025-01-10,region=eu}",
        "{date=2025-01-10,region=us}",
    ]


def test_runs_are_listed_shown_and_told(typed: Type, kept: str) -> None:
    """A run is in the list, shows who asked and why it failed, and has its events."""
    typed("materialize", APP, "raw", kept)
    typed("materialize", APP, "report", "-p", "2025-01-12", kept)
    listed = typed("runs", "list", APP, kept, "--json").data
    run = listed[0]["run_id"]
    failed = typed("runs", "list", APP, kept, "--status", "failed").out
    shown = typed("runs", "show", APP, run, kept).out
    data = typed("runs", "show", APP, run, kept, "--json").data
    events = typed("runs", "events", APP, run, kept, "--json").data

    assert [row["asset"] for row in listed] == ["report", "raw"]
    assert run in failed
    assert len(failed.splitlines()) == 2
    assert "status    failed\n" in shown
    assert "it rained" in shown
    assert (data["verb"], data["status"]) == ("materialize_all", "failed")
    assert data["error"]["type"] == "UpstreamFailed"
    assert events[0]["name"] == "flowstone.run.start"
    assert "flowstone.run.stop" in typed("runs", "events", APP, run, kept).out


def test_status_tells_how_an_asset_stands(typed: Type, kept: str) -> None:
    """An asset was never run, then is fresh; another failed, and why."""
    before = typed("status", APP, "report", *DAY, kept)
    typed("materialize", APP, "report", *DAY, kept)
    after = typed("status", APP, "report", *DAY, kept, "--json")
    typed("materialize", APP, "cleaned", "-p", "2025-01-12", kept)
    failed = typed("status", APP, "cleaned", "-p", "2025-01-12", kept)

    assert before.out == "report @ 2025-01-11: never_run\n"
    assert after.data["state"] == "fresh"
    assert after.data["partition"] == "2025-01-11"
    assert "failed" in failed.out
    assert "it rained all day" in failed.out


def test_a_value_is_json(typed: Type, kept: str) -> None:
    """A value is printed as JSON; with --json it comes with its version."""
    typed("materialize", APP, "report", *DAY, kept)
    plain = typed("value", APP, "cleaned", *DAY, kept)
    data = typed("value", APP, "cleaned", *DAY, kept, "--json").data
    versioned = ("--version", data["version"])

    assert plain.data == [1, 2, 3]
    assert data["value"] == [1, 2, 3]
    assert typed("value", APP, "cleaned", *DAY, kept, *versioned).data == [1, 2, 3]


def test_bytes_go_to_a_file(typed: Type, kept: str, tmp_path: Path) -> None:
    """Bytes are not printed: a file is asked for, and has them as they are."""
    typed("materialize", APP, "picture", kept)
    refused = typed("value", APP, "picture", kept)
    written = typed("value", APP, "picture", kept, "--out", str(tmp_path / "p.png"))

    assert refused.status == 2
    assert "the value is bytes, 4 bytes; use `flowstone value --out" in refused.error
    assert written.out.startswith("picture: 4 bytes in ")
    assert (tmp_path / "p.png").read_bytes() == b"\x89PNG"


def test_a_table_goes_to_a_file(typed: Type, kept: str, tmp_path: Path) -> None:
    """An Arrow table is written as an Arrow stream."""
    typed("materialize", APP, "table", kept)
    refused = typed("value", APP, "table", kept)
    typed("value", APP, "table", kept, "--out", str(tmp_path / "t.arrow"))

    assert "an Arrow table" in refused.error
    with pa.ipc.open_stream(tmp_path / "t.arrow") as stream:  # pyright: ignore[reportUnknownVariableType]
        assert stream.read_all().to_pydict() == {"a": [1, 2]}


def test_a_file_that_cannot_be_written_is_named(typed: Type, kept: str) -> None:
    """A folder that is not there is named, and no traceback shown."""
    typed("materialize", APP, "picture", kept)
    said = typed("value", APP, "picture", kept, "--out", "/nowhere/at/all")

    assert said.status == 2
    assert "'/nowhere/at/all' cannot be written" in said.error


def test_lineage_goes_both_ways(typed: Type, kept: str) -> None:
    """A value's lineage is what it was made from, and what was made from it."""
    typed("materialize", APP, "report", *DAY, kept)
    up = typed("lineage", "upstream", APP, "report", *DAY, kept, "--json").data
    down = typed("lineage", "downstream", APP, "raw", *DAY, kept, "--json").data
    near = typed("lineage", "impact", APP, "raw", *DAY, kept, "--depth", "1").out

    assert [(e["depth"], e["asset"]) for e in up] == [(1, "cleaned"), (2, "raw")]
    assert [e["asset"] for e in down] == ["cleaned", "report"]
    assert all(e["partition"] == "2025-01-11" and e["current"] for e in up + down)
    assert "cleaned @ 2025-01-11" in near
    assert "report" not in near


def test_the_graph_is_drawn_in_three_styles(typed: Type) -> None:
    """What needs what is drawn as a tree, as Mermaid or as DOT, or given as JSON."""
    said = typed("graph", APP, "--json").data
    assets = {a["name"]: a for a in said["assets"]}

    assert "raw\n└── cleaned\n    └── report\n" in typed("graph", APP).out
    assert "  raw --> cleaned" in typed("graph", APP, "--format", "mermaid").out
    assert typed("graph", APP, "--format", "dot").out.startswith("digraph {")
    assert said["app"] == "shop"
    assert assets["report"]["description"] == "Say how many rows there are."
    assert assets["report"]["needs"][0]["asset"] == "cleaned"


def test_a_gate_is_answered_from_another_process(
    typed: Type, kept: str, tmp_path: Path
) -> None:
    """A run that waits for a signal is listed, answered, and has the answer."""
    token = tmp_path / "token"
    with started("materialize", APP, "answered", kept, "--value") as waiting:
        eventually(
            lambda: token.exists() and typed("gates", "list", APP, kept, "--json").data
        )
        listed = typed("gates", "list", APP, kept).out
        answer = typed("gates", "signal", APP, token.read_text(), "41", kept)
        out, err = waiting.communicate(timeout=30)

    assert "answered" in listed
    assert answer.out == "answered\n"
    assert (waiting.returncode, json.loads(out)) == (0, 41), err
    assert typed("gates", "list", APP, kept, "--json").data == []


def waiting_approval(typed: Type, kept: str, but: str = "") -> str:
    """Wait until somebody is asked, and give the id."""

    def listed() -> list[str]:
        found = typed("approvals", "list", APP, kept, "--json").data
        return [one["id"] for one in found if one["id"] != but]

    eventually(listed, what="an approval")
    return listed()[0]


def test_an_approval_is_decided_from_another_process(typed: Type, kept: str) -> None:
    """A run that waits for a decision is listed, handed on, edited and published."""
    with started("materialize", APP, "reviewed", kept, "--value") as waiting:
        approval = waiting_approval(typed, kept)
        listed = typed("approvals", "list", APP, kept, "--asset", "reviewed").out
        status = typed("status", APP, "reviewed", kept).out
        to = typed("approvals", "escalate", APP, approval, "--to", "the board", kept)
        bad = typed("approvals", "approve", APP, approval, "--edits", "{rows", kept)
        none = typed("approvals", "approve", APP, approval, "--edits", "null", kept)
        edits = ("--edits", '{"rows": 4}', "--comment", "nearly", "--json")
        said = typed("approvals", "approve", APP, approval, *edits, kept)
        again = typed("approvals", "reject", APP, approval, kept)
        out, err = waiting.communicate(timeout=30)

    assert (waiting.returncode, json.loads(out)) == (0, {"rows": 4}), err
    assert "Is that enough?" in listed
    assert approval in status
    assert to.out == "escalated to the board\n"
    assert (bad.status, none.status) == (2, 2)
    assert "--edits" in bad.error
    assert "nothing is no value" in none.error
    assert (said.data["state"], said.data["comment"]) == ("approved", "nearly")
    assert said.data["asset"] == "reviewed"
    assert again.status != 0
    assert "decided already: approved by" in again.error
    assert typed("approvals", "list", APP, kept, "--json").data == []


def test_an_approval_is_asked_for_anew_and_rejected(typed: Type, kept: str) -> None:
    """A value is made again, waits under another id, and is refused with a reason."""
    with started("materialize", APP, "reviewed", kept) as waiting:
        first = waiting_approval(typed, kept)
        anew = typed("approvals", "recompute", APP, first, kept)
        second = waiting_approval(typed, kept, but=first)
        old = typed("approvals", "reject", APP, first, kept)
        no = typed("approvals", "reject", APP, second, "--reason", "too few", kept)
        _, err = waiting.communicate(timeout=30)

    assert anew.out.startswith("recomputed by")
    assert "was replaced" in old.error
    assert no.out.startswith("rejected by")
    assert waiting.returncode == 1
    assert "too few" in err


def test_the_ledger_is_upgraded_and_checked(
    typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger without tables is told what to run, and then is as it should be."""
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    before = typed("db", "check")
    first = typed("db", "upgrade", "--json")

    assert before.status == 2
    assert "Run `flowstone db upgrade`." in before.error
    assert first.data["before"] is None
    assert first.data["revision"]
    assert typed("db", "upgrade", APP).out.endswith(" already\n")
    assert typed("db", "check", "--json").data["revision"] == first.data["revision"]


def test_another_ledger_is_named_by_its_url(typed: Type, tmp_path: Path) -> None:
    """The ledger of --url is upgraded, whatever the environment says."""
    url = f"sqlite:///{tmp_path / 'other.db'}"

    assert "from no tables to " in typed("db", "upgrade", "--url", url).out
    assert (tmp_path / "other.db").exists()
