"""The version of code is what it says, not how it is laid out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from textwrap import dedent
from typing import cast

import pytest

from flowstone.core.code import code_version

ROOT = Path(__file__).parents[3]
Made = Callable[..., object]
Compile = Callable[[str], Made]


@pytest.fixture
def written(tmp_path: Path) -> Compile:
    """Give the function `f` of a source that is in a file."""
    count = 0

    def write(source: str) -> Made:
        nonlocal count
        count += 1
        path = tmp_path / f"module_{count}.py"
        path.write_text(dedent(source))
        return unwritten(source, str(path))

    return write


def unwritten(source: str, name: str = "<nowhere>") -> Made:
    """Give the function `f` of a source that is in no file."""
    scope: dict[str, Made] = {}
    exec(compile(dedent(source), name, "exec"), scope)
    return scope["f"]


BASE = """
    def f(a, b=1):
        x = a + b
        return [x, "done"]
"""
SAME = {
    "a comment": """
        def f(a, b=1):
            # sums
            x = a + b
            return [x, "done"]
    """,
    "another layout": """
        def f(
            a,
            b = 1,
        ):
            x = (a
                 + b)

            return [x, 'done']
    """,
    "a docstring": '''
        def f(a, b=1):
            """Sum."""
            x = a + b
            return [x, "done"]
    ''',
    "annotations": """
        def f(a: int, b: int = 1) -> list[object]:
            x: int = a + b
            y: int
            return [x, "done"]
    """,
    "another name": """
        def total(a, b=1):
            x = a + b
            return [x, "done"]
        f = total
    """,
    "a decorator": """
        def plain(g):
            return g
        @plain
        def f(a, b=1):
            x = a + b
            return [x, "done"]
    """,
    "indentation": """
        if True:
            def f(a, b=1):
                x = a + b
                return [x, "done"]
    """,
}
OTHER = {
    "an operator": BASE.replace("a + b", "a - b"),
    "a constant": BASE.replace("done", "over"),
    "a default": BASE.replace("b=1", "b=2"),
    "a parameter": BASE.replace("(a, b=1)", "(a, b=1, c=2)"),
    "a statement": BASE.replace("return", "print(x); return"),
    "a coroutine": BASE.replace("def f", "async def f"),
}


@pytest.mark.parametrize("what", SAME)
def test_what_changes_nothing_changes_no_version(what: str, written: Compile) -> None:
    """A version stays while what the function does stays."""
    assert code_version(written(SAME[what])) == code_version(written(BASE))


@pytest.mark.parametrize("what", OTHER)
def test_what_the_function_does_is_its_version(what: str, written: Compile) -> None:
    """A version changes with what the function does."""
    assert code_version(written(OTHER[what])) != code_version(written(BASE))


def test_a_docstring_alone_is_a_function_that_does_nothing(written: Compile) -> None:
    """A body that is only told of is empty."""
    told = written('def f():\n    """Do nothing."""\n')

    assert code_version(told) == code_version(written("def f():\n    pass\n"))


def test_inner_functions_are_what_the_function_does(written: Compile) -> None:
    """Docstrings and annotations within are no part of it either."""
    one = """
        def f(a):
            async def g(b: int) -> int:
                "Add."
                return a + b
            return g
    """

    bare = one.replace('"Add."', "").replace(": int) -> int", ")")
    assert code_version(written(one)) == code_version(written(bare))
    assert code_version(written(one)) != code_version(written(one.replace("+", "-")))


def test_a_wrapped_function_is_what_it_wraps(written: Compile) -> None:
    """A decorator that says what it wraps does not hide it."""
    plain = written(BASE)

    @wraps(plain)
    def wrapper(*args: object) -> object:
        return plain(*args)

    assert code_version(wrapper) == code_version(plain)


def test_several_functions_have_one_version(written: Compile) -> None:
    """A companion that changes is a change, and so is their order."""
    one, two, three = written(BASE), written(OTHER["a constant"]), lambda: 3
    versions = {
        code_version(one),
        code_version(one, two),
        code_version(one, three),
        code_version(two, one),
    }

    assert len(versions) == 4
    assert all(len(version) == 12 for version in versions)


# --- without a source ---------------------------------------------------------------


def test_lambdas_of_one_line_are_told_apart() -> None:
    """What cannot be read by its lines is read from what was compiled."""
    one, two = (lambda: 1), (lambda: 2)

    assert code_version(one) != code_version(two)
    assert code_version(one) == code_version(lambda: 1)


def test_a_lambda_on_the_line_of_a_definition_is_not_taken_for_it(
    written: Compile,
) -> None:
    """Functions made on one line have versions of their own."""
    make = written("def f(): return (lambda: 1), (lambda: 2)\n")
    one, two = cast("tuple[Made, Made]", make())

    assert len({code_version(f) for f in (make, one, two)}) == 3


def test_code_without_a_source_has_a_version() -> None:
    """Where no file has the source, what was compiled is the version."""
    one, same, other = (
        unwritten(f"def f(a):\n    return a in {{1, 2}}, (1, b'x'), lambda: {n}\n")
        for n in (3, 3, 4)
    )

    assert code_version(one) == code_version(same) != code_version(other)


def test_a_file_that_was_broken_since_leaves_what_was_compiled(
    tmp_path: Path,
) -> None:
    """A function keeps a version when its file no longer parses."""
    path = tmp_path / "module.py"
    path.write_text("def f(:\n")
    one, other = (unwritten(f"def f():\n    return {n}\n", str(path)) for n in (1, 2))

    assert code_version(one) != code_version(other)


def test_an_expression_over_lines_that_do_not_parse_has_a_version(
    written: Compile,
) -> None:
    """A lambda within a call is read from what was compiled."""
    one, other = (
        written(f"f = (\n    sorted,\n    lambda a: [a,\n        {n}])[1]\n")
        for n in (1, 2)
    )

    assert code_version(one) != code_version(other)


def test_parts_of_arguments_are_a_part_of_the_version(written: Compile) -> None:
    """What was filled in beforehand decides what a function does."""
    f = written(BASE)
    given: list[Made] = [
        partial(f, 1),
        partial(f, 2),
        partial(f, b=1),
        partial(f, b={"x": [1, {2, 3}]}),
        partial(f, b={"x": [1, {2, 4}]}),
        partial(f, b=len),
        partial(f, b=object()),
        f,
    ]

    assert len({code_version(g) for g in given}) == len(given)
    assert code_version(partial(f, b={1: 2, 3: 4})) == code_version(
        partial(f, b={3: 4, 1: 2})
    )
    assert code_version(partial(f, b=object())) == code_version(partial(f, b=object()))


class Adds:
    def __call__(self) -> int:
        return 1 + 1


class Subtracts:
    def __call__(self) -> int:
        return 1 - 1


def test_an_object_that_can_be_called_is_its_call() -> None:
    """The version of a callable object is that of its code."""
    assert code_version(Adds()) == code_version(Adds()) == code_version(Adds.__call__)
    assert code_version(Adds()) != code_version(Subtracts())


def test_what_is_built_in_is_its_name() -> None:
    """What has no code in Python is told by what it is called."""
    assert code_version(len) != code_version(sorted)
    assert code_version(len) == code_version(len)


def test_a_version_is_the_same_in_every_process() -> None:
    """Neither an address nor the seed of hashes is a part of it."""
    code = (
        "from functools import partial\n"
        "from flowstone.core.code import code_version\n"
        "f = lambda a: a in {'x', 'y', 'z'} and (lambda: {'p', 'q'})\n"
        "g = partial(f, {'k': {'l', 'm'}}, f)\n"
        "print(code_version(f), code_version(g), code_version(len, f))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }

    assert len(found) == 1
