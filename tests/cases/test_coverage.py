"""Each line of the behavioural cases has a test, or a reason why not."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import cast

import pytest

TESTS = Path(__file__).parents[1]
STATES = {"test", "later", "superseded_by", "upstream_only"}
MOST_LEFT_OUT = 0.15

CASES = cast(
    "dict[str, dict[str, dict[str, str]]]",
    tomllib.loads((TESTS / "cases.toml").read_text()),
)


def docstrings(path: Path) -> dict[str, str]:
    """Give the docstring of each test of a file."""
    tree = ast.parse(path.read_text())
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("file", CASES)
def test_every_line_has_one_state(file: str) -> None:
    """Each line of a file of cases is tested, put off, or left out with a reason."""
    for line, state in CASES[file].items():
        assert len(state) == 1, line
        [(word, reason)] = state.items()
        assert word in STATES, line
        assert reason, line


@pytest.mark.parametrize("file", CASES)
def test_a_test_that_is_named_exists_and_carries_the_line(file: str) -> None:
    """The test that a line names is there, and says so in its docstring."""
    for line, state in CASES[file].items():
        if "test" not in state:
            continue
        path, _, name = state["test"].partition("::")
        found = docstrings(TESTS / path)
        if name == "*":
            whole = (TESTS / path).read_text()
            assert line in whole, f"{line} is not in {path}"
        else:
            assert name in found, f"{line} names {name}, which is not in {path}"
            assert line in found[name], f"{name} does not carry {line}"


@pytest.mark.parametrize("file", CASES)
def test_few_lines_are_left_out(file: str) -> None:
    """At most 15 % of a file's lines are superseded or another's mechanism."""
    out = [
        s for s in CASES[file].values() if {"superseded_by", "upstream_only"} & set(s)
    ]

    assert len(out) <= MOST_LEFT_OUT * len(CASES[file])
