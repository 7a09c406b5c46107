"""Settings: read in one place, told with their source, refused all at once."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from flowstone import (
    ConfigurationError,
    Flowstone,
    MemoryIO,
    Pipeline,
    PostgresIO,
    Secrets,
    SqlLedger,
    asset,
)
from flowstone.opening import unchecked_toolbox
from flowstone.settings import Settings

SECRET = "a secret of the tests"
DSN = "postgresql://me:horse@127.0.0.1:1/db"


@asset
def number() -> int:
    return 1


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with an environment that says nothing."""
    for setting in Settings.shown():
        monkeypatch.delenv(setting.name, raising=False)


async def test_nothing_configured_keeps_values_in_memory() -> None:
    """Without any setting an app runs in this process, from memory (CFG-01)."""
    settings = Settings.from_env({})

    assert settings.ledger_url is None
    assert settings.packs == "auto"
    app = Flowstone("shop", Pipeline(number))
    async with app.local() as stone:
        assert (await stone.health())["default"].detail == "MemoryIO"
        assert await (await stone.materialize(number)).result() == 1


def test_what_is_given_in_code_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment fills in what code leaves out, and nothing else (CFG-03)."""
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", "postgresql://other@127.0.0.1:1/other")
    monkeypatch.setenv("FLOWSTONE_SIGNING_KEYS", f"env:{SECRET}")
    given = SqlLedger(DSN)
    managers = {"default": PostgresIO(DSN, table="mine"), "memory": MemoryIO()}
    secrets = Secrets({"code": SECRET.encode()})
    app = Flowstone(
        "shop", Pipeline(number), ledger=given, io=managers, secrets=secrets
    )

    toolbox = unchecked_toolbox(app)
    assert toolbox.ledger is given
    assert dict(toolbox.io) == managers
    assert dict(toolbox.keys) == {"code": SECRET.encode()}

    left_out = unchecked_toolbox(Flowstone("shop", Pipeline(number)))
    assert "other" in left_out.ledger.database.where()
    assert dict(left_out.keys) == {"env": SECRET.encode()}


async def test_what_cannot_be_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each wrong setting, what is missing and a bad profile are one error (CFG-04)."""
    monkeypatch.setenv("FLOWSTONE_PACKS", "x")
    monkeypatch.setenv("FLOWSTONE_WORKER_SLOTS", "many")
    monkeypatch.setenv("FLOWSTONE_RESOURCE_ATTEMPTS", "0")
    monkeypatch.setenv("FLOWSTONE_SIGNING_KEYS", f"one:{SECRET},two:short,three")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    (tmp_path / "temporal.toml").write_text('[profile.prod]\naddress = "a:1"\n')
    app = Flowstone("shop", Pipeline(number))

    with pytest.raises(ConfigurationError) as caught:
        await app.connect(profile="live")

    assert set(caught.value.problems) == {
        "FLOWSTONE_PACKS is 'x'; use auto, off or whole.",
        "FLOWSTONE_WORKER_SLOTS is 'many'; use a number, from 1 to 1000.",
        "FLOWSTONE_RESOURCE_ATTEMPTS is '0'; use a number, from 1 to 10000.",
        "Key 'two' of FLOWSTONE_SIGNING_KEYS is shorter than 16 characters.",
        "Entry 3 of FLOWSTONE_SIGNING_KEYS is not `id:secret`.",
        "The app has no ledger: give ledger=SqlLedger(url), or set "
        "FLOWSTONE_LEDGER_URL to a Postgres.",
        "Temporal's configuration cannot be read: Profile 'live' not found. Its "
        "profiles are 'prod'.",
    }


