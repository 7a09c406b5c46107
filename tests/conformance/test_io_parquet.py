"""What is particular to the manager that keeps tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from flowstone.core.errors import CodecError, ConfigurationError, ValueNotFound
from flowstone.core.partition import PartitionKey
from flowstone.io import ParquetIO, Stored
from flowstone.testing.io_places import slot_at
from flowstone.testing.io_suite import new_slot, round_trip
from tests.conformance.access import Access
from tests.house.source import ROOT

pa: Any = import_module("pyarrow")  # these have no types
pq: Any = import_module("pyarrow.parquet")
dataset: Any = import_module("pyarrow.dataset")
pandas: Any = import_module("pandas")
polars: Any = import_module("polars")

DAY = date(2025, 1, 15)


class Sale(BaseModel):
    """A row."""

    day: date
    amount: int | None


@dataclass
class Point:
    """A row."""

    x: int
    name: str


@pytest.fixture
def lake(tmp_path: Path) -> ParquetIO:
    """Give a manager of a folder."""
    return ParquetIO(tmp_path / "lake")


def _file(lake: Path, stored: Stored) -> Path:
    return lake / stored.location.removeprefix("file:")


# --- what it is told ----------------------------------------------------------------


@pytest.mark.parametrize("where", ["", "http://far/lake", "gs://shop/lake"])
def test_bad_places_are_refused(where: str) -> None:
    """What is neither a bucket nor a folder is refused when it is said."""
    with pytest.raises(ConfigurationError, match="or in a folder"):
        ParquetIO(where)


def test_how_it_shows_itself(tmp_path: Path) -> None:
    """A manager says where it keeps values, and no secret."""
    assert repr(ParquetIO(tmp_path)) == f"ParquetIO({str(tmp_path)!r})"
    far = ParquetIO(
        "s3://shop/lake",
        endpoint="http://far:9000",
        access_key="a",
        secret_key="hunter2",
    )
    assert repr(far) == "ParquetIO('shop', prefix='lake/', endpoint='http://far:9000')"


def test_a_folder_is_kept_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder stays where it was, and one that was moved has its values."""
    monkeypatch.chdir(tmp_path)
    lake = ParquetIO("lake")
    monkeypatch.chdir("/")
    stored = lake.store([1], new_slot())
    assert _file(tmp_path / "lake", stored).is_file()
    (tmp_path / "lake").rename(tmp_path / "moved")
    assert ParquetIO(tmp_path / "moved").load(stored, list[int]) == [1]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder below a file is the system's error: whoever called tries again."""
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        ParquetIO(tmp_path / "file" / "lake").store([1], new_slot())


# --- what becomes a table -----------------------------------------------------------

TABLE = pa.table({"day": [DAY, None], "amount": [1, None]})
VALUES: list[tuple[object, object]] = [
    (TABLE, pa.Table),
    (TABLE.to_batches()[0], pa.RecordBatch),
    (pandas.DataFrame({"a": [1.5, None]}, index=["x", "y"]), pandas.DataFrame),
    (polars.DataFrame({"a": [1, None], "b": [[1], []]}), polars.DataFrame),
]
ROWS: list[tuple[object, object]] = [
    ([{"a": 1, "b": None}, {"a": None, "b": "x"}], list[dict[str, object]]),
    ([Sale(day=DAY, amount=1), Sale(day=DAY, amount=None)], list[Sale]),
    ([Point(1, "a"), Point(2, "b")], list[Point]),
]


@pytest.mark.parametrize(("value", "want"), VALUES, ids=lambda v: type(v).__name__)
def test_io_06_frames(lake: ParquetIO, value: Any, want: object) -> None:
    """IO-06: a table or a frame is a Parquet file, and comes back as it was."""
    stored = lake.store(value, new_slot())
    assert stored.facts["codec"] == "parquet"
    assert stored.facts["rows"] == 2
    for asked in (want, None):
        found: Any = lake.load(stored, asked)
        assert type(found) is type(value)
        assert found.equals(value)


def test_frames_keep_their_types(lake: ParquetIO) -> None:
    """A frame comes back with its categories, its zones, its index and its nulls."""
    moments = [datetime(2025, 1, 15, tzinfo=UTC), None]
    columns = {
        "word": ["x", None],
        "kind": polars.Series(["a", "b"], dtype=polars.Enum(["a", "b"])),
        "at": moments,
        "parts": [["q"], []],
        "inner": [{"x": 1}, None],
    }
    frame = polars.DataFrame(columns)
    found: Any = round_trip(lake, frame, polars.DataFrame)
    assert found.schema == frame.schema
    assert found.equals(frame)
    frame = pandas.DataFrame(
        {
            "word": ["x", None],
            "kind": pandas.Categorical(["a", "b"]),
            "at": pandas.to_datetime(moments, utc=True),
            "count": pandas.array([1, None], dtype="Int64"),
        },
        index=pandas.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["k", "l"]),
    )
    pandas.testing.assert_frame_equal(round_trip(lake, frame, pandas.DataFrame), frame)


