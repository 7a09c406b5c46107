"""Who asks, and which of their headers are kept."""

from __future__ import annotations

import pytest

from flowstone.console.sources import kept_headers, limited_as, source_of

PEER = "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "proxies", "source"),
    [
        ([], 0, PEER),
        (["6.6.6.6"], 0, PEER),
        (["6.6.6.6, 1.2.3.4"], 1, "1.2.3.4"),
        (["6.6.6.6", "1.2.3.4, 10.0.0.2"], 2, "1.2.3.4"),
        ([], 1, PEER),
        (["1.2.3.4"], 5, "1.2.3.4"),
        (["nonsense"], 1, PEER),
        (["2001:DB8::1"], 1, "2001:db8::1"),
    ],
)
def test_only_ones_own_proxies_are_believed(
    forwarded: list[str], proxies: int, source: str
) -> None:
    """Whoever writes the header themselves is still known by what a proxy heard."""
    assert source_of(PEER, forwarded, proxies) == source


@pytest.mark.parametrize(
    ("source", "bucket"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("", ""),
    ],
)
def test_a_site_of_ipv6_is_one_source(source: str, bucket: str) -> None:
    """Who has a whole network of addresses has one bucket."""
    assert limited_as(source) == bucket


def test_secrets_are_masked() -> None:
    """What is not known to be harmless is kept by its name only."""
    kept = kept_headers(
        [
            ("Authorization", "Bearer hunter2"),
            ("Cookie", "session=1"),
            ("X-Hub-Signature-256", "sha256=00"),
            ("X-Made-Up", "who knows"),
            ("User-Agent", "robot/1.0"),
            ("Content-Type", "application/json"),
        ]
    )

    assert kept == {
        "authorization": "***",
        "cookie": "***",
        "x-hub-signature-256": "***",
        "x-made-up": "***",
        "user-agent": "robot/1.0",
        "content-type": "application/json",
    }


def test_headers_are_bounded() -> None:
    """A thousand headers of any length are kept as a few short ones."""
    kept = kept_headers([(f"x-{n}", "v") for n in range(1000)])
    [agent] = kept_headers([("user-agent", "a\x00b" + "c" * 9999)]).values()

    assert len(kept) == 64
    assert agent.startswith("a?b")
    assert len(agent) == 256
