"""What is asked of a run, so that two equal requests can be told from two others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256

from flowstone.core.messages import Request
from flowstone.ledger.rows import dump

__all__ = ["request_hash"]

_UNSAID = ("run", "packs", "budget")
_LATER = ("schedule", "scheduled_at", "tick", "sensor")


def request_hash(request: Request, keys: Sequence[str]) -> str:
    """Give what two equal requests have in common."""
    said = asdict(request)
    for unsaid in _UNSAID:
        del said[unsaid]
    # As releases hashed that had no schedules: what runs already is joined as ever.
    for later in _LATER:
        if not said[later]:
            del said[later]
    return sha256(dump([said, list(keys)]).encode()).hexdigest()[:32]
