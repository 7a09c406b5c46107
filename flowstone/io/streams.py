"""Values that are written and read as they come, rather than as a whole."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PosixPath
from typing import (
    Any,
    BinaryIO,
    Protocol,
    TypeAlias,
    TypeVar,
    assert_never,
    cast,
    runtime_checkable,
)

from flowstone.core.errors import CodecError
from flowstone.core.outcome import Cancelled
from flowstone.io.arrow import together
from flowstone.io.remedies import kind_of
from flowstone.io.wants import Form, form_of

__all__ = [
    "Batches",
    "Bytes",
    "FromFile",
    "Scratch",
    "SourceFailed",
    "Stream",
    "as_stream",
    "gathered",
    "release",
    "scratch",
]

T = TypeVar("T")

_CHUNK = 1024 * 1024
_LARGEST = 32 * 1024 * 1024
_TOO_LARGE = (
    f"it is a stream of more than {_LARGEST:,} bytes, which its manager would have to "
    "keep in memory. Give the asset's io a manager that streams, such as S3IO or "
    "ParquetIO."
)
_CLOSED_FILE = "its file is closed. Return it open: without `with`, or as a Path."
_SPENT = "nothing is left to read in its file. Go back to its beginning: file.seek(0)."
_TEXT = "its file is open for text. Open it for bytes, as 'rb'."


class SourceFailed(Exception):
    """What a stream reads from failed, which is its maker's failure; see the cause."""


_PLAIN = frozenset({type(None), bool, int, float, str, bytes, dict, list, tuple, set})
"""Types that no stream has: to ask whether something is a file takes long."""


@runtime_checkable
class _File(Protocol):
    """What is needed of an open file."""

    def read(self, size: int, /) -> object: ...

    def readable(self) -> bool: ...

    def close(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """The bytes of an open file, to be read once.

    Attributes:
        chunks: gives them, from where the file stands.
        close: closes the file.
    """

    chunks: Iterator[bytes]
    close: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Batches of Arrow, to be read once.

    Attributes:
        schema: of all of them.
        batches: gives them; each is a `pyarrow.RecordBatch`, or a table.
        close: ends what makes them.
        form: what they were, for a reader that asks for nothing.
    """

    schema: Any
    batches: Iterator[Any]
    close: Callable[[], object] = lambda: None
    form: Form = "table"


Stream: TypeAlias = Bytes | Batches


class Scratch(PosixPath):
    """The path of a file that was made for one reader; it is deleted after it."""


class FromFile(Iterator[object]):
    """What is read from a file, which is closed at the end, or before it."""

    def __init__(self, file: BinaryIO, items: Iterator[object]) -> None:
        self._file = file
        self._items = items

    def __next__(self) -> object:
        try:
            return next(self._items)
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; then there is nothing left."""
        self._items = iter(())
        self._file.close()


def as_stream(value: object) -> object:
    """Give an open file, a `Path` or an iterator of batches as a stream.

    Anything else comes back as it is; what was left of an iterator, as a list.

    Raises:
        CodecError: the file is not one whose bytes can be read.
        SourceFailed: an iterator failed to give its first item.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Path):
        return _bytes(_opened(value))
    if isinstance(value, io.IOBase | _File):
        return _bytes(cast("_File", value))
    if form_of(value) == "reader":
        reader: Any = value
        source = _guarded(reader)
        return Batches(schema=reader.schema, batches=source, close=reader.close)
    if isinstance(value, Iterator):
        return _peeked(cast("Iterator[object]", value))
    return value


def gathered(stream: Stream) -> object:
    """Read a small stream into memory: as bytes, or as a table.

    Raises:
        CodecError: it is not small.
        SourceFailed: what it reads from failed.
    """
    try:
        match stream:
            case Bytes():
                return b"".join(_few(stream.chunks, len, "an open file"))
            case Batches():
                few = _few(stream.batches, lambda batch: batch.nbytes, "batches")
                return together(stream.schema, few)
            case _:
                assert_never(stream)
    finally:
        stream.close()


def release(value: object) -> None:
    """Let go of what a value that was loaded holds on to: a file, open or temporary."""
    if isinstance(value, Scratch):
        value.unlink(missing_ok=True)
    elif isinstance(value, io.BufferedReader | FromFile):
        value.close()
    elif form_of(value) == "reader":
        cast("Any", value).close()


def scratch() -> tuple[BinaryIO, Scratch]:
    """Make an empty file for one reader; it is open, for writing and reading."""
    handle, name = tempfile.mkstemp(prefix="flowstone-")
    return os.fdopen(handle, "w+b"), Scratch(name)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        reason = f"{str(path)!r} cannot be read: {error.strerror}."
        raise CodecError(type_name="pathlib.Path", reason=reason) from error


def _bytes(file: _File | io.IOBase) -> Bytes:
    known: Any = file
    if isinstance(file, io.TextIOBase):
        raise CodecError(type_name=kind_of(file), reason=_TEXT)
    if getattr(file, "closed", False):
        raise CodecError(type_name=kind_of(file), reason=_CLOSED_FILE)
    return Bytes(chunks=_chunks(known), close=known.close)


def _chunks(file: Any) -> Iterator[bytes]:
    reads = _guarded(iter(lambda: file.read(_CHUNK), b""))
    first = next(reads, b"")
    if not first and _is_past_beginning(file):
        raise CodecError(type_name=kind_of(file), reason=_SPENT)
    if not isinstance(first, bytes | bytearray | memoryview):
        raise CodecError(type_name=kind_of(file), reason=_TEXT)
    yield from chain([first] if first else [], reads)


def _is_past_beginning(file: Any) -> bool:
    try:
        return bool(file.tell())
    except (OSError, AttributeError):
        return False


def _peeked(source: Iterator[object]) -> object:
    items = _guarded(source)
    first = list(islice(items, 1))
    if first and form_of(first[0]) in {"batch", "table"}:
        schema = cast("Any", first[0]).schema
        return Batches(
            schema=schema, batches=chain(first, items), close=_closer(source)
        )
    return [*first, *items]


def _few(parts: Iterator[T], size_of: Callable[[T], int], name: str) -> Iterator[T]:
    size = 0
    for part in parts:
        size += size_of(part)
        if size > _LARGEST:
            raise CodecError(type_name=name, reason=_TOO_LARGE)
        yield part


def _guarded(source: Iterable[T]) -> Iterator[T]:
    """Give what a source gives; its failure is told from those of a store."""
    items = iter(source)
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except (Exception, SystemExit, Cancelled) as error:
            raise SourceFailed(str(error)) from error
        yield item


def _closer(source: Iterator[object]) -> Callable[[], object]:
    close: object = getattr(source, "close", None)
    if not callable(close):
        return lambda: None

    def closing() -> None:
        # a generator that runs cannot be closed, and closing may raise what it likes
        with suppress(Exception):
            close()

    return closing
