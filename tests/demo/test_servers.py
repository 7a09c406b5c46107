"""The demonstration on its servers: each value is where its pages say."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from dev.flights import counts
from dev.flights.app import flights_on_s3
from dev.flights.play import Play
from flowstone.stack import S3Server
from tests.harness import WorkerProcess, query, upgrade

pytestmark = pytest.mark.service

boto3: Any = import_module("boto3")  # it has no types
DAYS = [date(2013, 2, 7), date(2013, 2, 8)]
SHARED = {"airlines", "airports", "planes"}
DAILY = {"flights", "weather", "flight_table", "delays_by_carrier", "delays_by_route"}


@pytest.fixture
def served(
    s3_server: S3Server,
    postgres_url: str,
    temporal_address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """Serve the demonstration's app, on what its own stack would bring."""
    for name, value in {
        **s3_server.environment(),
        "FLOWSTONE_LEDGER_URL": postgres_url,
        "TEMPORAL_ADDRESS": temporal_address,
        counts.VARIABLE: str(tmp_path / "executions"),
    }.items():
        monkeypatch.setenv(name, value)
    upgrade(postgres_url)
    worker = WorkerProcess("dev.flights.app:app", tmp_path, {})
    try:
        worker.wait_ready()
        yield
    finally:
        worker.end()


async def play(folder: Path) -> str:
    out, app = io.StringIO(), flights_on_s3()
    shown = Play(
        pipeline=app.pipeline,
        console=Console(file=out, width=120),
        days=DAYS,
        counts=folder / "executions",
    )
    async with app.connect() as stone:
        assert await shown.show(stone)
    return out.getvalue()


def lake(server: S3Server) -> dict[str, bytes]:
    """Give all objects that the demonstration, and no other app, keeps in the bucket."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
    )
    found = client.list_objects_v2(Bucket=server.bucket, Prefix="lake/flights/")
    keys = [entry["Key"] for entry in found.get("Contents", [])]
    bodies = [client.get_object(Bucket=server.bucket, Key=key)["Body"] for key in keys]
    return {key: body.read() for key, body in zip(keys, bodies, strict=True)}


@pytest.mark.usefixtures("served")
async def test_tables_are_parquet_in_s3_and_reports_in_postgres(
    s3_server: S3Server, postgres_url: str, tmp_path: Path
) -> None:
    """Each table is one Parquet object, each report one row; a second call makes none."""
    first = await play(tmp_path)
    kept = lake(s3_server)
    second = await play(tmp_path)

    assert "15 of 15 values were made; asset functions ran 15 times" in first
    assert Counter(key.split("/")[2] for key in kept) == {
        **dict.fromkeys(SHARED, 1),
        **dict.fromkeys(DAILY, len(DAYS)),
    }
    assert all(data.startswith(b"PAR1") for data in kept.values())
    (flown,) = [
        data for key, data in kept.items() if "/flight_table/2013-02-08/" in key
    ]
    assert pq.ParquetFile(io.BytesIO(flown)).metadata.num_rows == 930
    found = query(postgres_url, "SELECT location, codec FROM flowstone_values")
    assert len(found) == len(DAYS)
    assert all("/daily_report/" in str(location) for location, _ in found)
    assert {codec for _, codec in found} == {"json"}
    assert "All 15 values were there: no asset function ran" in second
    assert "no version was made" in second
    assert lake(s3_server) == kept
