"""Whatever goes wrong is one clear line, or one JSON object, and a status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowstone.cli.later import LATER
from tests.unit.cli.typed import APP, ROOT, Said, Type, shell


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"materialize {APP} reprot --local", "Did you mean 'report'?"),
        (f"backfill {APP} reprot --local", "Did you mean 'report'?"),
        (f"value {APP} reprot --local", "Did you mean 'report'?"),
        (f"runs list {APP} --asset reprot --local", "Did you mean 'report'?"),
        (f"materialize {APP} report --local", "say which one"),
        (
            f"materialize {APP} report -p 2024-01-01 --local",
            "not one of the partitions",
        ),
        (f"materialize {APP} raw -p (1 --local", "'(1' cannot be a partition"),
        (f"materialize {APP} raw -p {{b=1,a=2}} --local", "text is not canonical"),
        (f"materialize {APP} raw --policy stale --local", "policy='stale'"),
        (f"materialize {APP} raw --no-wait --local", "ends with it"),
        (f"backfill {APP} raw --local", "declares no space of keys"),
        (f"backfill {APP} regional --local", "it has no last key"),
        (f"backfill {APP} report --local --max-parallel 0", "'--max-parallel'"),
        (f"backfill {APP} report --local --on-failure panic", "on_failure='panic'"),
        (f"backfill {APP} raw --partitions 1 --from 1 --local", "one of the two ways"),
        (f"runs show {APP} 7 --local", "There is no run '7'"),
        (f"runs list {APP} --limit x --local", "'--limit'"),
        (f"value {APP} raw --local", "There is no value of 'raw'"),
        (f"lineage upstream {APP} raw --local", "There is no value of 'raw'"),
        (f"gates signal {APP} v1.a.b.c 1 --local", "The token is not valid"),
        (f"gates signal {APP} v1.a.b.c yes --local", "text is written in quotes"),
        (f"graph {APP} --format svg", "A graph as 'svg'"),
        (f"worker {APP} --drain soon", "'soon' is no time"),
        ("graph nowhere:app", "There is no module 'nowhere'"),
        ("graph tests.unit.cli.shop:shop", "no app named 'shop'. It has app."),
        ("graph tests.unit.cli.typed", "no app named 'app'. It has none."),
        ("graph", "Missing argument 'APP'"),
        ("graph --app", "name the app as module:name"),
        ("materialise a:b c", "Did you mean 'materialize'?"),
        ("db check --url mysql://x/y", "The ledger cannot be on 'mysql'"),
        ("db check", "There is no ledger"),
    ],
)
def test_misuse_is_one_line_and_status_two(
    typed: Type, monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    """What cannot be done is refused in a line that names it, or as JSON."""
    monkeypatch.delenv("FLOWSTONE_LEDGER_URL", raising=False)
    plain = typed(*line.split())
    machine = typed(*line.split(), "--json")

    assert (plain.status, plain.out) == (2, "")
    assert sentence in plain.error
    assert machine.status == 2
    assert sentence in machine.data["error"]["message"]
    assert machine.data["error"]["type"]


@pytest.mark.parametrize("name", LATER)
def test_what_is_not_built_is_refused(typed: Type, name: str) -> None:
    """Commands of later releases have their place, and say that they are later."""
    plain = typed(name, "list", "--some", "thing")
    machine = typed(name, "--json")

    assert (plain.status, plain.out) == (2, "")
    assert plain.error.startswith(f"`flowstone {name}` is not supported yet.")
    assert machine.data["error"]["type"] == "NotSupported"
    assert machine.data["error"]["what"] == f"`flowstone {name}`"


def test_an_app_that_is_not_well_formed_tells_all(
    typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app of the current folder whose pipeline is wrong is told as such."""
    (tmp_path / "bad_shop.py").write_text(
        "from flowstone import Flowstone, Pipeline, asset\n"
        "@asset\n"
        "def a(b: int) -> int: ...\n"
        "@asset\n"
        "def b(a: int) -> int: ...\n"
        "app = Flowstone('shop', Pipeline(a, b))\n"
    )
    monkeypatch.chdir(tmp_path)
    said = typed("graph", "bad_shop:app")

    assert said.status == 2
    assert "Assets need each other in a circle" in said.error


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "import not_installed",
            "ModuleNotFoundError: No module named 'not_installed'",
        ),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: "),
    ],
)
def test_a_module_that_breaks_is_named(tmp_path: Path, text: str, why: str) -> None:
    """A module that cannot be imported is named, with why; --debug shows where."""
    (tmp_path / "broken_shop.py").write_text(text)
    said = shell("graph", "broken_shop", cwd=tmp_path)
    debugged = shell("graph", "broken_shop", "--debug", cwd=tmp_path)

    assert said.status == 2
    assert f"Module 'broken_shop' cannot be imported: {why}" in said.error
    assert "Traceback" in debugged.err


SURPRISE = """
from flowstone import Flowstone, Pipeline, asset

@asset
def a() -> int:
    return 1

class Odd(Flowstone):
    def local(self, *_, **__):
        raise RuntimeError("a surprise\\nof two lines")

app = Odd("odd", Pipeline(a))
"""


def test_a_surprise_keeps_its_traceback_for_debug(tmp_path: Path) -> None:
    """What nobody foresaw is one line, that says how to see more."""
    (tmp_path / "odd.py").write_text(SURPRISE)
    words = ("status", "odd", "a", "--local")
    said = shell(*words, cwd=tmp_path)
    machine = shell(*words, "--json", cwd=tmp_path)
    debugged = shell(*words, "--debug", cwd=tmp_path)

    assert said.status == 1
    assert said.error == (
        "RuntimeError: a surprise of two lines (--debug shows the traceback)"
    )
    assert machine.data["error"]["type"] == "RuntimeError"
    assert "Traceback (most recent call last)" in debugged.err


def test_a_reader_that_leaves_is_no_error() -> None:
    """A pipe that is closed early ends the command without a word."""
    words = [sys.executable, "-m", "flowstone.cli", "graph", APP, "--json"]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().decode()

    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_a_command_that_is_not_named_gets_help(typed: Type) -> None:
    """Without a command the help is shown, and the status is that of misuse."""
    alone, group = typed(), typed("runs")

    assert (alone.status, group.status) == (2, 2)
    assert "materialize" in alone.out
    assert "cancel" in group.out
    assert (alone.err, group.err) == ("", "")


def test_statuses_are_the_same_for_json() -> None:
    """A process ends with the status that its answer tells."""
    said: Said = shell("graph", "nowhere", "--json")

    assert said.status == 2
    assert said.err == ""
    assert said.data["error"]["problems"]
