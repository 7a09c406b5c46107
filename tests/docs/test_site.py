"""The documentation's site: it is whole, it has every public name, it stands alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flowstone
from tests.docs.pages import ROOT

LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?P<src>(?:https?:)?//[^\"' >]+)"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))"
    r"[^>]*\bhref=[\"']?(?P<href>(?:https?:)?//[^\"' >]+)"
    r"|class=[\"']?(?P<mermaid>mermaid)\b"
)
"""What a reader's browser would fetch elsewhere; the theme fetches Mermaid's script."""

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("site")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Build the site strictly; give its folder, and what the build said."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"),
            *("--site-dir", str(folder)),
        ],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return folder, done.stdout


def test_the_site_is_built_without_a_warning(built: tuple[Path, str]) -> None:
    """Each page is in the menu, each link and each reference leads somewhere."""
    folder, said = built

    assert said == ""
    assert (folder / "index.html").is_file()
    assert (folder / "search" / "search_index.json").is_file()


def test_every_public_name_is_in_the_reference(built: tuple[Path, str]) -> None:
    """The page of public names has all that `flowstone` exports, from docstrings."""
    folder, _ = built
    page = (folder / "reference" / "api.html").read_text()

    headings = set(re.findall(r'<h3[^>]* id="flowstone\.(\w+)"', page))
    assert headings == set(flowstone.__all__)


def test_the_site_fetches_nothing_from_elsewhere(built: tuple[Path, str]) -> None:
    """A reader without any other host sees all of a page: no font, script or picture."""
    folder, _ = built

    pages = list(folder.rglob("*.html"))
    found = {
        f"{page.relative_to(folder)}: {match[0]}"
        for page in pages
        for match in LOADED.finditer(page.read_text())
    }
    assert len(pages) > 30
    assert sorted(found) == []


def test_the_picture_of_the_graph_is_the_graph() -> None:
    """The drawing of the demonstration's assets is what its pipeline says today."""
    done = subprocess.run(
        [sys.executable, "dev/picture", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
