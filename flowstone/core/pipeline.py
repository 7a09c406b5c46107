"""A pipeline: assets that know each other by name, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from types import ModuleType
from typing import Literal, TypeVar, cast

from flowstone.core.asset import AnyAsset, Asset
from flowstone.core.errors import (
    BadPartition,
    CyclicPipeline,
    DefinitionError,
    DuplicateAsset,
    UnknownAsset,
)
from flowstone.core.graph import render
from flowstone.core.partition import NONE, PartitionKey
from flowstone.core.wiring import Need

__all__ = ["AnyAsset", "Pipeline"]

T = TypeVar("T")


class Pipeline:
    """Assets and what they need of each other; immutable once made.

    Args:
        *assets: the assets, in the order in which people should see them.

    Raises:
        DefinitionError: whatever is wrong, all at once; the error's own class where
            there is but one problem.

    Example:
        >>> from flowstone import asset
        >>> @asset
        ... def raw() -> list[int]:
        ...     return [3, 1, 2]
        >>> @asset
        ... def cleaned(raw: list[int]) -> list[int]:
        ...     return sorted(raw)
        >>> list(Pipeline(cleaned, raw).order)
        ['raw', 'cleaned']
    """

    def __init__(self, *assets: AnyAsset) -> None:
        for a in assets:
            _check_asset(a)
        problems: list[DefinitionError] = []
        self.assets: Mapping[str, AnyAsset] = _by_name(assets, problems)
        self.needs: Mapping[str, tuple[Need, ...]] = {
            name: _needs(a, problems) for name, a in self.assets.items()
        }
        problems += self._strangers()
        problems += self._mixed()
        self.order: tuple[str, ...] = self._sorted(problems)
        if problems:
            raise (
                problems[0]
                if len(problems) == 1
                else DefinitionError(problems=tuple(problems))
            )
        for a in assets:
            a.seal()

    @classmethod
    def of(cls, module: ModuleType) -> Pipeline:
        """Gather every asset that a module has at its top level."""
        found = [
            cast("AnyAsset", value)
            for value in cast("dict[str, object]", vars(module)).values()
            if isinstance(value, Asset)
        ]
        if not found:
            raise DefinitionError(
                reason=f"Module {module.__name__!r} has no asset at its top level."
            )
        # One may be there under two names.
        return cls(*{id(asset): asset for asset in found}.values())

    def __iter__(self) -> Iterator[AnyAsset]:
        return iter(self.assets.values())

    def __len__(self) -> int:
        return len(self.assets)

    def __contains__(self, named: object) -> bool:
        return (named.name if isinstance(named, Asset) else named) in self.assets

    def __getitem__(self, named: AnyAsset | str) -> AnyAsset:
        """Give the asset of a name.

        Raises:
            UnknownAsset: no asset of this pipeline has it.
        """
        name = named.name if isinstance(named, Asset) else named
        found = self.assets.get(name)
        if found is None or (isinstance(named, Asset) and found is not named):
            raise UnknownAsset(asset=name, known=tuple(self.assets))
        return found

    def ancestors(self, name: str) -> set[str]:
        """Give the names of all that an asset needs, directly or not, and its own."""
        found: set[str] = set()
        ahead = [name]
        while ahead:
            at = ahead.pop()
            if at not in found:
                found.add(at)
                ahead += (n.asset for n in self.needs[at])
        return found

    def key_of(self, name: str, key: PartitionKey) -> PartitionKey:
        """Give the key at which an asset is read when its reader has `key`."""
        return NONE if self.assets[name].is_single else key

    def check_key(self, name: str, key: PartitionKey) -> None:
        """Refuse a key outside of an asset's space.

        Raises:
            BadPartition: it does not belong there.
        """
        asset = self.assets[name]
        space = asset.options.partitions
        if space is None or key.value in space:
            return
        if asset.is_single:
            reason = f"{name!r} is single: it has no partitions. Leave the key out."
        elif key.is_none:
            reason = f"{name!r} has partitions {space!r}; say which one."
        else:
            reason = f"it is not one of the partitions of {name!r}: {space!r}."
        raise BadPartition(partition=repr(key.value), reason=reason)

    def check_keys(self, name: str, key: PartitionKey, *, upstream: bool) -> None:
        """Refuse a key at which an asset, or all that it needs, cannot be made.

        Raises:
            BadPartition: it does not belong to the space of one of them.
        """
        self.check_key(name, key)
        if upstream:
            for other in self.ancestors(name):
                self.check_key(other, self.key_of(other, key))

    def graph(self, style: Literal["text", "mermaid", "dot"] = "text") -> str:
        """Draw what needs what: as a tree of text, as Mermaid, or as DOT."""
        return render(
            {name: [n.asset for n in self.needs[name]] for name in self.order}, style
        )

    def _strangers(self) -> list[DefinitionError]:
        return [
            UnknownAsset(
                asset=need.asset,
                needed_by=name,
                parameter=need.parameter,
                known=tuple(self.assets),
            )
            for name, needs in self.needs.items()
            for need in needs
            if need.asset not in self.assets
        ]

    def _mixed(self) -> list[DefinitionError]:
        """Find single assets whose upstream has keys: which one would they read?"""
        return [
            DefinitionError(
                reason=f"{name!r} is single and reads {need.asset!r} at no key; "
                f"declare {need.asset!r} with partitions=single too."
            )
            for name, needs in self.needs.items()
            for need in needs
            if self.assets[name].is_single
            if need.asset in self.assets and not self.assets[need.asset].is_single
        ]

    def _sorted(self, problems: list[DefinitionError]) -> tuple[str, ...]:
        graph = {
            name: [n.asset for n in needs if n.asset in self.assets]
            for name, needs in self.needs.items()
        }
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            # graphlib walks from need to reader; people read it the same way.
            problems.append(CyclicPipeline(path=tuple(error.args[1])))
            return ()


def _check_asset(value: object) -> None:
    if not isinstance(value, Asset):
        raise DefinitionError(
            reason=f"{value!r} is not an asset; decorate it with @asset."
        )


def _by_name(
    assets: tuple[AnyAsset, ...], problems: list[DefinitionError]
) -> dict[str, AnyAsset]:
    named: dict[str, AnyAsset] = {}
    for a in assets:
        if a.name in named and named[a.name] is not a:
            problems.append(DuplicateAsset(asset=a.name))
        named.setdefault(a.name, a)
    return named


def _needs(asset: AnyAsset, problems: list[DefinitionError]) -> tuple[Need, ...]:
    own = _collected(lambda: asset.wiring.needs, problems)
    found = {(n.asset, n.parameter): n for n in own or ()}
    for companion in asset.companions:
        wiring = _collected(
            lambda name=companion: asset.companion_wiring(name), problems
        )
        for need in wiring.needs if wiring else ():
            # A companion reads what its asset read; it adds no second parameter.
            known = found.setdefault((need.asset, need.parameter), need)
            if known.optional and not need.optional:
                found[need.asset, need.parameter] = need
    return tuple(found.values())


def _collected(make: Callable[[], T], problems: list[DefinitionError]) -> T | None:
    try:
        return make()
    except DefinitionError as error:
        problems.append(error)
        return None
