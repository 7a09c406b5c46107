"""Values as bytes and back: JSON, bytes as they are, Arrow. Never pickle."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, cast, runtime_checkable

from flowstone.core.errors import CodecError
from flowstone.io.annotations import members
from flowstone.io.arrow import (
    Tabular,
    is_arrow,
    pyarrow,
    read_arrow,
    write_arrow,
)
from flowstone.io.base import Scalar, Stored
from flowstone.io.from_json import as_wanted, asks_nothing
from flowstone.io.parquet_file import read_parquet
from flowstone.io.remedies import name_of
from flowstone.io.streams import Stream, as_stream, gathered, scratch
from flowstone.io.tables import give_json, give_table
from flowstone.io.to_json import write_json
from flowstone.io.wants import Form, wanted

__all__ = [
    "Codec",
    "Encoded",
    "Encodes",
    "check",
    "decode",
    "digest_of",
    "encode",
    "encoded",
    "restore",
]

Codec: TypeAlias = Literal["json", "bytes", "arrow", "parquet"]

_RAW = (bytes, bytearray, memoryview)
_ROWS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A value as it is stored: encode once, for the store and for the next reader.

    Attributes:
        codec: how to decode the data.
        data: the encoded value.
        digest: `sha256:...` of the data.
        facts: what is known about the value: the codec, and its rows where it has any.
    """

    codec: str
    data: bytes
    digest: str
    facts: Mapping[str, Scalar]

    def stored_at(self, location: str) -> Stored:
        """Say what a manager says that has kept this."""
        return Stored(
            location=location,
            bytes=len(self.data),
            digest=self.digest,
            facts=dict(self.facts),
        )


@runtime_checkable
class Encodes(Protocol):
    """A manager that encodes in a way of its own; its `store` takes what that gives."""

    def encode(self, value: object) -> Encoded | Stream:
        """Encode a value; what is to be written as it comes is given as a stream."""
        ...


def encode(value: object) -> Encoded:
    """Encode a value by what it is; one that is encoded passes through.

    A stream is read into memory, where it is small.

    Raises:
        CodecError: it names the part of the value that has no encoding, and the remedy.
    """
    if isinstance(value, Encoded):
        return value
    value = as_stream(value)
    if isinstance(value, Stream):
        value = gathered(value)
    if isinstance(value, _RAW):
        return encoded("bytes", bytes(cast("bytes", value)))
    if is_arrow(value):
        table = cast("Tabular", value)
        return encoded("arrow", write_arrow(table), rows=table.num_rows)
    data = write_json(value)
    if isinstance(value, _ROWS):
        return encoded("json", data, rows=len(cast("Sized", value)))
    return encoded("json", data)


def encoded(codec: Codec, data: bytes, **facts: Scalar) -> Encoded:
    """Put encoded data together with what is known about them."""
    known = {"codec": codec, **facts}
    return Encoded(codec=codec, data=data, digest=digest_of(data), facts=known)


def decode(stored: Encoded | tuple[str, bytes], want: object) -> object:
    """Give a fresh value, as the annotation `want` has it.

    `None`, `object` and `Any` ask for nothing: JSON comes back plain, bytes as bytes,
    Arrow as a table.

    Raises:
        CodecError: the value does not fit `want`, or nothing can be read as it.
    """
    if isinstance(stored, tuple):
        codec, data, facts = *stored, dict[str, Scalar]()
    else:
        codec, data, facts = stored.codec, stored.data, stored.facts
    match codec:
        case "json":
            return give_json(data, want)
        case "bytes":
            return _read_bytes(data, want)
        case "arrow":
            return give_table(read_arrow(data), want)
        case "parquet":
            kept = cast("Form", facts.get("form", "table"))
            return give_table(read_parquet(pyarrow().py_buffer(data)), want, kept=kept)
        case _:
            reason = f"it was encoded by {codec!r}, which this release does not know."
            raise CodecError(type_name=name_of(want), reason=reason)


def restore(codec: str, data: bytes, *, at: Stored, want: object) -> object:
    """Decode what a manager found, if it is what was stored.

    Raises:
        CodecError: as `decode`; or the data are not those that were stored.
    """
    digest = digest_of(data)
    check(digest, at=at, want=want)
    found = Encoded(codec=codec, data=data, digest=digest, facts=at.facts)
    return decode(found, want)


def check(digest: str, *, at: Stored, want: object) -> None:
    """Compare the digest of what was found with that of what was stored.

    Raises:
        CodecError: they differ.
    """
    if digest != at.digest:
        reason = (
            f"what is kept at {at.location} is not what was stored there: its digest "
            f"is {digest}, and was {at.digest}. Materialize the value again."
        )
        raise CodecError(type_name=name_of(want), reason=reason)


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """Give the digest of encoded data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _read_bytes(data: bytes, want: object) -> object:
    if want is bytes or asks_nothing(want):
        return data
    match wanted(want):
        case "path":
            file, path = scratch()
            with file:
                file.write(data)
            return path
        case "file":
            return io.BufferedReader(io.BytesIO(data))
        case _:
            pass
    kinds = members(want)
    for kind in (bytearray, memoryview):
        if kind in kinds and bytes not in kinds:
            return kind(data)
    return as_wanted(data, want)
