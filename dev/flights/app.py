"""The app: the pipeline under its name; what it runs on, the environment says."""

from __future__ import annotations

from dev.flights import pipeline
from flowstone import Flowstone, Pipeline

__all__ = ["app"]

app = Flowstone("flights", Pipeline.of(pipeline))
