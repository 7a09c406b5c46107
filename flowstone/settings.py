"""Settings: what an app is not given in code, it reads from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from getpass import getuser

from flowstone.core.errors import ConfigurationError

__all__ = ["Secrets", "Settings"]

_SHORTEST_KEY = 16


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys that sign the tokens of gates, by id; the first one signs, all are known.

    Its representation shows ids only.
    """

    signing_keys: Mapping[str, bytes] = field(default_factory=dict[str, bytes])

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> Secrets:
        """Read `FLOWSTONE_SIGNING_KEYS`: `id:secret`, several separated by commas.

        Raises:
            ConfigurationError: an entry is not of that form, or a secret is short.
        """
        text = (os.environ if environ is None else environ).get(
            "FLOWSTONE_SIGNING_KEYS", ""
        )
        keys: dict[str, bytes] = {}
        problems: list[str] = []
        for place, entry in enumerate(filter(None, text.split(",")), start=1):
            name, found, secret = entry.strip().partition(":")
            if not found or not name.isalnum():
                problems.append(
                    f"Entry {place} of FLOWSTONE_SIGNING_KEYS is not `id:secret`."
                )
            elif len(secret) < _SHORTEST_KEY:
                problems.append(
                    f"Key {name!r} of FLOWSTONE_SIGNING_KEYS is shorter than "
                    f"{_SHORTEST_KEY} characters."
                )
            else:
                keys[name] = secret.encode()
        if problems:
            raise ConfigurationError(problems=problems)
        return Secrets(keys)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self.signing_keys) or 'none'})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says.

    Attributes:
        ledger_url: `FLOWSTONE_LEDGER_URL`.
        actor: `FLOWSTONE_ACTOR`, else the user's name.
        packs: `FLOWSTONE_PACKS`: `auto`, `off` or `whole`.
        budget: `FLOWSTONE_PACK_BUDGET_MS`.
    """

    ledger_url: str | None
    actor: str
    packs: str
    budget: int

    @staticmethod
    def from_env(environ: Mapping[str, str] | None = None) -> Settings:
        """Read them.

        Raises:
            ConfigurationError: all that is wrong, at once.
        """
        env = os.environ if environ is None else environ
        problems: list[str] = []
        packs = env.get("FLOWSTONE_PACKS", "auto")
        if packs not in {"auto", "off", "whole"}:
            problems.append(f"FLOWSTONE_PACKS is {packs!r}; use auto, off or whole.")
        budget = env.get("FLOWSTONE_PACK_BUDGET_MS", "200")
        if not budget.isdigit():
            problems.append(
                f"FLOWSTONE_PACK_BUDGET_MS is {budget!r}; use milliseconds, as 200."
            )
        if problems:
            raise ConfigurationError(problems=problems)
        return Settings(
            ledger_url=env.get("FLOWSTONE_LEDGER_URL") or None,
            actor=env.get("FLOWSTONE_ACTOR") or _user(),
            packs=packs,
            budget=int(budget),
        )


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"
