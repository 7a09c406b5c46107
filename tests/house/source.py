"""The source of the house, as the tests that keep it read it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "Function", "Module", "files", "functions", "modules", "nodes"]

ROOT = Path(__file__).parents[2]
_NOT_OURS = {"__pycache__", "dist", "build", "node_modules"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One module: where it is, what it says, and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """What it is imported as."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def exported(self) -> list[str] | None:
        """Its `__all__`, if it has one."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = (
                    node.targets if isinstance(node, ast.Assign) else [node.target]
                )
                if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
                    return [str(name) for name in ast.literal_eval(node.value)]
        return None


def files(*folders: str) -> Iterator[Path]:
    """Give every file of the repository below folders: none that tools have made."""
    for folder in folders:
        for base, below, names in os.walk(ROOT / folder):
            below[:] = sorted(
                b for b in below if (b not in _NOT_OURS and b[:1] != ".") or b == ".ci"
            )
            for name in sorted(names):
                if not name.startswith("."):
                    yield Path(base) / name


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Give every Python module below folders."""
    return tuple(
        Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text))
        for path in files(*folders)
        if path.suffix == ".py"
        for text in [path.read_text()]
    )


def nodes(tree: ast.AST, kind: type[ast.AST]) -> Iterator[ast.AST]:
    """Give every node of a kind, with the tree itself."""
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Give every function of a module with its qualified name."""

    def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{prefix}{child.name}", child
            name = getattr(child, "name", None)
            inner = f"{prefix}{name}." if isinstance(name, str) else prefix
            yield from below(child, inner)

    return below(module.tree, "")
