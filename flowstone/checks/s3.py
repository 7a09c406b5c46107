"""What arrives in S3: each object once, and once more when it is overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, cast

from flowstone.core.asset import Asset
from flowstone.core.outcome import Skip
from flowstone.core.pipeline import AnyAsset
from flowstone.core.ref import Key
from flowstone.core.sensor import Found, Trigger
from flowstone.io.bucket import Bucket, S3Access
from flowstone.io.s3_errors import translated

__all__ = ["S3NewObjects", "S3Object"]

_NOW = timedelta(0)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """An object that has arrived.

    Attributes:
        key: its whole key, prefix included.
        etag: what S3 says of its content.
        size: in bytes.
        modified: when it was written, by the clock of S3.
    """

    key: str
    etag: str
    size: int
    modified: datetime


KeyOfObject = Callable[[S3Object], Key | Skip | None]


class S3NewObjects:
    """A check that finds objects of a bucket that were not there before.

    An object is known by its key and its etag: one that is overwritten by other bytes
    is news again. Those that are there when the sensor first looks are news too.

    Where S3 is, what is not given says `FLOWSTONE_S3_*`, as with `S3IO`.

    Example:
        ```python
        S3NewObjects("shop", "incoming/", asset="orders", partition=day_of_object)
        ```

    Args:
        bucket: the bucket's name.
        prefix: what all keys of interest begin with.
        asset: the asset to make for each object.
        partition: gives its key from an object; by default the object's own. `Skip`
            leaves the object out.
        suffix: what all keys of interest end with.
        min_age: how old an object must be: one that may still be replaced is left for
            later.
        lookback: an object may turn up later than another one that is newer, as a
            large one does whose upload began long ago. Whatever was written within
            this time before the newest one is looked at again; `None` has no bound,
            and then each look considers all that there is.
        endpoint: the address of the store; left out, that of AWS.
        region: as AWS names it.
        access_key: who asks.
        secret_key: their secret.

    Raises:
        ConfigurationError: no bucket can have the name.
    """

    def __init__(
        self,
        bucket: str | None = None,
        prefix: str = "",
        *,
        asset: AnyAsset | str,
        partition: KeyOfObject | None = None,
        suffix: str = "",
        min_age: timedelta = _NOW,
        lookback: timedelta | None = _DAY,
        endpoint: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        self._access = S3Access(
            endpoint=endpoint,
            region=region,
            access_key=access_key,
            secret_key=secret_key,
        )
        self._bucket = Bucket(bucket, prefix="", access=self._access)
        self._prefix = prefix
        self._suffix = suffix
        self._asset = asset.name if isinstance(asset, Asset) else asset
        self._partition = partition or _own_key
        self._min_age = min_age
        self._lookback = lookback

    def __repr__(self) -> str:
        return f"S3NewObjects({self._bucket!r}, {self._prefix!r})"

    @property
    def assets(self) -> Sequence[str]:
        """The asset that it triggers."""
        return [self._asset]

    def problems(self) -> Sequence[str]:
        """Say whether nobody has named the bucket."""
        return [p.replace("S3IO", "S3NewObjects") for p in self._bucket.problems()]

    def __call__(self, cursor: Any) -> Found:
        """Find what was not there before."""
        since = datetime.fromisoformat(cursor) if cursor else None
        found = sorted(self._listed(since), key=lambda o: (o.modified, o.key))
        newest = max((o.modified for o in found), default=since)
        triggers = [t for o in found if (t := self._trigger(o)) is not None]
        last = newest if since is None or newest is None else max(newest, since)
        return Found(triggers, last.isoformat() if last else None)

    def _trigger(self, found: S3Object) -> Trigger | None:
        key = self._partition(found)
        if isinstance(key, Skip):
            return None
        return Trigger(self._asset, key, key=f"{found.key}#{found.etag}")

    def _listed(self, since: datetime | None) -> Iterator[S3Object]:
        bounded = since is not None and self._lookback is not None
        first = cast("datetime", since) - (self._lookback or _NOW) if bounded else None
        name = self._bucket.name
        with closing(self._access.completed().connect()) as client, translated(name):
            pages = client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=name, Prefix=self._prefix):
                now = _time_of(page)
                for one in page.get("Contents", []):
                    arrived = _object(one)
                    old = now is None or arrived.modified <= now - self._min_age
                    fresh = first is None or arrived.modified >= first
                    if old and fresh and arrived.key.endswith(self._suffix):
                        yield arrived


def _own_key(found: S3Object) -> Key:
    return found.key


def _object(one: Any) -> S3Object:
    return S3Object(
        key=one["Key"],
        etag=str(one["ETag"]).strip('"'),
        size=one["Size"],
        modified=one["LastModified"],
    )


def _time_of(page: Any) -> datetime | None:
    """Give the time by the clock that objects bear: S3's own."""
    said = page["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(said) if said else None
