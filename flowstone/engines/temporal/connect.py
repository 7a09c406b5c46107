"""Connect to Temporal, as the environment and the caller say."""

from __future__ import annotations

import asyncio

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from flowstone.core.errors import ConfigurationError
from flowstone.engines.temporal.plugin import FlowstonePlugin

__all__ = ["connect_client"]

_TIMEOUT = 15


async def connect_client(
    address: str | None = None, namespace: str | None = None
) -> Client:
    """Connect; what is not given comes from Temporal's own configuration.

    Raises:
        ConfigurationError: the configuration cannot be read, or nobody answers.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigurationError(
            problems=[f"Temporal's configuration cannot be read: {error}"]
        ) from error
    if address is not None:
        config["target_host"] = address
    if namespace is not None:
        config["namespace"] = namespace
    where = config.get("target_host") or "localhost:7233"
    config["target_host"] = where
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await Client.connect(**config, plugins=[FlowstonePlugin()])
    except (RuntimeError, RPCError, TimeoutError, OSError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error) else "no answer"
        raise ConfigurationError(
            problems=[
                f"Temporal at {where} does not answer ({reason[:200]}). Start it "
                "(`flowstone dev` does), or set TEMPORAL_ADDRESS."
            ]
        ) from error
