"""The version of a function's code: what it says, not how it is laid out."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from types import CodeType

__all__ = ["code_version"]


def code_version(*functions: Callable[..., object]) -> str:
    """Give 12 hex digits that change when what the functions do changes.

    The hash is of the syntax tree without docstring, annotations, decorators and the
    function's own name; of the compiled code where there is no source to read.
    """
    parts = [_version(inspect.unwrap(f).__code__) for f in functions]
    return parts[0] if len(parts) == 1 else _hash("\n".join(parts))


@lru_cache(maxsize=65536)
def _version(code: CodeType) -> str:
    try:
        lines, _ = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, TypeError):
        return _hash(_compiled(code))
    found = next(
        (
            n
            for n in ast.walk(tree)
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        ),
        None,
    )
    return _hash(
        _compiled(code) if found is None else ast.unparse(_Bare().visit(found))
    )


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _compiled(code: CodeType) -> str:
    inner = [
        _compiled(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {inner}"


class _Bare(ast.NodeTransformer):
    """Strips a function of all that does not change what it does."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # noqa: N802
        return self._strip(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:  # noqa: N802
        return self._strip(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:  # noqa: N802
        if node.value is None:
            return None
        plain = ast.Assign(targets=[node.target], value=self.visit(node.value))
        return ast.copy_location(plain, node)

    def _strip(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.name, node.returns, node.decorator_list = "_", None, []
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)
