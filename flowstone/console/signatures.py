"""Signatures of providers: that a delivery comes from them, unchanged."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping

__all__ = ["is_signed"]

_TOLERANCE = 300.0


def is_signed(
    kind: str,
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float | None = None,
) -> bool:
    """Tell whether a delivery bears a good signature.

    Args:
        kind: `github`: `X-Hub-Signature-256: sha256=<hex>` of the body; `stripe`:
            `Stripe-Signature: t=<seconds>,v1=<hex>` of the time, a dot and the body,
            not older than five minutes.
        secret: what the provider signs with.
        headers: of the request; names in lower case.
        body: what came.
        now: the time, in seconds since 1970.
    """
    key = secret.encode()
    if kind == "github":
        given = headers.get("x-hub-signature-256", "")
        return _is(given.removeprefix("sha256="), key, body)
    parts = [p.partition("=") for p in headers.get("stripe-signature", "").split(",")]
    at = next((value for name, _, value in parts if name.strip() == "t"), "")
    signatures = [value for name, _, value in parts if name.strip() == "v1"]
    if not at.isdecimal() or len(at) > len(str(2**62)):
        return False
    moment = time.time() if now is None else now
    fresh = abs(moment - int(at)) <= _TOLERANCE
    signed = at.encode() + b"." + body
    return any(_is(value, key, signed) for value in signatures) and fresh


def _is(given: str, key: bytes, signed: bytes) -> bool:
    expected = hmac.new(key, signed, "sha256").hexdigest()
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
