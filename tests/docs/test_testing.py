"""The tests that the documentation shows pass, as a module of somebody's suite."""

from __future__ import annotations

import pytest

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "test-assets.md"


@pytest.mark.service
@pytest.mark.timeout(120)
def test_the_tests_that_are_shown_pass(pytester: pytest.Pytester) -> None:
    """The page on testing, its blocks in one file, is a test module that passes."""
    shown = [b.text for b in blocks(PAGE) if b.language == "python"]
    pytester.makepyfile(test_page="\n\n".join(shown))
    pytester.makeini(
        """
        [pytest]
        asyncio_mode = auto
        asyncio_default_fixture_loop_scope = function
        addopts = --strict-markers --strict-config
        """
    )

    found = pytester.runpytest_subprocess()

    count = sum(text.count("def test_") for text in shown)
    assert count >= 10
    found.assert_outcomes(passed=count)
