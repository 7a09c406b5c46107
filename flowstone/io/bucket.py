"""Bytes in a bucket of S3: put under a condition, large ones in parts."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from flowstone.core.errors import ConfigurationError
from flowstone.io.depot import NothingThere, Pouring
from flowstone.io.keys import is_safe
from flowstone.io.s3_errors import Contended, Taken, translated
from flowstone.io.upload import Upload

__all__ = ["Bucket", "S3Access"]

_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
_LONGEST_PREFIX = 200
_UPLOAD = "?uploadId="
_PART = 8 * 1024 * 1024
_CONTENDED_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Access:
    """How an S3 is reached; what is left out, boto3 finds in its own ways.

    Attributes:
        endpoint: its address; left out, that of AWS.
        region: as AWS names it.
        access_key: who asks.
        secret_key: their secret, which no representation shows.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)

    def completed(self, environ: Mapping[str, str] | None = None) -> S3Access:
        """Take what is left out from `FLOWSTONE_S3_*`, the keys as a pair."""
        env = os.environ if environ is None else environ
        found = replace(
            self,
            endpoint=self.endpoint or env.get("FLOWSTONE_S3_ENDPOINT") or None,
            region=self.region or env.get("FLOWSTONE_S3_REGION") or None,
        )
        if self.access_key is not None:
            return found
        return replace(
            found,
            access_key=env.get("FLOWSTONE_S3_ACCESS_KEY") or None,
            secret_key=env.get("FLOWSTONE_S3_SECRET_KEY") or None,
        )

    def connect(self, **options: object) -> Any:
        """Make a client of boto3; nothing is connected before it is used."""
        boto3, config = import_module("boto3"), import_module("botocore.config")
        usual: dict[str, object] = {
            "signature_version": "s3v4",
            "s3": {"addressing_style": "auto" if self.endpoint is None else "path"},
            "retries": {"mode": "standard", "total_max_attempts": 4},
            "connect_timeout": 10,
            "max_pool_connections": 32,
            # what is read is compared with the ledger's digest anyway
            "response_checksum_validation": "when_required",
            "tcp_keepalive": True,
        }
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=config.Config(**usual | options),
        )


