"""What every keeper of values agrees on: where a value goes, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable
from urllib.parse import quote

from flowstone.core.errors import StoreError

__all__ = [
    "Checks",
    "Configured",
    "IOManager",
    "InProcess",
    "ListsLocations",
    "Scalar",
    "Slot",
    "Stored",
    "StoresMany",
    "TakesEncoded",
    "address",
    "lives_in_process",
    "refused",
    "start_of",
]

Scalar: TypeAlias = str | int | float | bool | None
"""What a fact about a stored value may be: it must survive JSON."""

_LONGEST = 600
"""Characters of an address; an index of Postgres takes keys of some 2,700 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where one version of one asset is to be kept.

    Attributes:
        asset: the asset, as `pipeline/asset`.
        key: the partition's canonical text; `-` where there is none.
        version: the version's id.
        path: a suggested place that no other version has.
    """

    asset: str
    key: str
    version: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a manager did with a value; enough to find and to check it again.

    Attributes:
        location: where the value is, in the manager's own words.
        bytes: the size of the encoded value.
        digest: `sha256:...` of the encoded value.
        facts: what else is known, such as the codec and the number of rows.
    """

    location: str
    bytes: int
    digest: str
    facts: Mapping[str, Scalar]


@runtime_checkable
class IOManager(Protocol):
    """Keeps values. Blocking, safe to use from many threads.

    It never asks for the latest version of anything: that is the ledger's to know.
    """

    def store(self, value: object, at: Slot) -> Stored:
        """Keep a value, whole or not at all.

        A version never changes: the same value at the same slot is fine, another one
        is refused.
        """
        ...

    def load(self, at: Stored, want: object) -> object:
        """Give a fresh value back, as the annotation `want` has it."""
        ...

    def delete(self, at: Stored) -> None:
        """Forget a value; that it is gone already is fine."""
        ...


@runtime_checkable
class StoresMany(Protocol):
    """A manager that keeps several values together faster than one by one."""

    def store_many(self, values: Sequence[tuple[object, Slot]]) -> Sequence[Stored]:
        """Keep all of the values, and answer in their order; failing keeps none."""
        ...


@runtime_checkable
class ListsLocations(Protocol):
    """A manager that can tell all that it keeps, so that what is nobody's is found."""

    def list_locations(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Give each location and its bytes, of what was never finished too.

        A location contains the id of its version, and `delete` takes it whatever the
        rest of its `Stored` says.

        Args:
            prefix: a pipeline, or `pipeline/asset`; left out, all there is.
        """
        ...


@runtime_checkable
class TakesEncoded(Protocol):
    """A manager whose `store` takes a `codecs.Encoded` in place of the value.

    A pack then encodes once, for the manager and for the next reader.
    """

    @property
    def takes_encoded(self) -> Literal[True]:
        """Say so; there is no other answer."""
        ...


@runtime_checkable
class InProcess(Protocol):
    """A manager that knows whether its values can be had by other workers."""

    @property
    def in_process(self) -> bool:
        """Tell whether the values live in one process, or one machine, only."""
        ...


@runtime_checkable
class Checks(Protocol):
    """A manager that can be asked whether it is well."""

    def check(self) -> None:
        """Raise where values could not be kept or read now."""
        ...


@runtime_checkable
class Configured(Protocol):
    """A manager that can tell, before it is used, what it has not been told."""

    def problems(self) -> Sequence[str]:
        """Say what is missing, and the remedy; it connects to nothing."""
        ...


def start_of(prefix: str, asset: str) -> str:
    """Give what the addresses of a pipeline, or of `pipeline/asset`, begin with."""
    return address(prefix, f"{asset}/") if asset else prefix


def lives_in_process(manager: object) -> bool:
    """Tell whether a manager's values are out of reach of workers elsewhere.

    A manager that does not say is taken to be shared.
    """
    return isinstance(manager, InProcess) and manager.in_process


def refused(location: str) -> StoreError:
    """Say that a version is there already, with another value."""
    reason = f"There is another value at {location}, and a version never changes. "
    return StoreError(reason=f"{reason}Store this one as a new version.")


def address(prefix: str, path: str) -> str:
    """Turn a suggested path into an address, after a prefix, that any store can hold.

    Different paths have different addresses, whatever characters are in them, and
    the address of a very long one ends in its hash.
    """
    quoted = quote(path, safe="/@=+:,", errors="surrogatepass")
    if len(quoted) > _LONGEST:
        whole = hashlib.sha256(quoted.encode()).hexdigest()
        quoted = f"{quoted[:_LONGEST]}%{whole}"
    return prefix + quoted