@pytest.mark.parametrize(("value", "want"), ROWS)
def test_io_06_rows(lake: ParquetIO, value: object, want: object) -> None:
    """IO-06: rows are a Parquet file, and come back as what they were."""
    stored = lake.store(value, new_slot())
    assert stored.facts["codec"] == "parquet"
    assert stored.facts["rows"] == 2
    assert lake.load(stored, want) == value
    plain: Any = lake.load(stored, None)
    assert {type(row) for row in plain} == {dict}


def test_forms_of_each_other(lake: ParquetIO) -> None:
    """Whatever a table was stored from, it is read as any other form."""
    for value, _ in VALUES[:2]:
        stored = lake.store(value, new_slot())
        for want in (pandas.DataFrame, polars.DataFrame, list[dict[str, object]]):
            assert len(lake.load(stored, want)) == 2  # pyright: ignore[reportArgumentType]
        assert lake.load(stored, Iterator[pa.RecordBatch]) is not None
    rows = lake.store([Sale(day=DAY, amount=1)], new_slot())
    table: Any = lake.load(rows, pa.Table)
    assert table.schema.field("day").type == pa.date32()


def test_other_values_are_kept_too(lake: ParquetIO) -> None:
    """What is no table is kept beside the tables, as any manager keeps it."""
    stored = lake.store({"a": 1}, new_slot())
    assert stored.location.endswith(".json")
    assert lake.load(stored, dict[str, int]) == {"a": 1}
    assert lake.store(b"x", new_slot()).location.endswith(".bin")


def test_what_parquet_has_no_form_for(lake: ParquetIO) -> None:
    """A table that Parquet cannot hold is refused with the remedy."""
    empty = pa.table({"a": pa.array([{}], pa.struct([]))})
    with pytest.raises(CodecError, match="keep it by S3IO"):
        lake.store(empty, new_slot())
    assert list(lake.list_locations()) == []


def test_schema_nulls_and_metadata_survive(lake: ParquetIO) -> None:
    """A table comes back with its types, its nulls and what is noted on its columns."""
    schema = pa.schema(
        [
            pa.field("id", pa.int16(), nullable=False, metadata={"unit": "m"}),
            pa.field("word", pa.dictionary(pa.int32(), pa.string())),
            pa.field("at", pa.timestamp("us", tz="Europe/Zurich")),
            pa.field(
                "parts", pa.list_(pa.field("element", pa.struct([("x", pa.float32())])))
            ),
            pa.field("price", pa.decimal128(10, 2)),
            pa.field("nothing", pa.null()),
        ],
        metadata={"source": "a test"},
    )
    columns = [
        [1, 2],
        ["a", None],
        [None, 5],
        [[], [{"x": 1.5}]],
        [None, 3],
        [None] * 2,
    ]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    table = pa.table(arrays, schema=schema)
    found: Any = round_trip(lake, table, pa.Table)
    assert found.equals(table, check_metadata=True)
    streamed: Any = round_trip(lake, iter([table]), pa.Table)
    assert streamed.equals(table, check_metadata=True)


def test_row_groups(lake: ParquetIO, tmp_path: Path) -> None:
    """Small batches share a row group, and a large table has several."""
    batch = pa.record_batch({"a": pa.array(range(1_000))})
    stored = lake.store(iter([batch] * 50), new_slot())
    file = pq.ParquetFile(_file(tmp_path / "lake", stored))
    assert (file.num_row_groups, file.metadata.num_rows) == (1, 50_000)
    large = pa.table({"a": pa.array(range(3_000_000), pa.int32())})
    stored = lake.store(large, new_slot())
    file = pq.ParquetFile(_file(tmp_path / "lake", stored))
    assert (file.num_row_groups, file.metadata.num_rows) == (3, 3_000_000)
    wide = pa.record_batch({"a": pa.array([os.urandom(1_000)] * 20_000)})
    stored = lake.store(iter([wide] * 5), new_slot())
    assert pq.ParquetFile(_file(tmp_path / "lake", stored)).num_row_groups == 3


def test_compression(tmp_path: Path) -> None:
    """The files are compressed as the manager was told."""
    lake = ParquetIO(tmp_path, compression="zstd")
    stored = lake.store(TABLE, new_slot())
    column = pq.ParquetFile(_file(tmp_path, stored)).metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"


# --- where files are ----------------------------------------------------------------


