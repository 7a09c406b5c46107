"""What an endpoint may be told; the rest are the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowstone.core.errors import ConfigurationError
from flowstone.settings import Settings

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an endpoint treats those who ask.

    Attributes:
        max_bytes: how large an answer may be.
        rate: how many requests a minute one source may make.
        proxies: how many proxies of one's own stand before it.
        signature: whose signature a delivery must bear, `github` or `stripe`; empty
            for none.
        secret: the secret of that signature.
        actors: the tokens of those who may decide, by their names.
    """

    max_bytes: int = 1_048_576
    rate: int = 600
    proxies: int = 0
    signature: str = ""
    secret: str = field(default="", repr=False)
    actors: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def __post_init__(self) -> None:
        if bool(self.signature) != bool(self.secret):
            raise ConfigurationError(
                problems=[
                    "A signature of deliveries needs a kind and a secret: set both "
                    "FLOWSTONE_SERVE_SIGNATURE and FLOWSTONE_SERVE_SECRET, or neither."
                ]
            )

    @staticmethod
    def from_settings(settings: Settings) -> Options:
        """Take what the environment says.

        Raises:
            ConfigurationError: a signature has no secret, or a secret no signature.
        """
        return Options(
            max_bytes=settings.callback_max_bytes,
            rate=settings.serve_rate,
            proxies=settings.serve_proxies,
            signature=settings.serve_signature or "",
            secret=settings.serve_secret or "",
            actors=settings.serve_actors,
        )
