"""Bytes in a folder: written beside their place, then moved there at once."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from flowstone.io.depot import NothingThere
from flowstone.io.keys import is_safe

__all__ = ["Folder"]

_SCHEME = "file:"
_UNFINISHED = ".tmp"
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_BUFFER = 1024 * 1024


class Folder:
    """Keeps bytes as files below a folder, which it makes when it is missing.

    A file that is being written has a name of its own, with a dot before it, and is
    linked to its place when it is complete and on disk. Locations are relative to the
    folder, so that it can be moved.
    """

    def __init__(self, root: Path) -> None:
        # absolute, whatever becomes of the working directory
        self.root = root.expanduser().absolute()

    def put(self, key: str, data: bytes, *, kind: str) -> bool:
        """Keep bytes."""
        pouring = self.pour(key, kind=kind)
        try:
            pouring.write(data)
            return pouring.publish()
        finally:
            pouring.discard()

    def pour(self, key: str, *, kind: str) -> _File:
        """Keep bytes that come little by little."""
        del kind  # a file's name says it
        return _File(self._path(key))

    def open(self, key: str) -> BinaryIO:
        """Open what is kept."""
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NothingThere from error

    def delete(self, key: str) -> None:
        """Forget what is kept, or what was never finished."""
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._path(key).unlink()

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Give keys and sizes."""
        for base, folders, names in os.walk(self.root / prefix):
            folders.sort()
            for name in sorted(names):
                path = Path(base, name)
                key = path.relative_to(self.root).as_posix()
                with suppress(FileNotFoundError):
                    yield key, path.stat().st_size

    def locate(self, key: str) -> str:
        """Say where a key is."""
        return f"{_SCHEME}{key}"

    def key_at(self, location: str) -> str:
        """Give the key of a location."""
        key = location.removeprefix(_SCHEME)
        if key == location or not is_safe(key):
            raise NothingThere
        return key

    def problems(self) -> Sequence[str]:
        """Find none: a folder is all it needs."""
        return []

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, key: str) -> Path:
        assert is_safe(key), key
        return self.root / key


class _File:
    """A file on its way to its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        name = f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}"
        self._new = path.with_name(name)
        self._file = _made(self._new)

    def write(self, data: bytes | memoryview, /) -> int:
        """Take some more."""
        return self._file.write(data)

    def publish(self) -> bool:
        """Make it visible, and certain to be there after a loss of power."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        try:
            return _moved(self._new, self._path)
        finally:
            _sync(self._path.parent)

    def discard(self) -> None:
        """Forget it."""
        self._file.close()
        self._new.unlink(missing_ok=True)


def _made(path: Path) -> BinaryIO:
    for folder in _missing(path.parent):
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    return os.fdopen(os.open(path, flags, 0o666), "wb", buffering=_BUFFER)


def _missing(folder: Path) -> list[Path]:
    """Give the folders that are to be made, the outermost first."""
    found: list[Path] = []
    while not folder.exists():
        found.append(folder)
        folder = folder.parent
    return found[::-1]


def _moved(new: Path, place: Path) -> bool:
    # a link, since a rename would replace what is there
    try:
        place.hardlink_to(new)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if place.exists():
            return False
        new.rename(place)
        return True
    new.unlink()
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
