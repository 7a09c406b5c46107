"""Edits: the value that is published in place of the one that was held back."""

from __future__ import annotations

import base64

from flowstone.io import codecs

__all__ = ["ORIGINAL", "read_edits", "write_edits"]

ORIGINAL = "(original)"
"""The parameter by which an edited value names what it was edited from."""


def write_edits(value: object, want: object) -> str:
    """Write a value down, once it is sure that it is of the type that is wanted.

    Raises:
        CodecError: it cannot be stored, or is not of that type.
    """
    found = codecs.encode(value)
    codecs.decode(found, want)
    if found.codec == "json":
        return f"json:{found.data.decode()}"
    return f"{found.codec}:{base64.b64encode(found.data).decode()}"


def read_edits(text: str) -> tuple[str, bytes]:
    """Give the codec and the data of what `write_edits` wrote."""
    codec, _, data = text.partition(":")
    return codec, data.encode() if codec == "json" else base64.b64decode(data)
