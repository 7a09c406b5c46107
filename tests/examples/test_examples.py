"""Every example that is shipped, on both engines."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples.stage import EXAMPLES, Engine, Seen, load, on_local, on_temporal

pytestmark = pytest.mark.service

Play = Callable[[str, Engine], Seen]


@pytest.fixture(scope="session")
def recordings() -> dict[tuple[str, Engine], Seen]:
    """Keep what was seen, so that each example is played once on each engine."""
    return {}


@pytest.fixture
def play(
    request: pytest.FixtureRequest, recordings: dict[tuple[str, Engine], Seen]
) -> Play:
    """Play an example on an engine, or remember what was seen when it was played."""

    def played(example: str, engine: Engine) -> Seen:
        if (example, engine) not in recordings:
            if engine == "local":
                seen = asyncio.run(on_local(example))
            else:
                address: str = request.getfixturevalue("temporal")
                seen = asyncio.run(on_temporal(example, address))
            recordings[example, engine] = seen
        return recordings[example, engine]

    return played


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("engine", ["local", "temporal"])
def test_an_example_keeps_its_word(play: Play, engine: Engine, example: str) -> None:
    """What an example says of itself is true on every engine.

    E2E-01, E2E-03, E2E-04, E2E-05, E2E-06, E2E-07, E2E-11, E2E-14, E2E-15, E2E-16,
    E2E-20, SEN-03.
    """
    assert play(example, engine).runs


@pytest.mark.parametrize("example", EXAMPLES)
def test_both_engines_make_the_same(play: Play, example: str) -> None:
    """An example leaves the same values, lineage, events and errors on both engines."""
    local, temporal = play(example, "local"), play(example, "temporal")

    assert temporal.values == local.values
    assert temporal.lineage == local.lineage
    assert temporal.runs == local.runs


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_typed(example: str) -> None:
    """The annotations of an example's assets can be read, so that values decode."""
    module = load(example)

    for asset in module.app.pipeline:
        assert "return" in typing.get_type_hints(asset.function)
        assert asset.hints.returns is not None


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_fits_on_a_page(example: str) -> None:
    """An example says in its first line what it shows, and has no more than 80."""
    module = load(example)
    assert module.__file__ is not None
    assert module.__doc__ is not None

    with open(module.__file__) as file:
        assert len(file.readlines()) <= 80
    assert ": " in module.__doc__.splitlines()[0]


def test_examples_have_names_of_their_own() -> None:
    """Examples share a ledger, where two apps of one name would be one."""
    files = sorted(Path(__file__, "../../../dev/examples").resolve().glob("*.py"))
    names = [load(file.stem).app.name for file in files]

    assert sorted(set(names)) == sorted(names)
