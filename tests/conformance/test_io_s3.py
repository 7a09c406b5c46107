"""What is particular to the managers that keep values in a bucket."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from flowstone.core.errors import (
    CodecError,
    ConfigurationError,
    StoreError,
    ValueNotFound,
)
from flowstone.io import S3IO, ParquetIO, SourceFailed, Stored
from flowstone.io.bucket import S3Access
from flowstone.stack import S3Server
from flowstone.testing.io_places import slot_at
from flowstone.testing.io_suite import new_slot, round_trip
from tests.conformance.access import Access
from tests.house.source import ROOT

pa: Any = import_module("pyarrow")  # these have no types
exceptions: Any = import_module("botocore.exceptions")

Making = Callable[[], S3IO]
_PART = 8 * 1024 * 1024


@pytest.fixture
def raw(s3_server: S3Server) -> Iterator[Any]:
    """Give a client of boto3."""
    client = S3Access().completed(s3_server.environment()).connect()
    yield client
    client.close()


@pytest.fixture
def server(s3_server: S3Server) -> Iterator[S3Server]:
    """Give the session's S3, running again after the test."""
    yield s3_server
    if not s3_server.running:
        s3_server.start()


def _place(stored: Stored) -> dict[str, str]:
    bucket, _, key = stored.location.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


# --- what it is told ----------------------------------------------------------------


@pytest.mark.parametrize(
    "bucket",
    ["", "ab", "Shop", "shop_1", "-shop", "shop/values", "a" * 64, "s3://shop"],
)
def test_bad_buckets_are_refused(bucket: str) -> None:
    """What cannot be the name of a bucket is refused when it is said."""
    with pytest.raises(ConfigurationError, match="cannot be the name of a bucket"):
        S3IO(bucket)
    with pytest.raises(ConfigurationError, match="cannot be the name of a bucket"):
        ParquetIO(f"s3://{bucket.replace('/', ':')}/prefix")


def test_bad_prefixes_are_refused() -> None:
    """A prefix that leads elsewhere, or is too long for keys, is refused."""
    with pytest.raises(ConfigurationError, match="leads elsewhere"):
        S3IO("shop", prefix="a/../b")
    with pytest.raises(ConfigurationError, match="200 bytes"):
        S3IO("shop", prefix="é" * 101)
    with pytest.raises(ConfigurationError) as caught:
        S3IO("Shop", prefix="..")
    assert len(caught.value.problems) == 2


def test_secrets_are_not_shown() -> None:
    """No secret is in a representation, whether it was given or is in the address."""
    manager = S3IO(
        "shop",
        prefix="/values/",
        endpoint="http://user:hunter2@far:9000",
        access_key="someone",
        secret_key="hunter2",
    )
    assert repr(manager) == (
        "S3IO('shop', prefix='values/', endpoint='http://far:9000')"
    )
    assert "hunter2" not in repr(S3Access(access_key="a", secret_key="hunter2"))


def test_settings_complete_what_is_not_given() -> None:
    """What the code does not say, the environment does; the two keys go together."""
    environment = {
        "FLOWSTONE_S3_ENDPOINT": "http://far:9000",
        "FLOWSTONE_S3_REGION": "eu-central-2",
        "FLOWSTONE_S3_ACCESS_KEY": "theirs",
        "FLOWSTONE_S3_SECRET_KEY": "secret",
    }
    found = S3Access(region="us-west-1").completed(environment)
    assert asdict(found) == {
        "endpoint": "http://far:9000",
        "region": "us-west-1",
        "access_key": "theirs",
        "secret_key": "secret",
    }
    mine = S3Access(access_key="mine", secret_key="other").completed(environment)
    assert (mine.access_key, mine.secret_key) == ("mine", "other")
    assert S3Access().completed({"FLOWSTONE_S3_ENDPOINT": ""}) == S3Access()


def test_the_rest_is_found_as_boto3_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys of Flowstone's, those that boto3 finds by itself are used."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "by-itself")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with closing(S3Access(region="us-east-1").completed({}).connect()) as client:
        signed = client.generate_presigned_url(
            "put_object", Params={"Bucket": "shop", "Key": "key"}
        )
    assert "by-itself" in signed
    assert "AWS4-HMAC-SHA256" in signed


def test_a_bucket_may_be_named_later(
    monkeypatch: pytest.MonkeyPatch, s3_server: S3Server
) -> None:
    """A manager without a name takes the bucket of the environment when it is used."""
    manager = S3IO(prefix="later")
    monkeypatch.delenv("FLOWSTONE_S3_BUCKET", raising=False)
    with pytest.raises(ConfigurationError, match="set FLOWSTONE_S3_BUCKET"):
        manager.store(1, new_slot())
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    with closing(manager):
        stored = manager.store(1, new_slot())
        assert stored.location.startswith("s3://flowstone/later/shop/report/")
        assert manager.load(stored, int) == 1


