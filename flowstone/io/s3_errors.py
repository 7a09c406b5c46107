"""What S3 says, in words of its own codes, as what it means here."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from flowstone.core.errors import ConfigurationError
from flowstone.io.depot import NothingThere

__all__ = ["Contended", "Taken", "translated"]


class Taken(Exception):
    """There is an object already."""


class Contended(Exception):
    """Another one is being put at the same moment; it may fail yet."""


_MEANING: Mapping[str, type[Exception]] = {
    "404": NothingThere,
    "412": Taken,
    "ConditionalRequestConflict": Contended,
    "NoSuchKey": NothingThere,
    "NoSuchUpload": NothingThere,
    "PreconditionFailed": Taken,
}


@contextmanager
def translated(bucket: str) -> Generator[None]:
    """Raise what an error of S3 means, where it means anything to a caller.

    Raises:
        NothingThere: there is no such object, or upload.
        Taken: there is an object already.
        Contended: another one is on its way.
        ConfigurationError: there is no such bucket.
    """
    errors: Any = import_module("botocore.exceptions")
    try:
        yield
    except errors.ClientError as error:
        answer: Any = error.response
        code = str(answer.get("Error", {}).get("Code"))
        if code == "NoSuchBucket":
            problem = f"There is no bucket {bucket!r}. Make it, or name another."
            raise ConfigurationError(problems=[problem]) from error
        if code in _MEANING:
            raise _MEANING[code] from error
        raise
