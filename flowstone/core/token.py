"""Tokens: what an outsider shows to answer a gate.

A token is derived from its gate, not drawn, so that every attempt hands out the same
one: `v1.{key id}.{gate id}.{HMAC-SHA-256}`. It names no workflow and holds no
deadline; the gate's row does both.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha256

from flowstone.core.errors import BadToken

__all__ = ["CALLBACKS", "callback_url", "derive_token", "gate_id", "read_token"]


CALLBACKS = "/hooks/flowstone/signal"
"""The path below which the callback endpoint takes answers."""


def gate_id(run: str, node: int, key_number: int, item: int = -1) -> str:
    """Give the id of a cell's gate, the same on every attempt."""
    text = f"{run}/{node}/{key_number}/{item}"
    return sha256(text.encode()).hexdigest()[:32]


def derive_token(gate: str, keys: Mapping[str, bytes]) -> str:
    """Give the token of a gate, signed with the first of the keys."""
    key_id = next(iter(keys))
    return f"v1.{key_id}.{gate}.{_mac(gate, keys[key_id])}"


def callback_url(base: str, token: str) -> str:
    """Give where an answer is posted to."""
    return f"{base}{CALLBACKS}/{token}"


def read_token(token: str, keys: Mapping[str, bytes]) -> str:
    """Give the gate that a token names.

    Raises:
        BadToken: it is malformed, of no known key, or its signature does not hold.
    """
    parts = token.split(".")
    # What is not ASCII was never ours, and cannot be compared or hashed as text.
    if not token.isascii() or len(parts) != 4 or parts[0] != "v1":
        raise BadToken
    _, key_id, gate, mac = parts
    # A key that is not known costs as much as one that is.
    expected = _mac(gate, keys.get(key_id, b"none"))
    if not hmac.compare_digest(mac, expected) or key_id not in keys:
        raise BadToken
    return gate


def _mac(gate: str, key: bytes) -> str:
    mac = hmac.digest(key, f"v1.{gate}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