# --- where values are ---------------------------------------------------------------


@pytest.mark.service
def test_io_07_keys_can_be_read_by_people(on_s3: Making, raw: Any) -> None:
    """IO-05, IO-07: a key has the asset, the partition, the version and the codec."""
    manager = on_s3()
    slot = slot_at("{date=2025-01-15,region=eu}", version="v1")
    stored = manager.store({"a": 1}, slot)
    assert stored.location.endswith("/shop/report/date=2025-01-15/region=eu/v1.json")
    answer = raw.get_object(**_place(stored))
    assert answer["Body"].read() == b'{"a":1}'
    assert answer["ContentType"] == "application/json"
    assert manager.store(b"x", slot_at("-", version="v2")).location.endswith(
        "/shop/report/v2.bin"
    )


@pytest.mark.service
def test_io_10_what_is_gone_is_not_found(on_s3: Making, raw: Any) -> None:
    """IO-10: an object that is gone is told as a value that is not there."""
    manager = on_s3()
    stored = manager.store({"a": 1}, new_slot())
    raw.delete_object(**_place(stored))
    with pytest.raises(ValueNotFound, match="Materialize it again"):
        manager.load(stored, object)


@pytest.mark.service
@pytest.mark.parametrize("want", [bytes, Path, "file"])
def test_s3_finds_corruption(want: object, on_s3: Making, raw: Any) -> None:
    """IO-20: a value that was changed in its bucket is not handed out, in no form."""
    manager = on_s3()
    stored = manager.store(b"value", new_slot())
    raw.put_object(**_place(stored), Body=b"spoil")
    with pytest.raises(CodecError, match="not what was stored"):
        manager.load(stored, io.BufferedReader if want == "file" else want)


# --- versions never change ----------------------------------------------------------


@pytest.mark.service
@pytest.mark.parametrize("size", [5, 3 * _PART])
def test_another_object_is_left_alone(on_s3: Making, raw: Any, size: int) -> None:
    """An object that somebody put in the way is neither replaced nor taken for ours."""
    manager = on_s3()
    for value in (bytes(size), io.BytesIO(bytes(size))):
        slot = new_slot()
        place = _place(manager.store(value, slot))
        raw.put_object(**place, Body=b"theirs")
        again = bytes(size) if isinstance(value, bytes) else io.BytesIO(bytes(size))
        with pytest.raises(StoreError, match="a version never changes"):
            manager.store(again, slot)
        assert raw.get_object(**place)["Body"].read() == b"theirs"
    assert not raw.list_multipart_uploads(Bucket="flowstone").get("Uploads")


@pytest.mark.service
def test_many_writers_of_one_slot(on_s3: Making) -> None:
    """Of eight that store at one slot at once, all agree, or one has its way."""
    manager, slot = on_s3(), new_slot()
    together = threading.Barrier(8)
    found: list[object] = []

    def work(value: str, at: Any) -> None:
        together.wait()
        try:
            found.append(manager.store(value, at))
        except StoreError:
            found.append(None)

    for values in (["same"] * 8, [f"value {n}" for n in range(8)]):
        found.clear()
        slot = new_slot()
        threads = [threading.Thread(target=work, args=(v, slot)) for v in values]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [stored for stored in found if isinstance(stored, Stored)]
        assert len(won) == (8 if values[0] == "same" else 1)
        assert manager.load(won[0], str) in values


# --- in parts -----------------------------------------------------------------------


@pytest.mark.service
@pytest.mark.parametrize("extra", [-1, 0, 1, _PART + 17])
def test_sizes_around_a_part(on_s3: Making, extra: int) -> None:
    """What is as large as a part, or differs by a byte, comes back whole."""
    manager = on_s3()
    value = os.urandom(_PART + extra)
    for given in (value, io.BytesIO(value)):
        stored = manager.store(given, new_slot())
        assert stored.bytes == len(value)
        assert manager.load(stored, bytes) == value


@pytest.mark.service
def test_a_stream_that_breaks_leaves_nothing(on_s3: Making, raw: Any) -> None:
    """An upload in parts whose source fails is given up, and its parts are removed."""
    manager = on_s3()
    batch = pa.record_batch({"a": pa.array([os.urandom(_PART)])})

    def breaking() -> Iterator[object]:
        yield from [batch] * 5
        raise RuntimeError("no more")

    with pytest.raises(SourceFailed, match="no more"):
        manager.store(breaking(), new_slot())
    assert list(manager.list_locations()) == []
    assert not raw.list_multipart_uploads(Bucket="flowstone").get("Uploads")


# --- when the store goes away -------------------------------------------------------


