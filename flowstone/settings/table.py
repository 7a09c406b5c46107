"""Settings: what an app is not given in code, it reads from the environment.

All of them are here, each with its variable; Temporal's connection has its own, which
Temporal's tools read too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from getpass import getuser
from typing import Any, cast

from flowstone.core.errors import ConfigurationError
from flowstone.core.policy import Packs
from flowstone.core.text import MASK, closest, masked
from flowstone.settings.reading import (
    number,
    one_of,
    read_actors,
    read_duration,
    web_address,
)
from flowstone.settings.secrets import Secrets, read_secrets

__all__ = ["PREFIX", "Setting", "Settings"]

PREFIX = "FLOWSTONE_"
"""What the name of every variable begins with."""

_OF_TESTS = {
    "FLOWSTONE_CRASH_AT",
    "FLOWSTONE_DEMO_COUNTS",
    "FLOWSTONE_FREEZE_AT",
    "FLOWSTONE_TEST_DSN",
}
"""Variables that are nobody's settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, as people may see it.

    Attributes:
        name: its variable.
        value: as it is in force, secrets masked; `None` where it has none.
        source: `code`, `environment`, `profile` or `default`.
        about: what it is for.
        problem: what is wrong with it.
    """

    name: str
    value: str | None
    source: str
    about: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _How:
    """How a setting is read and shown; of a secret one nothing is shown but `show`."""

    variable: str
    about: str
    _: KW_ONLY
    secret: bool = False
    read: Callable[[str], object] = str
    show: Callable[[Any], str] = str


def _ids(secrets: Secrets) -> str:
    return ", ".join(f"{name}:{MASK}" for name in secrets.signing_keys)


def _seconds(delay: timedelta) -> str:
    return f"{delay.total_seconds():g} s"


# --- all of them --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says; see `_ALL`."""

    ledger_url: str | None = field(default=None, repr=False)
    signing_keys: Secrets = field(default_factory=Secrets)
    actor: str = ""
    packs: Packs = "auto"
    budget: int = 200
    resource_attempts: int = 10
    resource_timeout: timedelta = timedelta(seconds=60)
    worker_slots: int = 10
    worker_drain: timedelta = timedelta(seconds=30)
    worker_sweep: timedelta = timedelta(seconds=60)
    worker_health_port: int | None = None
    worker_deployment: str | None = None
    worker_build: str | None = None
    app: str | None = None
    callback_url: str | None = None
    callback_max_bytes: int = 1_048_576
    callback_kept: timedelta = timedelta(days=30)
    serve_rate: int = 600
    serve_proxies: int = 0
    serve_signature: str | None = None
    serve_secret: str | None = field(default=None, repr=False)
    serve_actors: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> Settings:
        """Read them.

        Raises:
            ConfigurationError: all that is wrong, at once.
        """
        settings, problems = Settings.read(environ)
        if problems:
            raise ConfigurationError(problems=problems)
        return settings

    @staticmethod
    def read(
        environ: Mapping[str, str] | None = None,
    ) -> tuple[Settings, Sequence[str]]:
        """Read them, and say what is wrong; what is, has its default."""
        env = os.environ if environ is None else environ
        values: dict[str, Any] = {"actor": _user()}
        problems: list[str] = []
        for name, how in _ALL.items():
            text = env.get(how.variable, "")
            if not text or name.startswith(_OF_S3):
                continue
            value, wrong = _read(how, text)
            problems += wrong
            if not wrong:
                values[name] = value
        return Settings(**values), problems

    @staticmethod
    def shown(
        given: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> list[Setting]:
        """Give each of them with its value and where that comes from, right or wrong.

        Args:
            given: what code gave in their place, by field.
            environ: where they are read.
        """
        env = os.environ if environ is None else environ
        return [
            _shown(name, how, (given or {}).get(name), env.get(how.variable, ""))
            for name, how in _ALL.items()
        ]

    @staticmethod
    def strangers(environ: Mapping[str, str] | None = None) -> list[str]:
        """Name the variables that look like settings and are none."""
        env = os.environ if environ is None else environ
        known = {how.variable for how in _ALL.values()} | _OF_TESTS
        return [
            f"{name} is not a setting."
            + (f" Did you mean {meant}?" if (meant := closest(name, known)) else "")
            for name in sorted(env)
            if name.startswith(PREFIX) and name not in known
        ]


_ALL: Mapping[str, _How] = {
    "ledger_url": _How(
        "FLOWSTONE_LEDGER_URL",
        "the ledger's database; values go there too where no IO manager is named",
        secret=True,
        show=masked,
    ),
    "signing_keys": _How(
        "FLOWSTONE_SIGNING_KEYS",
        "keys that sign the tokens of gates",
        secret=True,
        read=read_secrets,
        show=_ids,
    ),
    "actor": _How("FLOWSTONE_ACTOR", "who asks, for the audit log"),
    "packs": _How(
        "FLOWSTONE_PACKS",
        "how assets share a step",
        read=one_of("auto", "off", "whole"),
    ),
    "budget": _How(
        "FLOWSTONE_PACK_BUDGET_MS",
        "how long a pack goes on starting assets, in milliseconds",
        read=number(0, 3_600_000, "milliseconds"),
    ),
    "resource_attempts": _How(
        "FLOWSTONE_RESOURCE_ATTEMPTS",
        "how many attempts may end because a resource does not open",
        read=number(1, 10_000, "a number"),
    ),
    "resource_timeout": _How(
        "FLOWSTONE_RESOURCE_TIMEOUT",
        "how long one attempt waits for a resource",
        read=read_duration,
        show=_seconds,
    ),
    "worker_slots": _How(
        "FLOWSTONE_WORKER_SLOTS", "packs at once", read=number(1, 1000, "a number")
    ),
    "worker_drain": _How(
        "FLOWSTONE_WORKER_DRAIN",
        "how long packs may go on after the signal to stop",
        read=read_duration,
        show=_seconds,
    ),
    "worker_sweep": _How(
        "FLOWSTONE_WORKER_SWEEP_SECONDS",
        "how often runs that nobody serves are looked for",
        read=read_duration,
        show=_seconds,
    ),
    "worker_health_port": _How(
        "FLOWSTONE_WORKER_HEALTH_PORT",
        "where /healthz and /readyz are answered",
        read=number(0, 65_535, "a port"),
    ),
    "worker_deployment": _How(
        "TEMPORAL_DEPLOYMENT_NAME", "the worker's deployment; by default of its app"
    ),
    "worker_build": _How(
        "TEMPORAL_WORKER_BUILD_ID", "the worker's version; without one it has none"
    ),
    "app": _How("FLOWSTONE_APP", "the app, where the line does not say it"),
    "callback_url": _How(
        "FLOWSTONE_CALLBACK_URL",
        "where the world reaches the callback endpoint",
        read=web_address,
    ),
    "callback_max_bytes": _How(
        "FLOWSTONE_CALLBACK_MAX_BYTES",
        "how large an answer may be, in bytes",
        read=number(1, 67_108_864, "bytes"),
    ),
    "callback_kept": _How(
        "FLOWSTONE_CALLBACK_KEPT",
        "how long the log of deliveries is kept",
        read=read_duration,
        show=_seconds,
    ),
    "serve_rate": _How(
        "FLOWSTONE_SERVE_RATE",
        "how many requests a minute the endpoint takes from one source",
        read=number(1, 10_000_000, "a number"),
    ),
    "serve_proxies": _How(
        "FLOWSTONE_SERVE_PROXIES",
        "how many proxies of yours stand before the endpoint",
        read=number(0, 10, "a number"),
    ),
    "serve_signature": _How(
        "FLOWSTONE_SERVE_SIGNATURE",
        "whose signature each delivery must bear",
        read=one_of("github", "stripe"),
    ),
    "serve_secret": _How(
        "FLOWSTONE_SERVE_SECRET",
        "the secret of that signature",
        secret=True,
        show=lambda _: MASK,
    ),
    "serve_actors": _How(
        "FLOWSTONE_SERVE_ACTORS",
        "who may decide at the endpoint, each with a token: ada:token,bob:token",
        read=read_actors,
        secret=True,
        show=lambda found: ", ".join(cast("Mapping[str, str]", found)) or "nobody",
    ),
    "s3_endpoint": _How("FLOWSTONE_S3_ENDPOINT", "an S3 that is not that of AWS"),
    "s3_region": _How("FLOWSTONE_S3_REGION", "as AWS names it"),
    "s3_bucket": _How("FLOWSTONE_S3_BUCKET", "where a manager names none"),
    "s3_access_key": _How("FLOWSTONE_S3_ACCESS_KEY", "who asks the S3"),
    "s3_secret_key": _How(
        "FLOWSTONE_S3_SECRET_KEY", "their secret", secret=True, show=lambda _: MASK
    ),
}
"""Each setting, by its field; those of an S3 are read by what reaches it."""

_OF_S3 = "s3_"


def _read(how: _How, text: str) -> tuple[object, Sequence[str]]:
    try:
        return how.read(text), ()
    except ConfigurationError as error:
        return None, error.problems
    except ValueError as error:
        return None, [f"{how.variable} is {text!r}; {error}."]


def _shown(name: str, how: _How, given: str | None, text: str) -> Setting:
    default = getattr(Settings(), name, None)
    value, problems = _read(how, text) if text else (default, ())
    source = "environment" if text else "default"
    if name == "actor" and not text:
        value = _user()
    if given is not None:
        problems, source = (), "code"
    if given is None and problems:
        given = MASK if how.secret else text
    elif given is None and value is not None:
        given = how.show(value)
    return Setting(
        name=how.variable,
        value=given or None,
        source=source,
        about=how.about,
        problem=" ".join(problems),
    )


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"