class Bucket:
    """Keeps bytes as objects of a bucket, below a prefix.

    Args:
        name: the bucket's; left out, `FLOWSTONE_S3_BUCKET`.
        prefix: what all keys begin with.
        access: how the bucket is reached.

    Raises:
        ConfigurationError: no bucket can have the name, or the prefix is too long.
    """

    def __init__(self, name: str | None, *, prefix: str, access: S3Access) -> None:
        parts = [part for part in prefix.split("/") if part]
        self._prefix = "".join(f"{part}/" for part in parts)
        self._name = name
        self._access = access
        self._lock = threading.Lock()
        self._connected: Any = None
        problems = [p for p in (_bad_name(name), _bad_prefix(self._prefix)) if p]
        if problems:
            raise ConfigurationError(problems=problems)

    def __repr__(self) -> str:
        shown = [repr(self._name or os.environ.get("FLOWSTONE_S3_BUCKET"))]
        if self._prefix:
            shown.append(f"prefix={self._prefix!r}")
        endpoint = self._access.completed().endpoint
        if endpoint is not None:
            # an address may have a password in it
            shown.append(f"endpoint={_without_user(endpoint)!r}")
        return ", ".join(shown)

    @property
    def name(self) -> str:
        """The bucket's name.

        Raises:
            ConfigurationError: nobody has given one.
        """
        problems = self.problems()
        if problems:
            raise ConfigurationError(problems=problems)
        return self._name or os.environ["FLOWSTONE_S3_BUCKET"]

    def put(self, key: str, data: bytes, *, kind: str) -> bool:
        """Keep bytes, in one request where they are few."""
        if len(data) > _PART:
            return self._put_in_parts(key, data, kind)
        for _ in range(_CONTENDED_TRIES):
            with suppress(Contended):
                return self._put_whole(key, data, kind)
        return False

    def _put_whole(self, key: str, data: bytes, kind: str) -> bool:
        try:
            with translated(self.name):
                self._client().put_object(
                    **self._place(key), Body=data, ContentType=kind, IfNoneMatch="*"
                )
        except Taken:
            return False
        return True

    def _put_in_parts(self, key: str, data: bytes, kind: str) -> bool:
        pouring = self.pour(key, kind=kind)
        try:
            pouring.write(memoryview(data))
            return pouring.publish()
        finally:
            pouring.discard()

    def pour(self, key: str, *, kind: str) -> Pouring:
        """Keep bytes that come little by little."""
        return Upload(self._client(), self._place(key), kind=kind, part=_PART)

    def open(self, key: str) -> BinaryIO:
        """Open what is kept."""
        with translated(self.name):
            answer = self._client().get_object(**self._place(key))
        return cast("BinaryIO", answer["Body"])

    def delete(self, key: str) -> None:
        """Forget what is kept, or what was never finished."""
        key, unfinished, upload = key.partition(_UPLOAD)
        client, place = self._client(), self._place(key)
        with suppress(NothingThere), translated(self.name):
            if unfinished:
                client.abort_multipart_upload(**place, UploadId=upload)
            else:
                client.delete_object(**place)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Give keys and sizes."""
        where = {"Bucket": self.name, "Prefix": self._prefix + prefix}
        client = self._client()
        for page in client.get_paginator("list_objects_v2").paginate(**where):
            for found in page.get("Contents", []):
                key = found["Key"].removeprefix(self._prefix)
                if is_safe(key):
                    yield key, found["Size"]
        for page in client.get_paginator("list_multipart_uploads").paginate(**where):
            for found in page.get("Uploads", []):
                key, upload = found["Key"].removeprefix(self._prefix), found["UploadId"]
                if is_safe(key):
                    yield f"{key}{_UPLOAD}{upload}", self._uploaded(key, upload)

    def _uploaded(self, key: str, upload: str) -> int:
        pages = self._client().get_paginator("list_parts")
        found = pages.paginate(**self._place(key), UploadId=upload)
        with suppress(NothingThere), translated(self.name):
            return sum(p["Size"] for page in found for p in page.get("Parts", []))
        return 0  # it was finished, or given up, meanwhile

    def locate(self, key: str) -> str:
        """Say where a key is."""
        return f"s3://{self.name}/{self._prefix}{key}"

    def key_at(self, location: str) -> str:
        """Give the key of a location."""
        key = location.removeprefix(self.locate(""))
        if key == location or not is_safe(key.partition(_UPLOAD)[0]):
            raise NothingThere
        return key

    def problems(self) -> Sequence[str]:
        """Say whether nobody has named the bucket."""
        if self._name or os.environ.get("FLOWSTONE_S3_BUCKET"):
            return []
        return ["No bucket is named: give S3IO(bucket), or set FLOWSTONE_S3_BUCKET."]

    def close(self) -> None:
        """Let go of connections."""
        with self._lock:
            client, self._connected = self._connected, None
        if client is not None:
            client.close()

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self.name, "Key": self._prefix + key}

    def _client(self) -> Any:
        with self._lock:
            if self._connected is None:
                self._connected = self._access.completed().connect()
            return self._connected


def _bad_name(name: str | None) -> str:
    if name is None or _NAME.fullmatch(name):
        return ""
    return (
        f"{name!r} cannot be the name of a bucket: 3 to 63 small letters, digits, dots "
        "and hyphens, with a letter or a digit at both ends."
    )


def _bad_prefix(prefix: str) -> str:
    parts = prefix.split("/")
    if len(prefix.encode(errors="surrogatepass")) > _LONGEST_PREFIX:
        return f"A prefix may have {_LONGEST_PREFIX} bytes, and {prefix!r} has more."
    if "." in parts or ".." in parts:
        return f"The prefix {prefix!r} has a part that leads elsewhere. Leave it out."
    return ""


def _without_user(endpoint: str) -> str:
    split = urlsplit(endpoint)
    return split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()
