"""What a deployed worker is told by its environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["WorkerSettings"]


def _seconds(given: object) -> object:
    """Take plain seconds as such; pydantic would not, where they come as text."""
    if isinstance(given, str) and given.strip().replace(".", "", 1).isdecimal():
        return float(given)
    return given


class WorkerSettings(BaseSettings):
    """`FLOWSTONE_WORKER_*`; Temporal's connection has its own variables."""

    model_config = SettingsConfigDict(
        env_prefix="FLOWSTONE_WORKER_", env_ignore_empty=True
    )

    slots: int = Field(default=10, ge=1, le=1000, description="packs at once")
    drain: Annotated[timedelta, BeforeValidator(_seconds)] = Field(
        default=timedelta(seconds=30), description="after SIGTERM"
    )
    sweep_seconds: float = Field(default=60.0, gt=0, description="between two sweeps")
    health_port: int | None = Field(default=None, ge=0, le=65535)
