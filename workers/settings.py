"""What a deployed worker is told by its environment."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["WorkerSettings"]


class WorkerSettings(BaseSettings):
    """`FLOWSTONE_WORKER_*`; Temporal's connection has its own variables."""

    model_config = SettingsConfigDict(env_prefix="FLOWSTONE_WORKER_")

    slots: int = Field(10, ge=1, le=1000, description="packs at once")
    drain: timedelta = Field(timedelta(seconds=30), description="after SIGTERM")
    sweep_seconds: float = Field(60.0, gt=0, description="between two sweeps")
    health_port: int | None = Field(None, ge=0, le=65535)
