"""Ready checks for sensors: what arrives in S3, what changes in a database."""

from __future__ import annotations

from flowstone.checks.s3 import S3NewObjects, S3Object
from flowstone.checks.sql import SqlChange

__all__ = ["S3NewObjects", "S3Object", "SqlChange"]
