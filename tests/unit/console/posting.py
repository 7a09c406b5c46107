"""Post to an endpoint as the world does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Reply", "get", "post", "send"]

_WORLD = ThreadPoolExecutor(64)
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What an endpoint answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


def send(
    url: str,
    body: bytes | None = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] = JSON,
) -> Reply:
    """Ask, and wait for the answer."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, parts.path, body, dict(headers))
        with connection.getresponse() as answer:
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(status=answer.status, headers=found, body=answer.read())
    finally:
        connection.close()


async def post(url: str, payload: object, **headers: str) -> Reply:
    """Post an answer as JSON."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = partial(send, url, body, headers={**JSON, **more})
    # An endpoint in this process has threads of its own, whoever waits for it.
    return await asyncio.get_running_loop().run_in_executor(_WORLD, asked)


async def get(url: str) -> Reply:
    """Get what is there."""
    return await asyncio.to_thread(send, url, method="GET", headers={})