def test_named_dimensions_are_columns(lake: ParquetIO, tmp_path: Path) -> None:
    """Named dimensions of a key are folders that other tools read as columns."""
    for day, region in ((DAY, "eu"), (DAY, "us east/1"), (date(2025, 1, 16), "eu")):
        key = PartitionKey.of({"date": day, "region": region}).text
        lake.store([{"amount": 1}], slot_at(key))
    lake.store({"no": "table"}, slot_at("-"))
    found = dataset.dataset(
        sorted(str(path) for path in (tmp_path / "lake").rglob("*.parquet")),
        partitioning=dataset.partitioning(flavor="hive"),
        partition_base_dir=str(tmp_path / "lake" / "shop" / "report"),
    )
    rows = found.to_table().sort_by([("date", "ascending"), ("region", "ascending")])
    assert rows["region"].to_pylist() == ["eu", "us east/1", "eu"]
    assert rows["date"].to_pylist() == ["2025-01-15", "2025-01-15", "2025-01-16"]
    folders = {path.name for path in (tmp_path / "lake" / "shop" / "report").iterdir()}
    assert {"date=2025-01-15", "date=2025-01-16"} < folders


def test_files_are_everyones_to_read(tmp_path: Path) -> None:
    """A file has the rights that its process gives to new files, as other tools do."""
    mask = os.umask(0o022)
    try:
        lake = ParquetIO(tmp_path)
        file = _file(tmp_path, lake.store(TABLE, new_slot()))
    finally:
        os.umask(mask)
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("want", [pa.Table, Iterator[pa.RecordBatch], None])
def test_parquet_finds_corruption(
    lake: ParquetIO, tmp_path: Path, want: object
) -> None:
    """IO-20: a file that was changed is not handed out, whole or in batches."""
    stored = lake.store(TABLE, new_slot())
    file = _file(tmp_path / "lake", stored)
    content = bytearray(file.read_bytes())
    content[10] ^= 1
    file.write_bytes(content)
    with pytest.raises(CodecError, match="not what was stored"):
        lake.load(stored, want)
    file.unlink()
    with pytest.raises(ValueNotFound):
        lake.load(stored, want)


def test_no_links_no_matter(
    lake: ParquetIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system has no hard links, a file is moved to its place instead."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    slot = new_slot()
    stored = lake.store(TABLE, slot)
    assert lake.store(TABLE, slot) == stored
    assert TABLE.equals(lake.load(stored, pa.Table))
    assert len(list((tmp_path / "lake").rglob("*.*"))) == 1


_DOOMED = """
import os, signal, sys
import pyarrow as pa
from flowstone.io import ParquetIO, Slot

def batches():
    batch = pa.record_batch({"a": pa.array([os.urandom(1_000_000)] * 40)})
    yield from [batch] * 3
    os.kill(os.getpid(), signal.SIGKILL)

at = Slot(asset="shop/report", key="-", version="doomed", path="shop/report/doomed")
ParquetIO(sys.argv[1]).store(batches(), at)
"""


def test_a_worker_killed_while_it_writes(lake: ParquetIO, tmp_path: Path) -> None:
    """What a killed worker was writing is never seen, and is found by listing alone."""
    died = subprocess.run(
        [sys.executable, "-c", _DOOMED, str(tmp_path / "lake")], cwd=ROOT, check=False
    )
    assert died.returncode == -signal.SIGKILL
    ((location, size),) = lake.list_locations("shop/report")
    assert "doomed" in location
    assert size > 0
    whole = "file:shop/report/doomed.parquet"
    orphan = Stored(location=whole, bytes=size, digest="", facts={"codec": "parquet"})
    with pytest.raises(ValueNotFound):
        lake.load(orphan, pa.Table)
    assert dataset.dataset(tmp_path / "lake").files == []
    lake.delete(Stored(location=location, bytes=size, digest="", facts={}))
    assert list(lake.list_locations()) == []


@pytest.mark.service
def test_a_lake_in_a_bucket(s3: Access) -> None:
    """The same files are objects of a bucket, which other tools read."""
    fs: Any = import_module("pyarrow.fs")
    with closing(ParquetIO("s3://flowstone/lake-of-a-test", **s3)) as lake:
        key = PartitionKey.of({"date": DAY, "region": "eu"}).text
        stored = lake.store(TABLE, slot_at(key, version="v1"))
        expected = "lake-of-a-test/shop/report/date=2025-01-15/region=eu/v1.parquet"
        assert stored.location == f"s3://flowstone/{expected}"
        theirs = fs.S3FileSystem(
            access_key=s3["access_key"],
            secret_key=s3["secret_key"],
            endpoint_override=s3["endpoint"].removeprefix("http://"),
            scheme="http",
            region=s3["region"],
        )
        found = pq.read_table(f"flowstone/{expected}", filesystem=theirs)
        assert found.select(["day", "amount"]).equals(TABLE)
        lake.delete(stored)
