"""The embedded S3: what it keeps, survives and leaves alone."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypedDict

import psycopg
import pytest

import flowstone
from flowstone.core.errors import ConfigurationError
from flowstone.stack import S3Server, Stack
from flowstone.stack.account import Account, can_reach
from flowstone.stack.binaries import find_s3
from flowstone.stack.folder import alive
from tests.harness import eventually

pytestmark = pytest.mark.service

_NOBODY = Account(user=65534, group=65534)
_SOURCE = Path(str(flowstone.__file__)).parents[1]
_LIBRARIES = Path(psycopg.__file__).parents[1]
boto3: Any = import_module("boto3")  # it has no types
exceptions: Any = import_module("botocore.exceptions")


class _Given(TypedDict):
    """What a stack need not start."""

    temporal: str
    ledger_url: str


@pytest.fixture
def server(s3_server: S3Server) -> Iterator[S3Server]:
    """Give the session's S3, running again after the test."""
    yield s3_server
    if not s3_server.running:
        s3_server.start()


def _client(environment: Mapping[str, str], **instead: str) -> Any:
    given = {
        "endpoint_url": environment["FLOWSTONE_S3_ENDPOINT"],
        "aws_access_key_id": environment["FLOWSTONE_S3_ACCESS_KEY"],
        "aws_secret_access_key": environment["FLOWSTONE_S3_SECRET_KEY"],
        "region_name": environment["FLOWSTONE_S3_REGION"],
    }
    return boto3.session.Session().client("s3", **given | instead)


def _get(environment: Mapping[str, str], key: str) -> bytes:
    client = _client(environment)
    bucket = environment["FLOWSTONE_S3_BUCKET"]
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


def _put(environment: Mapping[str, str], key: str, data: bytes, **more: str) -> None:
    client = _client(environment)
    bucket = environment["FLOWSTONE_S3_BUCKET"]
    client.put_object(Bucket=bucket, Key=key, Body=data, **more)


