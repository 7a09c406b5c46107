"""The keys that sign the tokens of gates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowstone.core.errors import ConfigurationError

__all__ = ["Secrets", "read_secrets"]

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
            ConfigurationError: an entry is not of that form, a secret is short, or an
                id comes twice.
        """
        env = os.environ if environ is None else environ
        return read_secrets(env.get("FLOWSTONE_SIGNING_KEYS", ""))

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self.signing_keys) or 'none'})"


def read_secrets(text: str) -> Secrets:
    """Read keys from a setting's text.

    Raises:
        ConfigurationError: all that is wrong with it, and none of its secrets.
    """
    keys: dict[str, bytes] = {}
    problems: list[str] = []
    for place, entry in enumerate(filter(None, text.split(",")), start=1):
        name, found, secret = entry.strip().partition(":")
        problem = _problem(place, name if found else "", secret, keys)
        if problem:
            problems.append(problem)
        else:
            keys[name] = secret.encode()
    if problems:
        raise ConfigurationError(problems=problems)
    return Secrets(keys)


def _problem(place: int, name: str, secret: str, known: Mapping[str, bytes]) -> str:
    if not (name.isascii() and name.isalnum()):
        return f"Entry {place} of FLOWSTONE_SIGNING_KEYS is not `id:secret`."
    if len(secret) < _SHORTEST_KEY:
        return (
            f"Key {name!r} of FLOWSTONE_SIGNING_KEYS is shorter than "
            f"{_SHORTEST_KEY} characters."
        )
    if name in known:
        return f"Key {name!r} of FLOWSTONE_SIGNING_KEYS comes twice: rename one."
    return ""
