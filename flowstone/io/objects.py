"""Values as objects of a depot; what the managers of buckets and folders share."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, BinaryIO, Literal, assert_never, cast

from flowstone.core.errors import ValueNotFound
from flowstone.io.arrow import open_arrow, write_arrow_batches
from flowstone.io.base import Scalar, Slot, Stored, refused
from flowstone.io.codecs import Codec, Encoded, check, encode, restore
from flowstone.io.depot import Depot, NothingThere, Pouring
from flowstone.io.keys import object_key, prefix_key
from flowstone.io.parquet_file import open_parquet, read_parquet
from flowstone.io.streams import (
    Batches,
    Bytes,
    FromFile,
    Scratch,
    Stream,
    as_stream,
    scratch,
)
from flowstone.io.tables import give_batches, give_table
from flowstone.io.wants import Form, wanted

__all__ = ["ObjectIO"]

_CHUNK = 1024 * 1024
_AT_ONCE = 8
_SUFFIXES: Mapping[str, str] = {
    "arrow": ".arrow",
    "bytes": ".bin",
    "json": ".json",
    "parquet": ".parquet",
}
_KINDS: Mapping[str, str] = {
    "arrow": "application/vnd.apache.arrow.stream",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
_OPENERS: Mapping[str, Callable[[BinaryIO], tuple[object, Iterator[object]]]] = {
    "arrow": open_arrow,
    "parquet": open_parquet,
}


class ObjectIO:
    """Keeps each value as an object, published at once, under its version's id.

    Args:
        depot: where the objects are.
    """

    takes_encoded: Literal[True] = True

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    def encode(self, value: object) -> Encoded | Stream:
        """Encode a value; what is to be written as it comes is given as a stream."""
        found = as_stream(value)
        return found if isinstance(found, Stream) else encode(found)

    def store(self, value: object, at: Slot) -> Stored:
        """Keep one value."""
        return self._store(self.encode(value), at)

    def store_many(self, values: Sequence[tuple[object, Slot]]) -> list[Stored]:
        """Keep values, several at once; all are encoded before the first is kept."""
        ready = [(self.encode(value), at) for value, at in values]
        if len(ready) < 2:
            return [self._store(value, at) for value, at in ready]
        with ThreadPoolExecutor(min(_AT_ONCE, len(ready))) as pool:
            return list(pool.map(self._store, *zip(*ready, strict=True)))

    def load(self, at: Stored, want: object) -> object:
        """Give a fresh value; a file or batches are read as they are asked for."""
        try:
            key = self._depot.key_at(at.location)
            return self._load(key, at, want)
        except NothingThere as error:
            reason = f"{self!r} does not have it, or no longer. Materialize it again."
            raise ValueNotFound(asset=at.location, reason=reason) from error

    def delete(self, at: Stored) -> None:
        """Forget a value, or what was never finished of one."""
        with suppress(NothingThere):
            self._depot.delete(self._depot.key_at(at.location))

    def list_locations(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Give where something is kept and its bytes, the unfinished included."""
        for key, size in self._depot.list(prefix_key(prefix)):
            yield self._depot.locate(key), size

    def problems(self) -> Sequence[str]:
        """Say what it has not been told, and connect to nothing."""
        return self._depot.problems()

    def check(self) -> None:
        """Look for what is kept of a pipeline that nobody has."""
        next(self._depot.list(prefix_key("-")), None)

    def close(self) -> None:
        """Close all connections; using the manager again opens new ones."""
        self._depot.close()

    # --- storing --------------------------------------------------------------------

    def _store(self, value: Encoded | Stream, at: Slot) -> Stored:
        match value:
            case Encoded():
                return self._put(value, at)
            case Bytes():
                return self._pour(value, at, "bytes", lambda sink: _copied(value, sink))
            case Batches():
                return self._pour_batches(value, at)
            case _:
                assert_never(value)

    def _put(self, encoded: Encoded, at: Slot) -> Stored:
        key = object_key(at, _SUFFIXES[encoded.codec])
        kind = _kind(encoded.codec)
        if not self._depot.put(key, encoded.data, kind=kind):
            self._check_same(key, encoded.digest)
        return encoded.stored_at(self._depot.locate(key))

    def _pour_batches(self, stream: Batches, at: Slot) -> Stored:
        """Write batches as they come; as an Arrow stream, unless a manager differs."""

        def write(sink: _Hashed) -> dict[str, Scalar]:
            return {"rows": write_arrow_batches(stream.schema, stream.batches, sink)}

        return self._pour(stream, at, "arrow", write)

    def _pour(
        self,
        stream: Stream,
        at: Slot,
        codec: Codec,
        write: Callable[[_Hashed], Mapping[str, Scalar]],
    ) -> Stored:
        key = object_key(at, _SUFFIXES[codec])
        try:
            pouring = self._depot.pour(key, kind=_kind(codec))
            sink = _Hashed(pouring)
            try:
                facts = {"codec": codec, **write(sink)}
                if not pouring.publish():
                    self._check_same(key, sink.digest)
            finally:
                pouring.discard()
        finally:
            stream.close()
        return Stored(
            location=self._depot.locate(key),
            bytes=sink.size,
            digest=sink.digest,
            facts=facts,
        )

    def _check_same(self, key: str, digest: str) -> None:
        """Let a version be stored again, and nothing else in its place."""
        where = self._depot.locate(key)
        try:
            with closing(self._depot.open(key)) as file:
                found = _digest_of(file)
        except NothingThere as error:
            message = f"Another writer at {where} was in the way, and gave up."
            raise ConnectionError(message) from error
        if found != digest:
            raise refused(where)

    # --- loading --------------------------------------------------------------------

    def _load(self, key: str, at: Stored, want: object) -> object:
        codec = str(at.facts.get("codec"))
        form = wanted(want)
        if codec == "bytes" and form == "path":
            return self._copy(key, at, want)
        if codec == "bytes" and form == "file":
            return self._checked_file(key, at, want)
        if codec in _OPENERS and form in {"batches", "reader"}:
            file = self._checked_file(key, at, want)
            try:
                schema, batches = _OPENERS[codec](file)
            except BaseException:
                file.close()
                raise
            return give_batches(schema, FromFile(file, batches), want)
        with closing(self._depot.open(key)) as file:
            if codec == "parquet" and file.seekable():
                check(_digest_of(file), at=at, want=want)
                file.seek(0)
                kept = cast("Form", at.facts.get("form", "table"))
                return give_table(read_parquet(file), want, kept=kept)
            return restore(codec, file.read(), at=at, want=want)

    def _checked_file(self, key: str, at: Stored, want: object) -> BinaryIO:
        """Open what is kept once it is known to be what was stored."""
        file = self._depot.open(key)
        try:
            if file.seekable():
                check(_digest_of(file), at=at, want=want)
                file.seek(0)
                return file
        except BaseException:
            file.close()
            raise
        file.close()
        path = self._copy(key, at, want)
        try:
            return path.open("rb")
        finally:
            path.unlink()

    def _copy(self, key: str, at: Stored, want: object) -> Scratch:
        file, path = scratch()
        try:
            with file, closing(self._depot.open(key)) as source:
                sink = _Hashed(file)
                for chunk in _chunks(source):
                    sink.write(chunk)
            check(sink.digest, at=at, want=want)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path


class _Hashed(io.RawIOBase):
    """A sink that knows the digest of what went through it."""

    def __init__(self, sink: Pouring | BinaryIO) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> Literal[True]:
        return True

    def write(self, data: Any, /) -> int:
        self._hash.update(data)
        self.size += len(memoryview(data).cast("B"))
        return self._sink.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _copied(stream: Bytes, sink: _Hashed) -> Mapping[str, Scalar]:
    for chunk in stream.chunks:
        sink.write(chunk)
    return {}


def _kind(codec: str) -> str:
    return _KINDS.get(codec, "application/octet-stream")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")


def _digest_of(file: BinaryIO) -> str:
    known = hashlib.file_digest(file, "sha256")  # pyright: ignore[reportArgumentType]
    return f"sha256:{known.hexdigest()}"
