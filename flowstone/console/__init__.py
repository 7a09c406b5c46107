"""The callback endpoint, over the client alone: it holds no state of its own.

It needs Starlette and uvicorn: `pip install 'flowstone[serve]'`.
"""

from __future__ import annotations

from flowstone.console.application import application
from flowstone.console.options import Options
from flowstone.console.serving import serve_console, serving

__all__ = ["Options", "application", "serve_console", "serving"]
