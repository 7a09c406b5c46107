"""Tokens: derived from a gate, and refused where they were changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowstone.core.errors import BadToken
from flowstone.core.token import callback_url, derive_token, gate_id, read_token

KEYS = {"new": b"a secret of some length", "old": b"another secret of some length"}
GATE = gate_id("r1", 3, 0)


def test_a_gate_has_one_id() -> None:
    """Every attempt at a cell has the same gate, and no other cell has it."""
    cells = [("r1", 3, 0), ("r2", 3, 0), ("r1", 4, 0), ("r1", 3, 1)]
    ids = {gate_id(*cell) for cell in cells} | {gate_id("r1", 3, 0, item=7)}

    assert len(ids) == 5
    assert gate_id("r1", 3, 0) == GATE
    assert len(GATE) == 32


def test_a_token_names_its_gate() -> None:
    """Whoever has the keys can tell which gate a token answers."""
    token = derive_token(GATE, KEYS)

    assert token.split(".")[:3] == ["v1", "new", GATE]
    assert read_token(token, KEYS) == GATE
    assert derive_token(GATE, KEYS) == token


def test_a_token_of_an_older_key_still_answers() -> None:
    """A key that signs no more is still known."""
    token = derive_token(GATE, {"old": KEYS["old"]})

    assert read_token(token, KEYS) == GATE


TOKEN = derive_token(GATE, KEYS)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        TOKEN[3:],
        f"{TOKEN}.more",
        TOKEN.replace("v1.", "v2."),
        TOKEN.replace(".new.", ".old."),
        TOKEN.replace(".new.", ".another."),
        TOKEN.replace(GATE, gate_id("r2", 3, 0)),
        TOKEN[:-1],
        f"{TOKEN}=",
        f" {TOKEN}",
        f"{TOKEN}\u00e9",
        derive_token(GATE, {"new": b"somebody else's secret"}),
    ],
)
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    """Whatever was changed in it, a token that is not ours answers nothing."""
    with pytest.raises(BadToken, match="exactly as it was given"):
        read_token(token, KEYS)


@given(st.text(max_size=80), st.integers(0, len(TOKEN) - 1))
def test_no_text_is_taken_for_a_token(text: str, place: int) -> None:
    """Any text, also in the middle of a token, is refused and breaks nothing."""
    for token in (text, TOKEN[:place] + text + TOKEN[place + 1 :]):
        if token != TOKEN:
            with pytest.raises(BadToken):
                read_token(token, KEYS)


def test_a_callback_url_is_the_token_below_a_path() -> None:
    """The endpoint's address, its path, and the token as it is."""
    assert callback_url("https://a.example", TOKEN) == (
        f"https://a.example/hooks/flowstone/signal/{TOKEN}"
    )
