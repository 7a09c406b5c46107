"""A function's parameters become its needs, by their names alone.

No annotation is evaluated here: names are the wiring.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter

from flowstone.core.errors import DefinitionError

__all__ = ["CONTEXT", "Need", "Wiring", "wire"]

_BY_NAME = {Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD}

CONTEXT = "ctx"
"""The parameter that takes the `Context`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One asset that another reads, or merely comes after.

    Attributes:
        asset: the name of the asset needed.
        parameter: the parameter its value fills; empty where it only orders.
        optional: whether the function has a default for it.
    """

    asset: str
    parameter: str = ""
    optional: bool = False

    @property
    def loads(self) -> bool:
        """Whether its value is read."""
        return bool(self.parameter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a function takes: needs by parameter, a context, what is supplied."""

    needs: tuple[Need, ...]
    takes_context: bool = False


def wire(
    function: Callable[..., object],
    *,
    renamed: Mapping[str, str] | None = None,
    after: Sequence[str] = (),
    supplied: int = 0,
) -> Wiring:
    """Read the needs of a function off its signature.

    Args:
        function: whose parameters are read.
        renamed: the asset that a parameter reads, where it is not its name.
        after: assets that come first and are not loaded.
        supplied: how many leading parameters Flowstone fills itself.

    Raises:
        DefinitionError: a parameter that cannot be filled by name, or a rename of a
            parameter that is not there.
    """
    renames = dict(renamed or {})
    name = getattr(function, "__name__", repr(function))
    parameters = _parameters(name, function)
    first, rest = parameters[:supplied], parameters[supplied:]
    if len(first) < supplied or any(p.kind in _BY_NAME for p in first):
        raise DefinitionError(
            reason=f"{name!r} must take what it is given as its first parameter."
        )
    for parameter in rest:
        _check_kind(name, parameter)
    unknown = set(renames) - {p.name for p in rest}
    if unknown:
        names = ", ".join(repr(u) for u in sorted(unknown))
        raise DefinitionError(
            reason=f"{name!r} renames {names}, which it does not take."
        )
    needs = [
        Need(
            asset=renames.get(p.name, p.name),
            parameter=p.name,
            optional=p.default is not Parameter.empty,
        )
        for p in rest
        if p.name != CONTEXT
    ]
    needs += [Need(asset=a) for a in after]
    return Wiring(
        needs=tuple(needs), takes_context=any(p.name == CONTEXT for p in rest)
    )


def _parameters(name: str, function: Callable[..., object]) -> list[Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise DefinitionError(
            reason=f"The parameters of {name!r} cannot be read; wrap it in a function "
            "that names what it takes."
        ) from error


def _check_kind(name: str, parameter: Parameter) -> None:
    if parameter.kind in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}:
        bare = parameter.replace(annotation=Parameter.empty)
        raise DefinitionError(
            reason=f"{name!r} takes {bare}: name each asset that it reads."
        )
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        raise DefinitionError(
            reason=f"{name!r} takes {parameter.name!r} by position only; "
            "assets are passed by name."
        )
