"""Values as answers: what JSON can hold is printed, anything else goes to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flowstone.cli.ending import misuse

if TYPE_CHECKING:
    from flowstone.io.codecs import Encoded
    from flowstone.io.streams import Stream

__all__ = ["as_data", "write_value"]

_NAMES = {"bytes": "bytes", "arrow": "an Arrow table"}


def as_data(value: object) -> object:
    """Give a value as plain JSON.

    Raises:
        BadParameter: it is bytes or a table, which JSON does not hold.
        CodecError: it cannot be encoded.
    """
    found = _encoded(value)
    if found.codec != "json":
        kind = _NAMES.get(found.codec, found.codec)
        size = len(found.data)
        what = f"the value is {kind}, {size} bytes; use `flowstone value --out FILE`"
        raise misuse(what)
    return json.loads(found.data)


def write_value(value: object, file: Path) -> int:
    """Write a value to a file: JSON, bytes as they are, or an Arrow stream.

    Returns:
        How many bytes it has.

    Raises:
        BadParameter: the file cannot be written.
        CodecError: the value cannot be encoded.
    """
    from flowstone.io.streams import Stream, as_stream, release

    found = as_stream(value)
    ready = found if isinstance(found, Stream) else _encoded(found)
    try:
        with file.open("wb") as out:
            _write(ready, out)
            return out.tell()
    except OSError as error:
        what = f"{str(file)!r} cannot be written: {error.strerror}"
        raise misuse(what, "--out") from error
    finally:
        if isinstance(found, Stream):
            found.close()
        release(value)


def _write(ready: Encoded | Stream, out: BinaryIO) -> None:
    from flowstone.io.arrow import write_arrow_batches
    from flowstone.io.streams import Batches, Bytes

    if isinstance(ready, Bytes):
        out.writelines(ready.chunks)
    elif isinstance(ready, Batches):
        write_arrow_batches(ready.schema, ready.batches, out)
    else:
        out.write(ready.data)


def _encoded(value: object) -> Encoded:
    from flowstone.io.codecs import encode

    return encode(value)
