"""A line names its app in one of three ways, and means the same."""

from __future__ import annotations

import pytest
import typer

from flowstone.cli.line import read_line

GROUPS = {"runs", "db"}
SHOP = {"FLOWSTONE_APP": "shop:app"}


def read(line: str, environ: dict[str, str] | None = None) -> str:
    return " ".join(read_line(line.split(), environ or {}, GROUPS).words)


@pytest.mark.parametrize(
    ("line", "environ"),
    [
        ("materialize shop:app report -p 7", {}),
        ("materialize --app shop:app report -p 7", {}),
        ("materialize report -p 7 --app=shop:app", {}),
        ("--app shop:app materialize report -p 7", {}),
        ("materialize report -p 7", SHOP),
        ("materialize shop:app report -p 7", {"FLOWSTONE_APP": "other:app"}),
        ("materialize report -p 7 --app shop:app", {"FLOWSTONE_APP": "other:app"}),
    ],
)
def test_the_app_is_named_in_three_ways(line: str, environ: dict[str, str]) -> None:
    """First argument, option and environment are one; the more explicit one wins."""
    assert read(line, environ) == "materialize shop:app report -p 7"


def test_the_app_comes_after_both_words_of_a_group() -> None:
    """In a group, the app is the first argument of the command, not of the group."""
    assert read("runs list --limit 3", SHOP) == "runs list shop:app --limit 3"
    assert read("runs", SHOP) == "runs"
    assert read("--help", SHOP) == "--help"


def test_what_comes_after_two_dashes_is_left_alone() -> None:
    """After `--` nothing is an option, not even the app."""
    assert read("plan x -- --app y --debug") == "plan x -- --app y --debug"


@pytest.mark.parametrize("line", ["materialize x --app", "materialize --app --json x"])
def test_an_app_option_without_an_app_is_refused(line: str) -> None:
    """`--app` alone says that it wants module:name."""
    with pytest.raises(typer.BadParameter, match="module:name"):
        read(line)


@pytest.mark.parametrize(
    ("line", "read_as"),
    [
        ("status a:b x --local", "status a:b x --local="),
        ("status a:b x --local --json", "status a:b x --local= --json"),
        ("status a:b x --local here", "status a:b x --local here"),
        ("status a:b x --local=here", "status a:b x --local=here"),
    ],
)
def test_the_folder_of_local_may_be_left_out(line: str, read_as: str) -> None:
    """`--local` at the end, or before another option, keeps nothing."""
    assert read(line) == read_as


def test_debug_and_json_are_heard_anywhere() -> None:
    """A line says before anything is read whether it wants JSON and tracebacks."""
    line = read_line(["graph", "a:b", "--debug", "--json"], {}, GROUPS)

    assert (line.debug, line.json) == (True, True)
    assert line.words == ["graph", "a:b", "--json"]
