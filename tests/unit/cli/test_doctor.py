"""`flowstone doctor` and `flowstone config`, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowstone.settings import Settings
from tests.apps.lender import SECRET
from tests.apps.shelf import ShelfIO
from tests.unit.cli.typed import APP, Said, Type

LENDER, SHELF = "tests.apps.lender:app", "tests.apps.shelf:app"
KEY = "a key of the tests"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin with an environment that says nothing, and nobody at home."""
    for setting in Settings.shown():
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LENDER_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("SHELF_FOLDER", str(tmp_path / "shelf"))


def _components(said: Said) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in said.data["components"]}


# --- doctor -------------------------------------------------------------------------


def test_an_app_in_order_is_told_so(typed: Type) -> None:
    """Each thing that an app runs on is a line, and the status is 0."""
    said = typed("doctor", LENDER, "--local")
    rows = [line.split()[:3] for line in said.out.splitlines()]

    assert said.status == 0
    assert rows == [
        ["WHAT", "NAME", "STATE"],
        ["ledger", "ledger", "ok"],
        ["engine", "engine", "ok"],
        ["io", "default", "ok"],
        ["resource", "warehouse", "ok"],
        ["resource", "pool", "ok"],
    ]


def test_what_fails_is_told_with_what_to_do(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resource that does not open is one line more, and the status is 1."""
    monkeypatch.setenv("LENDER_OPEN", "no")
    plain = typed("doctor", LENDER, "--local")
    machine = typed("doctor", LENDER, "--local", "--json")

    assert (plain.status, machine.status) == (1, 1)
    assert "resource warehouse: Look at what it was given" in plain.out
    assert machine.data["healthy"] is False
    found = _components(machine)
    assert found["pool"]["state"] == "ok"
    assert found["warehouse"]["state"] == "failing"
    assert found["warehouse"]["problem"] == (
        "ConnectionRefusedError: postgresql://me:***@warehouse/db is closed"
    )
    assert SECRET not in plain.out + plain.err + machine.out


def test_one_that_fails_hides_no_other(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad settings, a database and a Temporal that are away are all told."""
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", "postgresql://me:horse@127.0.0.1:1/db")
    monkeypatch.setenv("FLOWSTONE_LEGDER_URL", "misspelt")
    said = typed("doctor", LENDER, "--json")
    found = _components(said)

    assert said.status == 1
    assert {name: c["state"] for name, c in found.items()} == {
        "settings": "warning",
        "ledger": "failing",
        "temporal": "failing",
        "default": "failing",
        "warehouse": "ok",
        "pool": "ok",
    }
    assert "Did you mean FLOWSTONE_LEDGER_URL?" in found["settings"]["problem"]
    assert "it does not answer" in found["ledger"]["problem"]
    assert found["ledger"]["remedy"].startswith("Start the database")
    assert "127.0.0.1:1 does not answer" in found["temporal"]["problem"]
    assert "horse" not in said.out


def test_what_is_missing_is_a_matter_of_settings(typed: Type) -> None:
    """Without a ledger there is nothing to ask but Temporal, and that is asked."""
    said = typed("doctor", LENDER, "--json")

    assert said.status == 1
    assert [c["name"] for c in said.data["components"]] == ["settings", "temporal"]
    assert "The app has no ledger" in _components(said)["settings"]["problem"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--delete", "--local"), "it says what --gc does"),
        (("--register", "--local"), "only Temporal has search attributes"),
        (("--gc", "--local"), "give the folder where it is"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    typed: Type, words: tuple[str, ...], sentence: str
) -> None:
    """Options that do not go together are misuse, and nothing is asked."""
    said = typed("doctor", SHELF, *words)

    assert said.status == 2
    assert sentence in said.error


def test_a_search_attribute_needs_a_server(typed: Type) -> None:
    """What cannot be created, because nobody answers, is one line and status 2."""
    said = typed("doctor", LENDER, "--register")

    assert said.status == 2
    assert "Temporal at 127.0.0.1:1 does not answer" in said.error


def test_garbage_is_found_and_then_deleted(
    typed: Type, kept: str, tmp_path: Path
) -> None:
    """`--gc` shows what is nobody's; with `--delete` it goes, and the rest stays."""
    shelf = ShelfIO(tmp_path / "shelf")
    typed("materialize", SHELF, "good", kept)
    typed("materialize", SHELF, "failing", kept)
    litter = shelf.put(f"shelf/failing/{_attempt(tmp_path)}", b"42")
    stranger = shelf.put("shelf/notes.txt", b"mine")

    shown = typed("doctor", SHELF, kept, "--gc")
    dry = typed("doctor", SHELF, kept, "--gc", "--json").data["garbage"]
    done = typed("doctor", SHELF, kept, "--gc", "--delete", "--json")
    again = typed("doctor", SHELF, kept, "--gc")

    assert shown.status == 0
    assert "1 objects, 2 bytes, are nobody's; nothing was deleted." in shown.out
    assert f"no attempt of this ledger wrote {stranger}; it is left alone" in shown.out
    assert [one["location"] for one in dry["found"]] == [litter]
    assert (dry["deleted"], dry["kept"], dry["bytes"]) == (None, 1, 2)
    assert dry["strangers"] == [{"io": "default", "location": stranger}]
    assert done.status == 0
    assert done.data["garbage"]["deleted"] == 1
    assert "0 objects, 0 bytes, are nobody's" in again.out
    assert len(list(shelf.list_locations())) == 2


def _attempt(folder: Path) -> str:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "kept" / "ledger.db")) as ledger:
        query = "SELECT id FROM flowstone_attempts WHERE asset = 'shelf/failing'"
        [(found,)] = ledger.execute(query).fetchall()
    return found


