"""Why a value cannot be kept or read, and what to do, in words."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

__all__ = [
    "KEYS_COLLIDE",
    "KEY_UNREADABLE",
    "MASKED",
    "Refusal",
    "kind_of",
    "misfit",
    "name_of",
    "refusal",
]

KEYS_COLLIDE: Final = (
    "its keys are different in Python and the same in JSON, such as 1 and '1'. Give "
    "keys of one type, or a list of pairs."
)
KEY_UNREADABLE: Final = (
    "its key {!r} cannot be read back from JSON. Use text, numbers, dates or "
    "enumerations as keys, or return a list of pairs."
)
MASKED: Final = (
    "a secret would be kept as asterisks. Leave it out of the value: exclude the "
    "field, or read the secret where it is needed."
)
_TOO_DEEP = "it contains itself, or is nested too deep for JSON. Return it flat."
_SURROGATE = (
    "its text has a lone surrogate, which is no character. Decode the text with "
    "errors='replace', or return bytes."
)
_NOT_TEXT = "its bytes are not UTF-8, and its model writes them as such."
_WRITABLE = (
    "Return plain data, a dataclass, a pydantic model, bytes or a pyarrow.Table, or "
    "give the asset's io a manager that keeps such values."
)
_CONVERSIONS = {
    "numpy": "Convert it by .item() or .tolist().",
    "pandas": "Return pyarrow.Table.from_pandas(frame).",
    "polars": "Return frame.to_arrow().",
    "pyarrow": "Return a Table by itself, or convert it by .to_pylist().",
}
_KNOWN = (
    ("surrogates not allowed", _SURROGATE),
    ("invalid utf-8", _NOT_TEXT),
    ("Circular reference", _TOO_DEEP),
    ("depth exceeded", _TOO_DEEP),
    ("recursion", _TOO_DEEP),
    (
        "number out of range",
        "it has an integer of more than 4,300 digits. Return text.",
    ),
)
_SHOWN = 3


class Refusal(ValueError):
    """A value that pydantic would write, and nobody could read; the text says why."""


def kind_of(value: object) -> str:
    """Name the type of a value."""
    return name_of(type(value))


def name_of(want: object) -> str:
    """Name a type or an annotation as its user would write it."""
    if not isinstance(want, type) or hasattr(want, "__args__"):
        return str(want).replace("typing.", "")
    if want.__module__ == "builtins":
        return want.__qualname__
    return f"{want.__module__}.{want.__qualname__}"


def refusal(culprit: object, error: Exception) -> str:
    """Say why a value cannot be written, and the remedy."""
    if isinstance(error, Refusal):
        return str(error)
    text = str(error)
    for sign, reason in _KNOWN:
        if sign in text:
            return reason
    library = type(culprit).__module__.partition(".")[0]
    remedy = _CONVERSIONS.get(library, _WRITABLE)
    if "unknown type" in text:
        return f"JSON has no form for it. {remedy}"
    return f"{text.splitlines()[0]}. {remedy}"


def misfit(error: ValidationError) -> str:
    """Say where a stored value does not fit the annotation it is read by."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"at {_path(e['loc'])}: {e['msg']}" for e in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "; ".join([*lines, *more])


def _path(where: tuple[int | str, ...]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in where]
    return "".join(steps) or "the top"
