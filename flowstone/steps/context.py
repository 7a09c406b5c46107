"""The context: what a function may ask while it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from types import NoneType
from typing import Any, Never, cast

from flowstone.core.errors import ConfigurationError, NotSupported
from flowstone.core.outcome import Cancelled
from flowstone.core.partition import NONE, PartitionKey
from flowstone.core.ref import Key
from flowstone.core.token import callback_url
from flowstone.resources import Given
from flowstone.steps.toolbox import Call

__all__ = ["Context"]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a function may ask while it runs; take it as the parameter `ctx`.

    Attributes:
        asset: the asset's name.
        partition: the key, of its own type; `None` where there is none.
        run_id: the run.
        attempt: which attempt this is, counting failures of the function alone.
        started_at: when this attempt began.
        scheduled_at: the time of the schedule's fire, where one started the run.
        resources: what the asset asked for by name.
    """

    asset: str
    partition: Key | None = None
    run_id: str = ""
    attempt: int = 1
    started_at: datetime | None = None
    scheduled_at: datetime | None = None
    resources: Mapping[str, Any] = field(default_factory=Given, repr=False)
    _call: Call | None = None
    _token: Callable[[], str] | None = None
    _callbacks: str | None = None
    _facts: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def cancelled(self) -> bool:
        """Whether the run was cancelled; ask it in loops that call nothing else."""
        return self._call is not None and self._call.cancelled.is_set()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that names the run, the asset and the partition."""
        extra = {
            "run_id": self.run_id,
            "asset": self.asset,
            "partition": PartitionKey.of(self.partition).text,
        }
        return _Named(logging.getLogger("flowstone.asset"), extra)

    @property
    def token(self) -> str:
        """What an outsider shows to answer this asset; the same on every attempt."""
        self._stop_if_cancelled()
        if self._token is None:
            return "test-token"
        return self._token()

    @property
    def callback_url(self) -> str:
        """Where an outsider posts the answer of this asset, as JSON.

        The same on every attempt. Whoever has it may answer, once: it is a secret.

        Raises:
            ConfigurationError: nothing says where the endpoint is.
        """
        token = self.token
        if self._callbacks is None:
            return callback_url("http://localhost", token)
        if not self._callbacks:
            raise ConfigurationError(
                problems=[
                    "ctx.callback_url has no endpoint to name: set "
                    "FLOWSTONE_CALLBACK_URL, for workers too, to where the world "
                    "reaches `flowstone serve`."
                ]
            )
        return callback_url(self._callbacks, token)

    @property
    def limits(self) -> Never:
        """Refuse: limits are not built yet."""
        raise NotSupported(what="ctx.limits")

    def heartbeat(self, details: object = None) -> None:
        """Tell how far it is; the engine shows it.

        Raises:
            Cancelled: the run was cancelled.
        """
        self._stop_if_cancelled()
        if self._call is not None:
            self._call.beat(details)

    def progress(self, done: int, total: int | None = None) -> None:
        """Tell how much is done, of how much.

        Raises:
            Cancelled: the run was cancelled.
        """
        self.heartbeat({"done": done, "total": total})

    def metadata(self, **facts: str | float | bool | None) -> None:
        """Keep facts with the version: rows, bytes, whatever people look for.

        What is neither text, a number, a truth nor `None` is kept as its text.
        """
        plain = (str, int, float, bool, NoneType)
        for name, fact in cast("dict[str, object]", facts).items():
            self._facts[name] = fact if isinstance(fact, plain) else str(fact)

    def _stop_if_cancelled(self) -> None:
        if self.cancelled:
            raise Cancelled


class _Named(logging.LoggerAdapter[logging.Logger]):
    """Puts the asset before the message, and its facts into the record."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[object, MutableMapping[str, object]]:
        facts = dict(self.extra or {})
        said = kwargs.get("extra")
        kwargs["extra"] = {**said, **facts} if isinstance(said, dict) else facts
        where = "" if facts["partition"] == NONE.text else f" @ {facts['partition']}"
        return f"{facts['asset']}{where}: {msg}", kwargs