# --- config -------------------------------------------------------------------------


def test_each_setting_is_told_with_its_source(
    typed: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What code, the environment, a profile and the default say is told as such."""
    (tmp_path / "temporal.toml").write_text(
        '[profile.prod]\naddress = "shop.tmprl.cloud:7233"\napi_key = "hidden-key"\n'
    )
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "shop")
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", "postgresql://me:horse@host/db")
    monkeypatch.setenv("FLOWSTONE_SIGNING_KEYS", f"one:{KEY}")

    said = typed("config", LENDER, "--profile", "prod", "--json")
    told = {s["name"]: (s["value"], s["source"]) for s in said.data["settings"]}

    assert said.status == 0
    assert told["FLOWSTONE_LEDGER_URL"] == (
        "postgresql://me:***@host/db",
        "environment",
    )
    assert told["FLOWSTONE_SIGNING_KEYS"] == ("one:***", "environment")
    assert told["FLOWSTONE_PACKS"] == ("auto", "default")
    assert told["TEMPORAL_PROFILE"] == ("prod", "code")
    assert told["TEMPORAL_ADDRESS"] == ("shop.tmprl.cloud:7233", "profile")
    assert told["TEMPORAL_NAMESPACE"] == ("shop", "environment")
    assert told["TEMPORAL_API_KEY"] == ("***", "profile")
    assert told["TEMPORAL_TLS"] == ("on, by the API key", "default")
    assert told["resources['warehouse']"] == ("Warehouse", "code")
    assert told["io['default']"] == ("PostgresIO", "default")
    for secret in ("horse", KEY, "hidden-key", SECRET):
        assert secret not in said.out


def test_settings_are_told_without_an_app(typed: Type) -> None:
    """Without an app there are the settings of the environment, in columns."""
    said = typed("config")

    assert said.status == 0
    assert said.out.splitlines()[0].split() == ["SETTING", "VALUE", "FROM", "FOR"]
    assert "FLOWSTONE_WORKER_SLOTS" in said.out
    assert "resources[" not in said.out


def test_settings_that_cannot_be_are_told_at_once(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All problems are told after the table, and the status is 2."""
    monkeypatch.setenv("FLOWSTONE_PACKS", "x")
    monkeypatch.setenv("FLOWSTONE_WORKER_DRAIN", "soon")
    monkeypatch.setenv("FLOWSTONE_WORKER_DRIAN", "30")
    plain = typed("config", APP)
    machine = typed("config", APP, "--json")

    assert (plain.status, machine.status) == (2, 2)
    assert "FLOWSTONE_PACKS" in plain.out
    assert "2 problems in the configuration" in plain.err
    assert "warning: FLOWSTONE_WORKER_DRIAN is not a setting." in plain.err
    assert len(machine.data["problems"]) == 2
    assert machine.data["strangers"] == [
        "FLOWSTONE_WORKER_DRIAN is not a setting. Did you mean FLOWSTONE_WORKER_DRAIN?"
    ]


def test_a_profile_that_is_not_there_is_told(
    typed: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What cannot be read of Temporal's configuration is a problem like any other."""
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    said = typed("config", "--profile", "prod")

    assert said.status == 2
    assert "Profile 'prod' not found. It has no profiles." in said.error
