"""An asset that makes no sense is refused where it is declared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import cast

import pytest

from flowstone.core.asset import asset, parallel, route, scatter, scatter_batches
from flowstone.core.errors import DefinitionError, NotSupported

Declare = Callable[..., Callable[[Callable[[], object]], object]]

declare = cast("Declare", asset)


def nothing() -> None:
    """Make nothing."""


BAD: list[tuple[dict[str, object], str]] = [
    ({"io": 5}, "io must be the name of an IO manager, not 5"),
    ({"needs": ["raw"]}, "needs must be a mapping from parameters to assets"),
    ({"after": "migrate"}, "after must be a list of assets, not 'migrate'"),
    ({"after": [5]}, r"after must be a list of assets, not \[5\]"),
    ({"partitions": ["eu"]}, "partitions must be a space, such as daily"),
    ({"retry": 3}, r"retry must be a Retry\(...\), not 3"),
    ({"timeout": 5}, "timeout must be a positive timedelta, not 5"),
    ({"timeout": timedelta(0)}, "timeout must be a positive timedelta"),
    ({"version": 2}, "version must be text, not 2"),
    ({"volatile": "yes"}, "volatile must be True or False, not 'yes'"),
    ({"tags": "sales"}, "tags must be a mapping of texts"),
    ({"resources": "warehouse"}, "must be a list of the names of resources"),
    ({"resources": [7]}, r"must be a list of the names of resources, not \[7\]"),
    ({"colour": 1, "age": 2}, "takes no keyword age, colour"),
]


@pytest.mark.parametrize(("keywords", "words"), BAD)
def test_a_keyword_without_a_sensible_value_is_refused(
    keywords: dict[str, object], words: str
) -> None:
    """What is wrong is told where it is written, and for which asset."""
    with pytest.raises(DefinitionError, match=f"@asset of 'nothing'.*{words}"):
        declare(**keywords)(nothing)


def test_what_may_be_left_out_may_be_none() -> None:
    """A space, a policy, a timeout and a version of `None` are as if left out."""
    asset(partitions=None, retry=None, timeout=None, version=None)(nothing)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda: 1, None),
        (partial(nothing), None),
        (nothing, "two words"),
        (nothing, "class"),
        (nothing, 5),
        (5, "five"),
    ],
)
def test_a_name_that_no_reader_can_write_is_refused(
    function: Callable[[], object], name: object
) -> None:
    """An asset's readers write its name as a parameter."""
    with pytest.raises(DefinitionError, match="a Python identifier"):
        declare(name=name)(function)


def test_what_has_no_name_can_be_given_one() -> None:
    """A lambda may be an asset, under a name."""
    assert asset(name="one")(lambda: 1).name == "one"


LATER: list[dict[str, object]] = [
    {"queue": "gpu"},
    {"priority": 1},
    {"pool": "db"},
    {"pool_units": 2},
    {"heartbeat": timedelta(seconds=5)},
    {"routed_from": "router"},
]


@pytest.mark.parametrize("keyword", LATER)
def test_what_is_not_built_yet_is_refused(keyword: dict[str, object]) -> None:
    """A keyword whose work is not built is refused, and never ignored."""
    [word] = keyword
    with pytest.raises(NotSupported, match=rf"@asset\({word}=...\) of 'nothing'"):
        declare(**keyword)(nothing)


def test_what_asks_for_nothing_is_taken() -> None:
    """The defaults of what is not built yet may be written."""
    found = asset(
        queue=None,
        priority=3,
        pool=None,
        pool_units=1,
        heartbeat=None,
        routed_from=None,
    )(nothing)

    assert found.name == "nothing"


def test_a_mapping_of_keys_is_not_built_yet() -> None:
    """A need names an asset, and nothing else yet."""
    with pytest.raises(NotSupported, match="Name an asset"):
        declare(needs={"raw": 5})(nothing)


@pytest.mark.parametrize(
    ("decorator", "words"),
    [
        (scatter, "@scatter is not supported yet"),
        (scatter_batches, "@scatter_batches is not supported yet"),
        (route, "@route is not supported yet. Return Skip"),
        (parallel, "@parallel is not supported yet"),
    ],
)
def test_a_decorator_that_is_not_built_yet_is_refused(
    decorator: Callable[..., object], words: str
) -> None:
    """A decorator that is designed and not built says so, however it is used."""
    with pytest.raises(NotSupported, match=words):
        decorator(nothing)
    with pytest.raises(NotSupported, match=words):
        decorator(max_concurrent=5)
