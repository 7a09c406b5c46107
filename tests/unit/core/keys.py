"""Keys of every kind, drawn at random."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from flowstone.core.ref import Key

__all__ = ["HOSTILE", "KEYS"]

HOSTILE = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789-+:TZ.%'(){},=~_", max_size=27),
    st.sampled_from(
        [
            "",
            "-",
            "--",
            "'",
            "''",
            "'-'",
            "7",
            "-7",
            "+7",
            "007",
            "-0",
            "\uff17",
            "2025-01-15",
            "2025-02-30",
            "0000-01-01",
            "2025-01-15T14:00:00Z",
            "2025-01-15T14:00:00.5Z",
            "2025-01-15T14:00:00.000000Z",
            "2025-01-15T24:00:00Z",
            "2025-01-15T23:59:60Z",
            "2025-01-15T14:00:00+00:00",
            "(a,b)",
            "{a=1}",
            "a,b",
            "a=b",
            "a~b",
            "%41",
            "%",
            "%zz",
            "../../etc/passwd",
            "a/b",
            "a\x00b",
            "a b\n",
            "\ud800",
            "Z\u00fcrich",
            "' OR 1=1 --",
        ]
    ),
)
"""Texts that look like something else, or like a part of the grammar."""

_ZONES = st.sampled_from(
    [UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-5, minutes=-30))]
)
_SCALARS = st.one_of(
    HOSTILE,
    st.integers(),
    st.dates(),
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=_ZONES,
    ),
)


def _nested(inner: st.SearchStrategy[Key]) -> st.SearchStrategy[Key]:
    names = HOSTILE.filter(bool)
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(tuple),
        st.dictionaries(names, inner, min_size=1, max_size=3),
    )


KEYS: st.SearchStrategy[Key] = st.recursive(_SCALARS, _nested, max_leaves=6)
"""Every key that there is."""
