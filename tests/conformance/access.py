"""How tests reach an S3."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["Access"]


class Access(TypedDict):
    """What a manager needs to know of an S3."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str
