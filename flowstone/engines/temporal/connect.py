"""Connect to Temporal, as the caller, the environment and its profiles say."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import (
    ClientConfig,
    ClientConfigProfile,
    ClientConfigTLS,
    ClientConnectConfig,
)
from temporalio.service import RPCError

from flowstone.core.errors import ConfigurationError
from flowstone.core.text import MASK, masked
from flowstone.engines.temporal.plugin import FlowstonePlugin
from flowstone.settings import Setting

__all__ = [
    "Connection",
    "connect_client",
    "enter",
    "find_connection",
    "shown_connection",
]

_TIMEOUT = 15
_ADDRESS, _NAMESPACE = "localhost:7233", "default"
_PAGE = "where Temporal's page is; guessed of a server on this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where Temporal is, and how one gets in.

    Attributes:
        where: its address.
        namespace: the one to work in.
        options: what its client takes; its representation would show secrets.
    """

    where: str
    namespace: str
    options: ClientConnectConfig

    def __repr__(self) -> str:
        return f"<Temporal at {self.where}, namespace {self.namespace!r}>"


def find_connection(
    address: str | None = None,
    namespace: str | None = None,
    profile: str | None = None,
) -> Connection:
    """Put together what is given with what Temporal's own configuration says.

    Args:
        address: Temporal's; by default `TEMPORAL_ADDRESS`, or the profile's.
        namespace: likewise.
        profile: which one of its configuration file; by default `TEMPORAL_PROFILE`.

    Raises:
        ConfigurationError: the configuration cannot be read, or has no such profile.
    """
    try:
        options = _load(profile).to_client_connect_config()
    except OSError as error:
        # a certificate or a key that the profile names
        raise ConfigurationError(
            problems=[f"What Temporal's configuration names cannot be read: {error}"]
        ) from error
    if address is not None:
        options["target_host"] = address
    if namespace is not None:
        options["namespace"] = namespace
    return Connection(
        where=options.setdefault("target_host", _ADDRESS),
        namespace=options.setdefault("namespace", _NAMESPACE),
        options=options,
    )


def _load(profile: str | None, *, environment: bool = True) -> ClientConfigProfile:
    try:
        return ClientConfigProfile.load(profile, disable_env=not environment)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigurationError(
            problems=[f"Temporal's configuration cannot be read: {error}.{_profiles()}"]
        ) from error


def _profiles() -> str:
    try:
        names = ", ".join(repr(name) for name in sorted(ClientConfig.load().profiles))
    except (OSError, ValueError, RuntimeError):
        return ""
    return f" Its profiles are {names}." if names else " It has no profiles."


async def connect_client(
    address: str | None = None,
    namespace: str | None = None,
    profile: str | None = None,
) -> Client:
    """Connect; arguments and errors are those of `find_connection` and `enter`."""
    return await enter(find_connection(address, namespace, profile))


async def enter(connection: Connection) -> Client:
    """Connect.

    Raises:
        ConfigurationError: nobody answers.
    """
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await Client.connect(
                **connection.options, plugins=[FlowstonePlugin()]
            )
    except (RuntimeError, ValueError, RPCError, TimeoutError, OSError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error) else "no answer"
        raise ConfigurationError(
            problems=[
                f"Temporal at {connection.where} does not answer "
                f"({masked(reason[:200])}). Start it (`flowstone dev` does), or set "
                f"TEMPORAL_ADDRESS.{_tls_hint(connection)}"
            ]
        ) from error


def _tls_hint(connection: Connection) -> str:
    if connection.options.get("tls"):
        return " TLS is on: look at the certificates, or at TEMPORAL_TLS."
    return " TLS is off: a server that wants it needs TEMPORAL_TLS or a profile."


# --- showing ------------------------------------------------------------------------


def shown_connection(profile: str | None = None) -> list[Setting]:
    """Give each setting of the connection with its value and where that comes from.

    Raises:
        ConfigurationError: the configuration cannot be read.
    """
    env = os.environ
    named = profile or env.get("TEMPORAL_PROFILE")
    now, in_file = _load(named), _load(named, environment=False)
    file = _file(env)
    rows = [
        ("ADDRESS", now.address, in_file.address, _ADDRESS, "where Temporal is"),
        ("NAMESPACE", now.namespace, in_file.namespace, _NAMESPACE, "where runs are"),
        ("API_KEY", now.api_key and MASK, in_file.api_key, None, "how one gets in"),
        ("TLS", _tls(now), _tls_of(in_file.tls), "off", "whether the way is encrypted"),
    ]
    return [
        Setting(
            name="TEMPORAL_CONFIG_FILE",
            value=str(file),
            source="environment" if "TEMPORAL_CONFIG_FILE" in env else "default",
            about="where profiles are"
            if file.exists()
            else "profiles; it is not there",
        ),
        Setting(
            name="TEMPORAL_PROFILE",
            value=named or "default",
            source="code" if profile else "environment" if named else "default",
            about="which of them is used",
        ),
        *(_row(env, *row) for row in rows),
        _row(env, "UI_ADDRESS", env.get("TEMPORAL_UI_ADDRESS"), None, None, _PAGE),
    ]


def _row(
    env: Mapping[str, str],
    name: str,
    now: str | None,
    in_file: str | None,
    default: str | None,
    about: str,
) -> Setting:
    variable = f"TEMPORAL_{name}"
    if any(v == variable or v.startswith(f"{variable}_") for v in env if env[v]):
        source = "environment"
    else:
        source = "profile" if in_file else "default"
    return Setting(name=variable, value=now or default, source=source, about=about)


def _file(env: Mapping[str, str]) -> Path:
    named = env.get("TEMPORAL_CONFIG_FILE")
    if named:
        return Path(named)
    base = env.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "temporalio" / "temporal.toml"


def _tls(profile: ClientConfigProfile) -> str:
    return _tls_of(profile.tls) or ("on, by the API key" if profile.api_key else "off")


def _tls_of(tls: ClientConfigTLS | None) -> str:
    if tls is None:
        return ""
    if tls.disabled:
        return "off"
    said = [
        f"{word} {source}" if isinstance(source, Path) else f"{word} {MASK}"
        for word, source in (
            ("CA", tls.server_root_ca_cert),
            ("certificate", tls.client_cert),
            ("key", tls.client_private_key),
        )
        if source is not None
    ]
    if tls.server_name:
        said.append(f"server name {tls.server_name}")
    return ", ".join(["on", *said])
