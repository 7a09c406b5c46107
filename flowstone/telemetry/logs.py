"""Events as lines of a log, and lines as JSON: both name run, asset and partition."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

from flowstone.core.events import ErrorOccurred, Event

__all__ = ["JsonFormatter", "log_as_json", "log_events"]

_LOG = logging.getLogger("flowstone.events")
_USUAL = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
_BAD = {"failed", "terminated", "expired"}


def log_events(event: Event) -> None:
    """Write an event to the log `flowstone.events`; attach it as a handler.

    What needs a person is an error, a failure that may pass a warning, and the
    movements of values are for debugging.

    Example:
        >>> from flowstone import telemetry
        >>> telemetry.attach(telemetry.log_events)
        >>> telemetry.detach(telemetry.log_events)
    """
    level = _level(event)
    if not _LOG.isEnabledFor(level):
        return
    where = "" if event.key == "-" else f" @ {event.key}"
    what = f": {event.outcome}" if event.outcome else ""
    _LOG.log(
        level,
        "%s %s%s%s",
        event.name.removeprefix("flowstone."),
        event.asset,
        where,
        what,
        extra={
            "event": event.name,
            "asset": event.asset,
            "partition": event.key,
            "run_id": event.run,
            "outcome": event.outcome,
            "data": event.data,
        },
    )


def _level(event: Event) -> int:
    if isinstance(event, ErrorOccurred):
        return logging.ERROR
    if event.name.startswith("flowstone.io."):
        return logging.DEBUG
    return logging.WARNING if event.outcome in _BAD else logging.INFO


class JsonFormatter(logging.Formatter):
    """Writes each record as one line of JSON, with all that was said beside its text.

    Lines of `ctx.log` and of `log_events` have `run_id`, `asset` and `partition`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        extra = {k: v for k, v in record.__dict__.items() if k not in _USUAL}
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **extra,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def log_as_json(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Have this process write its log as JSON, in place of what it was set up to do.

    Args:
        level: the least that is written.
        stream: where; by default standard error.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
