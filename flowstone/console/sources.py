"""Who asks: the peer, or whom one's own proxies say they ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from flowstone.core.text import MASK

__all__ = ["kept_headers", "limited_as", "source_of"]

_SHOWN = {
    *("accept", "content-encoding", "content-length", "content-type", "date"),
    *("host", "traceparent", "user-agent", "x-correlation-id", "x-github-delivery"),
    *("x-github-event", "x-request-id"),
}
_HEADERS = 64
_LONGEST = 256


def source_of(peer: str, forwarded: Iterable[str], proxies: int) -> str:
    """Tell who asks.

    Each proxy adds whom it heard at the end of `X-Forwarded-For`; what stands before
    what one's own have added, anybody may have written.

    Args:
        peer: the address of whoever is connected.
        forwarded: the values of the header, as they came.
        proxies: how many proxies of one's own there are.
    """
    heard = [name.strip() for line in forwarded for name in line.split(",")]
    chain = [*heard, peer]
    found = chain[-min(proxies + 1, len(chain))]
    try:
        return str(ip_address(found))
    except ValueError:
        return peer


def limited_as(source: str) -> str:
    """Give whose requests are counted together: of IPv6, a whole network of a site's."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return source


def kept_headers(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Give the headers to keep; what is not known to be harmless is masked."""
    kept: dict[str, str] = {}
    for name, value in headers:
        if len(kept) < _HEADERS:
            shown = _plain(value) if name.lower() in _SHOWN else MASK
            kept[_plain(name.lower())] = shown
    return kept


def _plain(text: str) -> str:
    """Give what a database and a terminal can show."""
    return "".join(c if c.isprintable() else "?" for c in text)[:_LONGEST]
