"""The house stays as it was built: sizes, exports, colours, layers of imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from tests.house.source import ROOT, Function, Module, files, functions, modules

MODULE_LINES, FUNCTION_LINES = 400, 40
GENERATED = {"flowstone/client_sync.py"}
SOURCE = modules("flowstone", "workers", "dev")
PUBLIC = [m for m in modules("flowstone") if "/migrations/" not in m.path]
HEAVY = {
    "alembic",
    "asyncio",
    "boto3",
    "psycopg",
    "pyarrow",
    "pydantic",
    "sqlalchemy",
    "temporalio",
}
LOOP_OF_USERS = "flowstone/steps/background.py"
"""It may have `async def`: it is the loop on which users' own coroutines are awaited."""
HOME = re.compile(r"(?<![\w.])/(?:home|Users)/\w|(?<![\w./-])/roo[t]/")
"""A path below somebody's home directory."""


def _length(function: Function) -> int:
    """Count a function's lines, without its docstring and what it overloads."""
    first, last = function.lineno, function.end_lineno or function.lineno
    docstring = 0
    head = function.body[0]
    if isinstance(head, ast.Expr) and isinstance(head.value, ast.Constant):
        docstring = (head.end_lineno or head.lineno) - head.lineno + 1
    return last - first + 1 - docstring


def test_a_module_fits_in_one_sitting() -> None:
    """No module has more than 400 lines; what is generated is exempt."""
    found = {
        m.path: len(m.text.splitlines()) for m in SOURCE if m.path not in GENERATED
    }

    assert [f"{p}: {n} lines" for p, n in found.items() if n > MODULE_LINES] == []


def test_a_function_fits_on_a_screen() -> None:
    """No function has more than 40 lines, its docstring not counted."""
    found = {
        f"{m.path}:{name}": _length(function)
        for m in SOURCE
        if m.path not in GENERATED
        for name, function in functions(m)
    }

    assert [f"{p}: {n} lines" for p, n in found.items() if n > FUNCTION_LINES] == []


def _rank(name: str) -> tuple[int, list[object]]:
    """Order names as ruff does: CONSTANTS, Classes, the rest; numbers as numbers."""
    constant = len(name) > 1 and name.isupper()
    kind = 0 if constant else 1 if name[:1].isupper() else 2
    parts = re.split(r"(\d+)", name)
    return kind, [(0, int(p)) if p.isdigit() else (1, p) for p in parts]


def _defined(module: Module) -> set[str]:
    """Give the functions and classes that a module defines for others."""
    names = {
        n.name
        for n in module.tree.body
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    return {n for n in names if not n.startswith("_")}


def test_a_module_says_what_it_exports() -> None:
    """What a module defines for others is in its `__all__`; all else begins with _."""
    unsaid = {m.path: sorted(_defined(m) - set(m.exported or ())) for m in PUBLIC}

    assert [f"{path}: {', '.join(n)}" for path, n in unsaid.items() if n] == []


def test_exports_are_sorted() -> None:
    """Each `__all__` is in the order that the linter knows, and names nothing twice."""
    lists = {m.path: m.exported or [] for m in PUBLIC}

    assert [p for p, names in lists.items() if names != sorted(names, key=_rank)] == []
    assert [p for p, names in lists.items() if len(names) != len(set(names))] == []


def test_nothing_is_taken_that_is_not_offered() -> None:
    """What one module imports from another, the other one exports."""
    exported = {m.name: set(m.exported or ()) for m in PUBLIC}

    taken = {
        f"{m.path} takes {alias.name} from {node.module}"
        for m in SOURCE
        for node in ast.walk(m.tree)
        if isinstance(node, ast.ImportFrom) and node.module in exported
        for alias in node.names
        if alias.name not in exported[node.module]
        if f"{node.module}.{alias.name}" not in exported
    }

    assert sorted(taken) == []


def test_importing_flowstone_costs_nothing() -> None:
    """`import flowstone` in a fresh process loads nothing heavy."""
    code = "import flowstone, sys; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert "flowstone" in found
    assert HEAVY & set(found) == set()


def test_doing_is_plain_def() -> None:
    """No step, store or ledger has an `async def`: only flows decide and wait."""
    effects = modules("flowstone/steps", "flowstone/io", "flowstone/ledger")

    found = {
        f"{m.path}:{name}"
        for m in effects
        if m.path != LOOP_OF_USERS
        for name, function in functions(m)
        if isinstance(function, ast.AsyncFunctionDef)
    }

    assert effects
    assert sorted(found) == []


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import random",
        "from uuid import uuid4",
        "import datetime\n\n\ndef now() -> object:\n    return datetime.datetime.now()",
        "import asyncio\n\nasyncio.wait",
        "import asyncio\n\nasyncio.as_completed",
        "import asyncio\n\nasyncio.to_thread",
    ],
)
def test_a_flow_may_not_name_what_differs_on_replay(line: str) -> None:
    """The linter refuses a clock, a dice or an unordered wait in a flow."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--output-format", "concise"),
            *("--stdin-filename", "flowstone/flows/invented.py", "-"),
        ],
        input=f"{line}\n",
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert "TID251" in done.stdout, done.stdout + done.stderr


def test_the_changelog_awaits_the_next_release() -> None:
    """The changelog has an Unreleased section on top."""
    headings = re.findall(
        r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )

    assert headings[0] == "[Unreleased]"


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No file holds a path of a home directory, or of this checkout."""
    here = str(ROOT) if len(ROOT.parts) > 2 else None

    found: set[str] = set()
    for path in files("."):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if HOME.search(text) or (here and re.search(rf"{re.escape(here)}\b", text)):
            found.add(path.relative_to(ROOT).as_posix())

    assert sorted(found) == []
