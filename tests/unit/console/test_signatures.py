"""Signatures of providers."""

from __future__ import annotations

import hmac

import pytest

from flowstone.console import Options
from flowstone.console.signatures import is_signed
from flowstone.core.errors import ConfigurationError
from flowstone.settings import Settings

SECRET = "whsec"
BODY = b'{"a": 1}'


def signed(what: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), what, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("given", "good"),
    [
        (f"sha256={signed(BODY)}", True),
        (f"sha256={signed(BODY + b' ')}", False),
        (f"sha256={signed(BODY, 'another')}", False),
        ("sha256=", False),
        ("sha256=\u00e9", False),
    ],
)
def test_github(given: str, good: bool) -> None:
    """A signature over the body, by the secret, and nothing else."""
    headers = {"x-hub-signature-256": given}

    assert is_signed("github", SECRET, headers, BODY) is good
    assert not is_signed("github", SECRET, {}, BODY)


@pytest.mark.parametrize(
    ("given", "good"),
    [
        (f"t=1000,v1={signed(b'1000.' + BODY)}", True),
        (f"t=1000,v1=old,v1={signed(b'1000.' + BODY)}", True),
        (f"t=1001,v1={signed(b'1000.' + BODY)}", False),
        (f"t=600,v1={signed(b'600.' + BODY)}", False),
        (f"v1={signed(b'.' + BODY)}", False),
        ("t=x", False),
        ("t=" + "9" * 5000, False),
    ],
)
def test_stripe(given: str, good: bool) -> None:
    """A signature over time and body, by the secret, not older than five minutes."""
    headers = {"stripe-signature": given}

    assert is_signed("stripe", SECRET, headers, BODY, now=1010.0) is good


@pytest.mark.parametrize(
    "environ",
    [
        {"FLOWSTONE_SERVE_SIGNATURE": "github"},
        {"FLOWSTONE_SERVE_SECRET": SECRET},
    ],
)
def test_a_kind_and_a_secret_go_together(environ: dict[str, str]) -> None:
    """One without the other is refused, and the secret is not shown."""
    with pytest.raises(ConfigurationError, match="set both") as refused:
        Options.from_settings(Settings.from_env(environ))

    assert SECRET not in str(refused.value)
