"""The keys of objects and files: readable, safe in any store, of bounded length.

A key is the asset's name, then the partition, then the version, with a suffix that
tells the codec:

| partition | key |
|---|---|
| none | `shop/report/0198...json` |
| `2025-01-15` | `shop/report/2025-01-15/0198...json` |
| `{date=2025-01-15,region=eu}` | `shop/report/date=2025-01-15/region=eu/0198...json` |

Letters, digits and `-_.=,!'(){}` are kept; everything else is percent-encoded, so that
tools which read such folders as columns get the partition's own text back. What is too
long is cut and ends in its hash. No part begins with a dot or an underscore, which
such tools pass over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from flowstone.core.errors import BadPartition
from flowstone.core.partition import NONE, PartitionKey
from flowstone.io.base import Slot

__all__ = ["LONGEST_KEY", "is_safe", "object_key", "prefix_key"]

LONGEST_KEY: Final = 680
"""Bytes of a key; S3 takes 1,024, of which a manager's own prefix needs some."""

_LONGEST_PART = 110
_KEPT = 70
_LONGEST_PARTITION = 330
_CANONICAL = re.compile(r"[A-Za-z0-9_.\-+:!%(){},=']*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-!%(){},=']")
_HALF_ESCAPE = re.compile(r"%[0-9A-F]?$")
_SAFE_KEY = re.compile(r"[A-Za-z0-9_.\-!%(){},='~/]+")


def object_key(at: Slot, suffix: str) -> str:
    """Give the key of a version: no other version has it."""
    name = f"{_part(at.version)}{suffix}"
    return "/".join([*_asset(at.asset), *_partition(at.key), name])


def prefix_key(prefix: str) -> str:
    """Give what the keys of a pipeline, or of `pipeline/asset`, begin with."""
    return "".join(f"{part}/" for part in _asset(prefix))


def is_safe(key: str) -> bool:
    """Tell whether a key can be one of ours: it leads nowhere else."""
    parts = key.split("/")
    return bool(_SAFE_KEY.fullmatch(key)) and not {"", ".", ".."} & set(parts)


def _asset(name: str) -> Iterator[str]:
    pipeline, slash, asset = name.partition("/")
    if pipeline:
        yield _part(pipeline)
    if slash:
        yield _part(asset)


def _partition(text: str) -> list[str]:
    if text == NONE.text:
        return []
    parts = [_part(part) for part in _dimensions(text)]
    if len("/".join(parts)) > _LONGEST_PARTITION:
        return [_part(text, always_hashed=True)]
    return parts


def _dimensions(text: str) -> list[str]:
    """Give `name=value` for each named dimension; else the text by itself."""
    if not text.startswith("{"):
        return [text]
    try:
        value = PartitionKey(text).value
    except BadPartition:
        return [text]
    assert isinstance(value, dict)
    named = (
        (PartitionKey.of(n).text, PartitionKey.of(v).text) for n, v in value.items()
    )
    return [f"{name}={value}" for name, value in named]


def _part(text: str, *, always_hashed: bool = False) -> str:
    """Give one part of a key; different texts have different ones."""
    if _CANONICAL.fullmatch(text):
        safe = _UNSAFE.sub(_escape, text)
    else:
        safe = "~" + _UNSAFE.sub(_escape, text.replace("%", "%25"))
    if safe[:1] in {".", "_", ""}:
        safe = f"{_escape_all(safe[:1])}{safe[1:]}"
    if len(safe) <= _LONGEST_PART and not always_hashed:
        return safe
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{_HALF_ESCAPE.sub('', safe[:_KEPT])}~{digest}"


def _escape(found: re.Match[str]) -> str:
    return _escape_all(found[0])


def _escape_all(text: str) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in raw) or "%"
