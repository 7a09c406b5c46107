"""What a gate takes: the annotation of its asset's handler, or of its value."""

from __future__ import annotations

import inspect
import json
from typing import Never

from flowstone.core.asset import AnyAsset
from flowstone.core.errors import BadPayload, CodecError
from flowstone.core.hints import read_hints
from flowstone.core.text import masked
from flowstone.io import codecs

__all__ = ["check_payload", "payload_hint", "read_payload", "write_payload"]

_LONGEST = 500


def payload_hint(asset: AnyAsset) -> object:
    """Give the annotation of the payload that an asset's gate takes."""
    companion = asset.companions.get("on_signal")
    if companion is None:
        return asset.hints.returns
    name = next(iter(inspect.signature(companion).parameters))
    return read_hints(companion).parameters.get(name)


def check_payload(asset: AnyAsset, payload: str) -> None:
    """Refuse an answer that the asset could not take.

    Raises:
        BadPayload: it is of another type.
    """
    try:
        codecs.decode(("json", payload.encode()), payload_hint(asset))
    except CodecError as error:
        why = masked(" ".join(str(error).split())).rstrip(".")
        raise BadPayload(asset=asset.name, reason=why[:_LONGEST]) from error


def read_payload(body: bytes) -> str:
    """Read what came as JSON, and give it in the one form in which it is kept.

    Raises:
        BadPayload: it is no JSON.
    """
    try:
        return write_payload(json.loads(body, parse_constant=_refuse_number))
    except (ValueError, RecursionError) as error:
        raise BadPayload(reason="it is no JSON") from error


def write_payload(payload: object) -> str:
    """Give an answer as it is kept: equal ones are equal texts.

    Raises:
        TypeError: it has something in it that is not JSON.
        ValueError: likewise; a number that is none.
    """
    return json.dumps(payload, sort_keys=True, allow_nan=False, default=_refuse)


def _refuse(value: object) -> Never:
    raise TypeError(f"the payload has a {type(value).__name__}, which is not JSON")  # noqa: EM102


def _refuse_number(word: str) -> Never:
    raise ValueError(word)
