"""The command line in this process, and a folder to keep things in."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowstone.cli.main import main
from tests.unit.cli.typed import Said, Type


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    """Type words in this process."""

    def type_words(*words: str, **environ: str) -> Said:
        capsys.readouterr()
        status = main(words, environ)
        found = capsys.readouterr()
        return Said(status, found.out, found.err)

    return type_words


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the words by which a command keeps everything in a folder of its own."""
    monkeypatch.setenv("SHOP_FOLDER", str(tmp_path))
    return f"--local={tmp_path / 'kept'}"