def test_unreachable_s3_is_the_drivers_error() -> None:
    """A store that does not answer is left to the caller, who tries again."""
    manager = S3IO(
        "shop", endpoint="http://127.0.0.1:1", access_key="a", secret_key="hunter2"
    )
    with closing(manager), pytest.raises(exceptions.BotoCoreError) as caught:
        manager.store("private", new_slot())
    assert "hunter2" not in str(caught.value)
    assert "private" not in str(caught.value)


@pytest.mark.service
def test_wrong_keys_are_refused(s3: Access) -> None:
    """Keys that the store does not know are its error, and are not repeated."""
    given: Access = {**s3, "secret_key": "hunter2"}
    with (
        closing(S3IO("flowstone", **given)) as manager,
        pytest.raises(exceptions.ClientError) as caught,
    ):
        manager.store("private", new_slot())
    assert "hunter2" not in str(caught.value)


@pytest.mark.service
def test_connections_that_broke_are_replaced(on_s3: Making, server: S3Server) -> None:
    """A manager that was idle while its store was restarted goes on unnoticed."""
    manager = on_s3()
    stored = manager.store(1, new_slot())
    server.kill()
    server.start()
    assert manager.load(stored, int) == 1
    assert round_trip(manager, 2, int) == 2


@pytest.mark.service
@pytest.mark.timeout(120)
def test_kill_in_the_middle_of_a_store(on_s3: Making, server: S3Server) -> None:
    """A store that is killed while it takes a value has none of it, or all."""
    manager, slot = on_s3(), new_slot()
    value = os.urandom(6 * _PART)
    killed: list[bool] = []

    class Deadly(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if not killed and self.tell() > 3 * _PART:
                killed.append(True)
                server.kill()
            return super().read(size)

    with pytest.raises((exceptions.BotoCoreError, exceptions.ClientError)):
        manager.store(Deadly(value), slot)
    assert killed
    server.start()
    for location, _ in manager.list_locations():
        assert "?uploadId=" in location  # of what was never seen, and nothing else
    stored = manager.store(io.BytesIO(value), slot)
    assert manager.load(stored, bytes) == value
    for location, size in list(manager.list_locations()):
        if location != stored.location:
            manager.delete(Stored(location=location, bytes=size, digest="", facts={}))
    assert list(manager.list_locations()) == [(stored.location, len(value))]


@pytest.mark.service
@pytest.mark.timeout(120)
def test_kill_while_many_are_stored(on_s3: Making, server: S3Server) -> None:
    """Whatever a killed store had acknowledged is there, and every retry agrees."""
    manager = on_s3()
    pairs = [(os.urandom(50_000), new_slot()) for _ in range(300)]
    kept: list[tuple[Stored, bytes]] = []

    def work(start: int) -> None:
        for value, slot in pairs[start::4]:
            # what fails is stored again below
            with suppress(exceptions.BotoCoreError, exceptions.ClientError):
                kept.append((manager.store(value, slot), value))

    with ThreadPoolExecutor(4) as pool:
        pool.map(work, range(4))
        while len(kept) < 40:
            time.sleep(0.005)
        server.kill()
        server.start()
    for stored, value in kept:
        assert manager.load(stored, bytes) == value
    for value, slot in pairs:  # as a step that is tried again would
        assert manager.load(manager.store(value, slot), bytes) == value
    assert len(list(manager.list_locations())) == len(pairs)


# --- when the worker goes away ------------------------------------------------------

_DOOMED = """
import io, os, signal, sys
from flowstone.io import S3IO, ParquetIO, Slot

class Deadly(io.BytesIO):
    def read(self, size=-1, /):
        if self.tell() > 40_000_000:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)

at = Slot(asset="shop/report", key="-", version="doomed", path="shop/report/doomed")
manager = S3IO(prefix=sys.argv[1])
manager.store(Deadly(bytes(50_000_000)), at)
"""


@pytest.mark.service
def test_a_worker_killed_in_an_upload(
    on_s3: Making, s3_server: S3Server, raw: Any
) -> None:
    """What a killed worker was sending is never seen, and is found by listing alone."""
    manager = on_s3()
    prefix = _place(manager.store(1, new_slot()))["Key"].partition("/shop/")[0]
    died = subprocess.run(
        [sys.executable, "-c", _DOOMED, prefix],
        cwd=ROOT,
        env={**os.environ, **s3_server.environment()},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    seen = raw.list_objects_v2(Bucket="flowstone", Prefix=f"{prefix}/")
    assert seen["KeyCount"] == 1
    orphans = {at: size for at, size in manager.list_locations() if "doomed" in at}
    (location, size) = next(iter(orphans.items()))
    assert len(orphans) == 1
    assert 0 < size <= 50_000_000
    orphan = Stored(location=location, bytes=size, digest="", facts={"codec": "bytes"})
    for at in (location, location.partition("?")[0]):
        with pytest.raises(ValueNotFound):
            manager.load(replace(orphan, location=at), bytes)
    manager.delete(orphan)
    assert not any("doomed" in at for at, _ in manager.list_locations())