def test_a_stack_serves_s3_beside_the_others(tmp_path: Path) -> None:
    """A stack that is asked for S3 serves a bucket, and has its objects and address."""
    given = _Given(temporal="far:7233", ledger_url="postgresql://db/x")
    folder = tmp_path / "stack"
    with Stack(folder, s3=True, **given) as stack:
        found = stack.environment()
        assert set(found) == {
            *("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "FLOWSTONE_LEDGER_URL"),
            *("FLOWSTONE_S3_ENDPOINT", "FLOWSTONE_S3_BUCKET", "FLOWSTONE_S3_REGION"),
            *("FLOWSTONE_S3_ACCESS_KEY", "FLOWSTONE_S3_SECRET_KEY"),
        }
        _put(found, "kept", b"42")
    with Stack(folder, s3=True, **given) as again:
        assert again.environment() == found
        assert _get(found, "kept") == b"42"
    again.remove()
    assert not folder.exists()


def test_a_given_s3_is_used(tmp_path: Path) -> None:
    """No S3 is started where an address is given, or none was asked for."""
    given = _Given(temporal="far:7233", ledger_url="postgresql://db/x")
    folder = tmp_path / "stack"
    with Stack(folder, s3=True, s3_endpoint="http://far:9000", **given) as stack:
        assert stack.environment()["FLOWSTONE_S3_ENDPOINT"] == "http://far:9000"
    with Stack(folder, **given) as stack:
        assert stack.s3_endpoint is None
        assert "FLOWSTONE_S3_ENDPOINT" not in stack.environment()
    assert not folder.exists()


def test_keys_are_its_owners_alone(server: S3Server) -> None:
    """The keys are drawn for this folder, private there, and others are refused."""
    for name in ("s3.json", "state.json"):
        file = server.folder / name
        assert server.secret_key in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((server.folder / "data").stat().st_mode) == 0o700
    wrong = _client(server.environment(), aws_secret_access_key="wrong")
    with pytest.raises(exceptions.ClientError, match="403|SignatureDoesNotMatch"):
        wrong.list_objects_v2(Bucket=server.bucket)


def test_it_listens_on_this_machine_only(server: S3Server) -> None:
    """Nothing of it can be reached from another machine, and it reports to nobody."""
    words = Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\0")
    assert b"-master.telemetry=false" in words
    inodes = {
        os.readlink(handle).removeprefix("socket:[").rstrip("]")
        for handle in Path(f"/proc/{server.pid}/fd").iterdir()
    }
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        for columns in (line.split() for line in lines):
            if columns[9] in inodes and columns[3] == "0A":
                found.add(columns[1].partition(":")[0])
    assert found == {"0100007F"}


def test_it_keeps_the_first(server: S3Server) -> None:
    """An object that exists is not replaced where that is the condition."""
    _put(server.environment(), "first", b"1", IfNoneMatch="*")
    with pytest.raises(exceptions.ClientError, match="412|PreconditionFailed"):
        _put(server.environment(), "first", b"2", IfNoneMatch="*")
    assert _get(server.environment(), "first") == b"1"


def test_s3_survives_a_kill(server: S3Server) -> None:
    """An S3 that was killed is started again with its port and its objects."""
    found = server.environment()
    _put(found, "survived", bytes(3_000_000))
    os.kill(server.pid, signal.SIGKILL)
    server.start()
    assert server.environment() == found
    assert _get(found, "survived") == bytes(3_000_000)
    server.restart()
    assert _get(found, "survived") == bytes(3_000_000)


def test_other_ports_find_the_same_objects(tmp_path: Path) -> None:
    """An S3 whose ports are taken meanwhile has its objects on others."""
    server = S3Server(tmp_path / "s3")
    server.start()
    _put(server.environment(), "kept", b"42")
    server.kill()
    before = server.environment()
    (tmp_path / "s3" / "state.json").write_text(
        (tmp_path / "s3" / "state.json").read_text().replace("_port", "_lost")
    )
    other = S3Server(tmp_path / "s3")
    try:
        other.start()
        assert other.endpoint != before["FLOWSTONE_S3_ENDPOINT"]
        assert other.access_key == server.access_key
        assert _get(other.environment(), "kept") == b"42"
        _put(other.environment(), "more", b"43")
        assert _get(other.environment(), "kept") == b"42"
    finally:
        other.remove()
    assert not (tmp_path / "s3").exists()


def _sockets(folder: Path) -> list[Path]:
    """Give the sockets that the server of a folder has made where it chose itself."""
    state: dict[str, object] = json.loads((folder / "state.json").read_text())
    ports = {value for name, value in state.items() if name.endswith("_port")}
    numbers = ports | {port + 10_000 for port in ports if isinstance(port, int)}
    return [
        file
        for file in Path("/tmp").glob("seaweedfs-*-grpc-*.sock")
        if int(file.stem.rpartition("-")[2]) in numbers
    ]


def test_nothing_stays_of_a_killed_owner(tmp_path: Path) -> None:
    """An owner that is killed takes its S3 along, and no socket is left behind."""
    folder = tmp_path / "s3"
    code = (
        "import pathlib, time; from flowstone.stack import S3Server\n"
        f"server = S3Server(pathlib.Path({str(folder)!r}))\n"
        "server.start(); print(server.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=_SOURCE
    )
    assert owner.stdout is not None
    with owner.stdout as told:
        pid = int(told.readline())
    assert alive(pid)
    made = _sockets(folder)
    assert len(made) == 5
    owner.kill()
    owner.wait()
    eventually(lambda: not alive(pid), what="the end of its S3")
    eventually(lambda: not any(file.exists() for file in made), what="a tidy end")
    again = S3Server(folder)
    again.start()
    again.remove()
    assert not folder.exists()
    assert not any(file.exists() for file in made)


def test_an_ordinary_user_can_run_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A user without rights runs an S3 with the objects as their own."""
    root = os.geteuid() == 0
    candidates = [sys.executable, "/usr/bin/python3"]
    python = next(p for p in candidates if not root or can_reach(Path(p), _NOBODY))
    code = (
        "import os, pathlib, tempfile; from flowstone.stack import S3Server\n"
        "with tempfile.TemporaryDirectory() as made:\n"
        "    server = S3Server(pathlib.Path(made) / 's3')\n"
        "    server.start()\n"
        "    print(os.geteuid(), os.stat(f'/proc/{server.pid}').st_uid)\n"
        "    server.remove()\n"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.check_output(
        [python, "-c", code],
        user=_NOBODY.user if root else None,
        group=_NOBODY.group if root else None,
        extra_groups=[] if root else None,
        env={
            **os.environ,
            "PATH": path,
            "PYTHONPATH": f"{_SOURCE}{os.pathsep}{_LIBRARIES}",
        },
    )
    user = b"%d" % (_NOBODY.user if root else os.geteuid())
    assert told.split() == [user, user]


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """Where no S3 is installed, the error says what to install or to set."""
    with pytest.raises(ConfigurationError, match="FLOWSTONE_S3_ENDPOINT") as error:
        find_s3(path=str(tmp_path), beside=tmp_path)
    assert "pip install 'flowstone[embedded]'" in str(error.value)