async def test_what_does_not_answer_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database and a Temporal that are both away are told together."""
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", DSN)
    app = Flowstone("shop", Pipeline(number))

    with pytest.raises(ConfigurationError) as caught:
        await app.connect("127.0.0.1:1")

    ledger, temporal = caught.value.problems
    assert "postgresql+psycopg://me:***@127.0.0.1:1/db does not answer" in ledger
    assert temporal.startswith("Temporal at 127.0.0.1:1 does not answer")
    assert "horse" not in str(caught.value)


def test_a_setting_is_shown_with_its_source_and_without_its_secret() -> None:
    """Each setting has its value, where it comes from, and nothing that is secret."""
    environ = {
        "FLOWSTONE_LEDGER_URL": DSN,
        "FLOWSTONE_SIGNING_KEYS": f"one:{SECRET}",
        "FLOWSTONE_S3_SECRET_KEY": SECRET,
        "FLOWSTONE_WORKER_DRAIN": "PT90S",
        "FLOWSTONE_ACTOR": "ann",
    }
    shown = {s.name: s for s in Settings.shown(environ=environ)}

    def told(name: str) -> tuple[str | None, str]:
        setting = shown[f"FLOWSTONE_{name}"]
        return setting.value, setting.source

    assert told("LEDGER_URL") == ("postgresql://me:***@127.0.0.1:1/db", "environment")
    assert told("SIGNING_KEYS") == ("one:***", "environment")
    assert told("S3_SECRET_KEY") == ("***", "environment")
    assert told("WORKER_DRAIN") == ("90 s", "environment")
    assert told("ACTOR") == ("ann", "environment")
    assert told("PACKS") == ("auto", "default")
    assert told("WORKER_HEALTH_PORT") == (None, "default")
    assert SECRET not in str([asdict(s) for s in shown.values()])


def test_a_wrong_secret_is_not_shown_either() -> None:
    """A setting that cannot be says why, and what is secret of it stays so."""
    environ = {"FLOWSTONE_SIGNING_KEYS": f"{SECRET}", "FLOWSTONE_PACKS": "x"}
    shown = {s.name: s for s in Settings.shown(environ=environ)}

    keys = shown["FLOWSTONE_SIGNING_KEYS"]
    assert (keys.value, keys.problem) == (
        "***",
        "Entry 1 of FLOWSTONE_SIGNING_KEYS is not `id:secret`.",
    )
    assert shown["FLOWSTONE_PACKS"].value == "x"
    assert shown["FLOWSTONE_PACKS"].problem


def test_what_code_gives_is_shown_as_such() -> None:
    """A setting that code gives in its place has that value, whatever is set."""
    [row, *_] = Settings.shown({"ledger_url": "given"}, {"FLOWSTONE_LEDGER_URL": DSN})

    assert (row.value, row.source, row.problem) == ("given", "code", "")


def test_settings_have_no_secret_in_their_representation() -> None:
    """Neither the ledger's password nor a key is in what is printed."""
    settings = Settings.from_env(
        {"FLOWSTONE_LEDGER_URL": DSN, "FLOWSTONE_SIGNING_KEYS": f"one:{SECRET}"}
    )

    assert settings.ledger_url == DSN
    assert settings.signing_keys.signing_keys == {"one": SECRET.encode()}
    assert "horse" not in repr(settings)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("45.0", 45), ("0.5", 0.5), ("PT2M", 120), ("0:01:00", 60)],
)
def test_a_time_is_written_as_people_do(text: str, seconds: float) -> None:
    """Seconds, ISO 8601 and hours, minutes and seconds are all read."""
    found = Settings.from_env({"FLOWSTONE_WORKER_DRAIN": text}).worker_drain

    assert found == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["soon", "1.2.3", "-", "-5", "0", "9" * 30])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """What is no time is refused at the start."""
    with pytest.raises(ConfigurationError, match="use seconds, PT30S or 0:00:30"):
        Settings.from_env({"FLOWSTONE_WORKER_DRAIN": text})


def test_an_empty_variable_says_nothing() -> None:
    """A variable that is set to nothing, as compose files do, counts as unset."""
    empty = {"FLOWSTONE_WORKER_HEALTH_PORT": "", "FLOWSTONE_WORKER_SLOTS": ""}

    assert Settings.from_env(empty) == Settings.from_env({})


def test_what_looks_like_a_setting_and_is_none_is_named() -> None:
    """A misspelt variable is told, with the one that was meant."""
    environ = {"FLOWSTONE_LEGDER_URL": "x", "FLOWSTONE_ACTOR": "me", "OTHER": "x"}

    assert Settings.strangers(environ) == [
        "FLOWSTONE_LEGDER_URL is not a setting. Did you mean FLOWSTONE_LEDGER_URL?"
    ]
