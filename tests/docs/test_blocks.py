"""What the documentation shows is true: its blocks run, its links lead somewhere.

The Python blocks of one page run in one process, in order. `await` works at their top
level, as in `python -m asyncio`. A `text` block right after one is what it prints; after
one that is marked `raises`, it is the error.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import CodeType

import pytest

from flowstone import FlowstoneError
from flowstone.cli.main import main
from tests.docs.pages import PAGES, ROOT, Block, blocks, name_of

PYTHON = [p for p in PAGES if any(b.language == "python" for b in blocks(p))]


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Forget what a page sets in the environment."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def _compiled(page: Path, block: Block) -> CodeType:
    """Compile a block so that its lines are those of its page."""
    return compile(
        "\n" * block.line + block.text,
        str(page),
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        dont_inherit=True,
    )


def _run(code: CodeType, names: dict[str, object], runner: asyncio.Runner) -> str:
    """Run a block; give what it printed, or (from its class on) the error it raised."""
    out = StringIO()
    with redirect_stdout(out):
        if not code.co_flags & inspect.CO_COROUTINE:
            exec(code, names)
        else:
            runner.run(eval(code, names))
    return out.getvalue()


def _shown(
    page: Path, block: Block, names: dict[str, object], runner: asyncio.Runner
) -> str:
    code = _compiled(page, block)
    if block.marks != "raises":
        return _run(code, names, runner)
    with pytest.raises(FlowstoneError) as caught:
        _run(code, names, runner)
    return f"{type(caught.value).__name__}: {caught.value}\n"


def _with_expected(page: Path) -> Iterator[tuple[Block, str | None]]:
    """Give each Python block, with the `text` block that follows it, if one does."""
    found = list(blocks(page))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.language == "python":
            expected = after and after.follows and after.language == "text"
            yield block, after.text if after and expected else None


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Undo what a page does to the log of this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("page", PYTHON, ids=name_of)
def test_a_page_shows_what_happens(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python block of the documentation runs, and prints what is said."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}

    with asyncio.Runner() as runner:
        for block, expected in _with_expected(page):
            shown = _shown(page, block, names, runner)
            where = f"{name_of(page)}, line {block.line}"
            assert block.marks in {"", "raises"}, f"{where}: {block.marks!r}"
            if expected is not None:
                assert shown == expected, where


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Give each command that the documentation shows."""
    for page in PAGES:
        for block in blocks(page):
            if block.language not in {"bash", "console", "sh"}:
                continue
            for line in block.text.splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    del words[0]
                if words:
                    yield f"{name_of(page)}, line {block.line}", words


def test_every_script_that_is_shown_is_there() -> None:
    """A script that the documentation calls is in the repository."""
    scripts = {w[0] for _, w in _commands() if re.match(r"(\./)?dev/", w[0])}

    assert {"./dev/demo", "./dev/test"} <= scripts
    assert [s for s in sorted(scripts) if not (ROOT / s).is_file()] == []


def test_every_command_that_is_shown_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that the documentation shows is built, and has the options shown."""
    shown = [
        (where, words[1:]) for where, words in _commands() if words[0] == "flowstone"
    ]

    assert shown
    wrong: list[str] = []
    for where, words in shown:
        typed = [w for w in words if not w.startswith("-")]
        status = main([*typed[:2], "--help"], {"COLUMNS": "200"})
        told = capsys.readouterr().out
        options = {w.partition("=")[0] for w in words if w.startswith("--")}
        if status or "Not built yet" in told or any(o not in told for o in options):
            wrong.append(f"{where}: {shlex.join(words)}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link from one page to another names a file, and a heading that is in it."""
    broken: list[str] = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (heading and heading not in _headings(found)):
            broken.append(target)

    assert broken == []


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}


def test_every_page_can_be_reached() -> None:
    """The index, or a page that it leads to, links to every other page."""
    ahead, seen = [ROOT / "docs" / "index.md"], set[Path]()
    while ahead:
        page = ahead.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = re.findall(r"\]\((?!https?:)([^)\s#]+\.md)", page.read_text())
        ahead += [(page.parent / target).resolve() for target in targets]

    unreached = [
        p for p in PAGES if p not in seen and "docs" in p.relative_to(ROOT).parts
    ]
    assert [name_of(p) for p in unreached] == []
