"""Settings: what an app is not given in code, it reads from the environment."""

from __future__ import annotations

from flowstone.settings.reading import read_duration
from flowstone.settings.secrets import Secrets
from flowstone.settings.table import PREFIX, Setting, Settings

__all__ = ["PREFIX", "Secrets", "Setting", "Settings", "read_duration"]
