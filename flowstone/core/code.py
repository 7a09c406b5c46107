"""The version of a function's code: what it says, not how it is laid out."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from types import CodeType
from typing import cast

__all__ = ["code_version"]


def code_version(*functions: Callable[..., object]) -> str:
    """Give 12 hex digits that change when what the functions do changes.

    The hash is of the syntax tree without docstring, annotations, decorators and the
    function's own name; of the compiled code where there is no source to read.
    """
    parts = [_version_of(f) for f in functions]
    return parts[0] if len(parts) == 1 else _hash("\n".join(parts))


def _version_of(function: Callable[..., object]) -> str:
    plain = inspect.unwrap(function)
    if isinstance(plain, partial):
        bound = cast("partial[object]", plain)
        return _hash(
            f"{_version_of(bound.func)} {_canonical(bound.args)} "
            f"{_canonical(bound.keywords)}"
        )
    code = getattr(plain, "__code__", None)
    if code is None:
        # An object that can be called; else something built in, which has no code.
        code = getattr(getattr(plain, "__call__", None), "__code__", None)  # noqa: B004 - read, not asked for
    if not isinstance(code, CodeType):
        kind = type(cast("object", plain)).__qualname__
        return _hash(str(getattr(plain, "__qualname__", kind)))
    return _version(code, code.co_filename)


@lru_cache(maxsize=65536)
def _version(code: CodeType, filename: str) -> str:
    # Equal code in two files may have been written differently: the name tells them
    # apart in the cache.
    linecache.checkcache(filename)
    source = _Source(filename, linecache.getlines(filename))
    # By its name too: a lambda may be on the line of somebody else's definition.
    found = _versions(source).get((code.co_firstlineno, code.co_name))
    return found or _hash(_compiled(code))


_Definition = ast.FunctionDef | ast.AsyncFunctionDef


class _Source:
    """The lines of a file, as `linecache` has them: the same as long as it does."""

    def __init__(self, filename: str, lines: list[str]) -> None:
        self.filename = filename
        self.lines = lines

    def __hash__(self) -> int:
        return hash(self.filename)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Source) and self.lines is other.lines


@lru_cache(maxsize=64)
def _versions(source: _Source) -> dict[tuple[int, str], str]:
    """Parse a file once, for all that it defines: by first line and name."""
    try:
        tree = ast.parse("".join(source.lines))
    except SyntaxError:
        return {}
    found: dict[tuple[int, str], str] = {}
    ahead: list[ast.AST] = [tree]
    while ahead:
        node = ahead.pop()
        if isinstance(node, _Definition):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            said: list[str] = []
            _write(node, said, unsaid=("name", "decorator_list"))
            found[first, node.name] = _hash("".join(said))
        # Only statements have definitions within.
        for name in _BLOCKS:
            ahead += getattr(node, name, ())
    return found


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_UNSAID = frozenset({"annotation", "returns", "type_comment", "kind", "ctx"})
"""Fields of a syntax tree that do not change what it does."""


def _write(node: ast.AST, said: list[str], unsaid: Sequence[str] = ()) -> None:
    """Write a syntax tree down, without docstrings and annotations."""
    said.append(f"{type(node).__name__}(")
    for name in node._fields:
        part = getattr(node, name, None)
        # What is empty is not written: a later Python may have more that is.
        if part is None or part == [] or name in _UNSAID or name in unsaid:
            continue
        said.append(f"{name}=")
        if name == "body" and isinstance(node, _Definition):
            told = ast.get_docstring(node, clean=False) is not None
            part = node.body[told:]
        _write_part(part, said)
    said.append(")")


def _write_part(part: object, said: list[str]) -> None:
    if isinstance(part, list):
        _write_all(cast("list[object]", part), said)
    elif isinstance(part, ast.AnnAssign):
        plain = ast.Assign(targets=[part.target], value=cast("ast.expr", part.value))
        _write(plain, said)
    elif isinstance(part, ast.AST):
        _write(part, said)
    else:
        said.append(f"{part!r},")


def _write_all(parts: Sequence[object], said: list[str]) -> None:
    said.append("[")
    for part in parts:
        # Neither does anything: a name that is only annotated, and a pass.
        bare = isinstance(part, ast.AnnAssign) and part.value is None
        if not bare and not isinstance(part, ast.Pass):
            _write_part(part, said)
    said.append("]")


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _compiled(code: CodeType) -> str:
    return (
        f"{code.co_code.hex()} {code.co_names} {code.co_varnames} "
        f"{_canonical(code.co_consts)}"
    )


def _canonical(value: object) -> str:
    """Write a constant so that it reads the same in every process."""
    match value:
        case CodeType():
            return _compiled(value)
        case tuple() | list():
            inner = cast("Sequence[object]", value)
            return f"({', '.join(_canonical(v) for v in inner)})"
        case frozenset() | set():
            # Their order depends on the process's seed of hashes.
            cells = cast("Iterable[object]", value)
            return f"{{{', '.join(sorted(_canonical(v) for v in cells))}}}"
        case dict():
            pairs = cast("Mapping[object, object]", value).items()
            cells = sorted(f"{_canonical(k)}: {_canonical(v)}" for k, v in pairs)
            return f"{{{', '.join(cells)}}}"
        case str() | bytes() | int() | float() | complex() | None:
            return repr(value)
        case _:
            # What it shows of itself may be an address, which is another each time.
            return str(getattr(value, "__qualname__", type(value).__qualname__))
