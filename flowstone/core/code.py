"""The version of a function's code: what it says, not how it is laid out."""

from __future__ import annotations

import ast
import inspect
import textwrap
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
    del filename
    try:
        lines, _ = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, TypeError):
        return _hash(_compiled(code))
    # By its name: a lambda may be on the line of somebody else's definition.
    named = (n for n in ast.walk(tree) if isinstance(n, _Definition))
    found = next((n for n in named if n.name == code.co_name), None)
    if found is None:
        return _hash(_compiled(code))
    found.name, found.decorator_list = "_", []
    return _hash(ast.unparse(_Bare().visit(found)))


_Definition = ast.FunctionDef | ast.AsyncFunctionDef


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


class _Bare(ast.NodeTransformer):
    """Strips a function of all that does not change what it does."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._strip(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._strip(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        plain = ast.Assign(targets=[node.target], value=self.visit(node.value))
        return ast.copy_location(plain, node)

    def _strip(self, node: _Definition) -> ast.AST:
        node.returns = None
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)
