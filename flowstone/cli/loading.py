"""Find the app that a line names; without what only a worker needs."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from flowstone.core.errors import ConfigurationError, FlowstoneError

if TYPE_CHECKING:
    from flowstone.app import Flowstone

__all__ = ["load"]


def load(named: str) -> Flowstone:
    """Import the app that `package.module:name` names, from the current folder too.

    What its module prints goes to stderr: stdout is for answers.

    Raises:
        ConfigurationError: there is no such module, it cannot be imported, or has no
            such app.
        FlowstoneError: its pipeline or its app is not well formed.
    """
    from flowstone.app import Flowstone

    module_name, found, name = named.partition(":")
    module = _import(module_name)
    app = getattr(module, name if found else "app", None)
    if isinstance(app, Flowstone):
        return app
    have = [n for n, v in vars(module).items() if isinstance(v, Flowstone)]
    hint = f"It has {', '.join(have)}." if have else "It has none."
    raise ConfigurationError(
        problems=[f"Module {module_name!r} has no app named {name or 'app'!r}. {hint}"]
    )


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            return import_module(name)
    except FlowstoneError:
        raise
    except Exception as error:
        raise ConfigurationError(problems=[_problem(name, error)]) from error


def _problem(name: str, error: Exception) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name or name.startswith(".") or (missing and _leads_to(name, missing)):
        return (
            f"There is no module {name!r}. Name the app as package.module:name, from "
            "a folder where Python finds it."
        )
    why = " ".join(f"{type(error).__name__}: {error}".split())
    return f"Module {name!r} cannot be imported: {why} (--debug shows where)"


def _leads_to(name: str, missing: str) -> bool:
    return name == missing or name.startswith(f"{missing}.")
