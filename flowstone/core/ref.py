"""What names a value, never the value itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TypeAlias, Union

__all__ = ["Key"]

Key: TypeAlias = Union[date, datetime, str, int, "tuple[Key, ...]", "Mapping[str, Key]"]
"""A partition as users write it: a plain value (see `flowstone.core.partition`)."""
