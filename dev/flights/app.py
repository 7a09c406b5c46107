"""The app: the pipeline under its name, and the lake that keeps its tables."""

from __future__ import annotations

import os
from pathlib import Path

from dev.flights import pipeline
from flowstone import Flowstone, ParquetIO, Pipeline

__all__ = ["app", "flights_in", "flights_on_s3", "lake_on_s3"]


def flights_on_s3() -> Flowstone:
    """Give the app with its tables in the bucket that the environment names."""
    return _app(lake_on_s3())


def lake_on_s3() -> str:
    """Say where in S3 the tables are."""
    bucket = os.environ.get("FLOWSTONE_S3_BUCKET") or "flowstone"
    return f"s3://{bucket}/lake"


def flights_in(folder: str | Path) -> Flowstone:
    """Give the app with its tables in a folder, for this machine alone."""
    return _app(Path(folder) / "lake")


def _app(lake: str | Path) -> Flowstone:
    """Leave it to the environment where reports and facts go."""
    return Flowstone("flights", Pipeline.of(pipeline), io={"lake": ParquetIO(lake)})


app = flights_on_s3()
