"""Values as bytes and back: JSON, bytes as they are, Arrow. Never pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from flowstone.core.errors import CodecError
from flowstone.io.annotations import members
from flowstone.io.arrow import Tabular, is_arrow, read_arrow, write_arrow
from flowstone.io.base import Scalar, Stored
from flowstone.io.from_json import as_wanted, asks_nothing, read_json
from flowstone.io.remedies import name_of
from flowstone.io.to_json import write_json

__all__ = ["Codec", "Encoded", "decode", "digest_of", "encode", "restore"]

Codec: TypeAlias = Literal["json", "bytes", "arrow"]

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


def encode(value: object) -> Encoded:
    """Encode a value by what it is; one that is encoded passes through.

    Raises:
        CodecError: it names the part of the value that has no encoding, and the remedy.
    """
    if isinstance(value, Encoded):
        return value
    if isinstance(value, _RAW):
        return _encoded("bytes", bytes(cast("bytes", value)))
    if is_arrow(value):
        table = cast("Tabular", value)
        return _encoded("arrow", write_arrow(table), rows=table.num_rows)
    data = write_json(value)
    if isinstance(value, _ROWS):
        return _encoded("json", data, rows=len(cast("Sized", value)))
    return _encoded("json", data)


def decode(stored: Encoded | tuple[str, bytes], want: object) -> object:
    """Give a fresh value, as the annotation `want` has it.

    `None`, `object` and `Any` ask for nothing: JSON comes back plain, bytes as bytes,
    Arrow as a table.

    Raises:
        CodecError: the value does not fit `want`, or nothing can be read as it.
    """
    codec, data = stored if isinstance(stored, tuple) else (stored.codec, stored.data)
    match codec:
        case "json":
            return read_json(data, want)
        case "bytes":
            return _read_bytes(data, want)
        case "arrow":
            return read_arrow(data, want)
        case _:
            reason = f"it was encoded by {codec!r}, which this release does not know."
            raise CodecError(type_name=name_of(want), reason=reason)


def restore(codec: str, data: bytes, *, at: Stored, want: object) -> object:
    """Decode what a manager found, if it is what was stored.

    Raises:
        CodecError: as `decode`; or the data are not those that were stored.
    """
    found = digest_of(data)
    if found != at.digest:
        reason = (
            f"what is kept at {at.location} is not what was stored there: its digest "
            f"is {found}, and was {at.digest}. Materialize the value again."
        )
        raise CodecError(type_name=name_of(want), reason=reason)
    return decode((codec, data), want)


def digest_of(data: bytes) -> str:
    """Give the digest of encoded data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _encoded(codec: Codec, data: bytes, **facts: Scalar) -> Encoded:
    known = {"codec": codec, **facts}
    return Encoded(codec=codec, data=data, digest=digest_of(data), facts=known)


def _read_bytes(data: bytes, want: object) -> object:
    if want is bytes or asks_nothing(want):
        return data
    kinds = members(want)
    for kind in (bytearray, memoryview):
        if kind in kinds and bytes not in kinds:
            return kind(data)
    return as_wanted(data, want)
