"""The command as a process: fast, interruptible, and gone when it is done."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.harness import eventually
from tests.unit.cli.typed import APP, ROOT, Type, shell, started

HEAVY = {"alembic", "psycopg", "pyarrow", "sqlalchemy", "temporalio"}


def loaded(code: str, folder: Path) -> tuple[str, set[str]]:
    """Run code that calls the command; give what it wrote, and the modules it loaded."""
    out = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return "\n".join(out[:-1]), set(out[-1].split())


@pytest.mark.parametrize("words", [["--help"], ["materialize", "--help"]])
def test_help_comes_at_once(words: list[str], tmp_path: Path) -> None:
    """Help loads no library of a server or a store: nobody waits for them."""
    code = f"from flowstone.cli.main import main; assert main({words}, {{}}) == 0"
    said, modules = loaded(code, tmp_path)

    assert "Usage" in said
    assert HEAVY & modules == set()


def test_a_graph_needs_no_server_library(tmp_path: Path) -> None:
    """Drawing the graph loads neither Temporal nor a database."""
    (tmp_path / "tiny.py").write_text(
        "from flowstone import Flowstone, Pipeline, asset\n"
        "@asset\n"
        "def a() -> int: ...\n"
        "app = Flowstone('tiny', Pipeline(a))\n"
    )
    code = (
        "from flowstone.cli.main import main\n"
        "assert main(['graph', 'tiny:app'], {}) == 0"
    )
    said, modules = loaded(code, tmp_path)

    assert said.startswith("a")
    assert HEAVY & modules == set()


def test_the_release_is_told(typed: Type) -> None:
    """`--version` names the release that is installed."""
    said = typed("--version")

    assert (said.status, said.out) == (0, f"flowstone {version('flowstone')}\n")


@pytest.mark.parametrize(
    "words",
    [
        (), ("dev",), ("worker",), ("materialize",), ("backfill",), ("status",),
        ("value",), ("graph",), ("runs", "list"), ("runs", "show"), ("runs", "events"),
        ("runs", "wait"), ("runs", "cancel"), ("lineage", "upstream"),
        ("lineage", "downstream"), ("lineage", "impact"), ("gates", "list"),
        ("gates", "signal"), ("db", "upgrade"), ("db", "check"), ("plan",),
    ],
)  # fmt: skip
def test_every_command_has_help_and_json(typed: Type, words: tuple[str, ...]) -> None:
    """Every command explains itself, and answers in JSON."""
    said = typed(*words, "--help")

    assert said.status == 0
    assert "Usage: " in said.out
    assert not words or "--json" in said.out


def test_an_interrupted_local_run_is_cancelled(tmp_path: Path) -> None:
    """Ctrl-C cancels a run in this process, says so, and ends with status 130."""
    kept = f"--local={tmp_path / 'kept'}"
    env = {"SHOP_FOLDER": str(tmp_path)}
    with started("materialize", APP, "slow", kept, env=env) as process:
        eventually((tmp_path / "slow").exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    runs = shell("runs", "list", APP, kept, "--json").data

    assert (process.returncode, out) == (130, "")
    assert f"error: interrupted; run {runs[0]['run_id']} was cancelled\n" in err
    assert "Traceback" not in err
    assert runs[0]["status"] == "cancelled"


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """Who presses Ctrl-C twice does not wait; the next look ends what was left."""
    kept = f"--local={tmp_path / 'kept'}"
    (tmp_path / "deaf.py").write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from flowstone import Flowstone, Pipeline, asset\n"
        "@asset\n"
        "def deaf() -> int:\n"
        "    Path('slow').touch()\n"
        "    time.sleep(30)\n"
        "    return 1\n"
        "app = Flowstone('deaf', Pipeline(deaf))\n"
    )
    with started("materialize", "deaf:app", "deaf", kept, cwd=tmp_path) as process:
        assert process.stderr is not None
        eventually((tmp_path / "slow").exists)
        process.send_signal(signal.SIGINT)
        while "Ctrl-C again" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
    runs = shell("runs", "list", "deaf:app", kept, "--json", cwd=tmp_path).data

    assert process.returncode == 130
    assert runs[0]["status"] == "terminated"


def test_a_terminal_sees_a_bar_and_a_table(tmp_path: Path) -> None:
    """On a terminal, progress is a bar that goes away and answers are drawn."""
    words = ("backfill", APP, "regional", "--partitions", "{date=2025-01-11,region=eu}")
    main, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "flowstone.cli", *words, "--local"],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = b""
        while chunk := _read(main):
            shown += chunk
    os.close(main)
    text = shown.decode()

    assert process.returncode == 0
    assert "{date=2025-01-11,region=eu}: made" in text
    assert "━" in text
    assert "\x1b[?25h" in text  # the cursor is back
    assert "─────" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""
