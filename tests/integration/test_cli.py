"""The command line on real servers: `flowstone dev` and what one does beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from flowstone.stack.folder import alive
from flowstone.stack.ports import free_port
from tests.harness import eventually, query, upgrade
from tests.unit.cli.typed import APP, Said, shell, started
from tests.unit.console.posting import send

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("dev"),
]

DAY = ("-p", "2025-01-11")


@dataclass(frozen=True, slots=True)
class Dev:
    """A `flowstone dev` that is up."""

    process: subprocess.Popen[str]
    facts: Mapping[str, Any]
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What one exports in another terminal."""
        said = cast("Mapping[str, str]", self.facts["environment"])
        return {**said, "SHOP_FOLDER": str(self.folder)}

    def __call__(self, *words: str) -> Said:
        """Type words in another terminal."""
        return shell(*words, env=self.environment)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command in another terminal."""
        return started(*words, env=self.environment)

    def at_once(self, *lines: Sequence[str]) -> list[Said]:
        """Type lines in as many terminals."""
        with ThreadPoolExecutor(len(lines)) as terminals:
            calls = [terminals.submit(self, *words) for words in lines]
            return [call.result() for call in calls]

    def processes(self) -> set[int]:
        """Give every process that came of it."""
        parents: dict[int, int] = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
            except OSError:  # it ended meanwhile
                continue
            parents[int(name)] = int(stat.rpartition(")")[2].split()[1])
        found = {self.process.pid}
        while more := {p for p, parent in parents.items() if parent in found} - found:
            found |= more
        return found


def _dev(folder: Path, *words: str) -> Dev:
    """Start it, and read the one JSON object that it says when all is up."""
    env = {"SHOP_FOLDER": str(folder)}
    place = ("--folder", str(folder / "dev"))
    process = started("dev", *words, *place, "--json", env=env)
    assert process.stdout is not None
    said = ""
    while not said.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        said += line
    return Dev(process, json.loads(said), folder)


def _end(dev: Dev, number: signal.Signals) -> tuple[str, set[int]]:
    """End it by a signal; give its last words, and the processes that are left."""
    processes = dev.processes()
    assert len(processes) > 4
    dev.process.send_signal(number)
    _, err = dev.process.communicate(timeout=30)
    if number is signal.SIGKILL:
        eventually(lambda: not any(map(alive, processes)), what="the end of all")
    return err, {pid for pid in processes if alive(pid)}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """Give a stack with a worker of the shop."""
    found = _dev(tmp_path_factory.mktemp("dev"), APP)
    try:
        yield found
    finally:
        found.process.terminate()
        found.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def made(dev: Dev) -> Said:
    """Give what `materialize --json` says of one day's report."""
    return dev("materialize", APP, "report", *DAY, "--json")


def test_dev_says_where_everything_is(dev: Dev) -> None:
    """Temporal, its page, the ledger and the exports are told in one object."""
    assert dev.facts["app"] == APP
    assert dev.facts["page"].startswith("http://")
    assert dev.environment["TEMPORAL_ADDRESS"] == dev.facts["temporal"]
    assert dev.environment["FLOWSTONE_LEDGER_URL"] == dev.facts["ledger"]
    assert f"serving {APP}\n" in Path(dev.facts["worker_log"]).read_text()
    probe = send(f"{dev.facts['callbacks']}/health/ready", method="GET", headers={})
    assert probe.status == 200


def test_a_run_is_made_on_temporal(dev: Dev, made: Said) -> None:
    """A run goes through the worker, and its page is the one that dev serves."""
    assert made.status == 0
    assert made.data["status"] == "succeeded"
    assert made.data["progress"]["made"] == 3
    assert made.data["url"].startswith(f"{dev.facts['page']}/namespaces/default/")


def test_what_was_made_is_seen(dev: Dev, made: Said) -> None:
    """The run, the value, its status and its lineage are there for other commands."""
    run = made.data["run_id"]
    value, status, lineage, waited, cancelled = dev.at_once(
        ("value", APP, "report", *DAY),
        ("status", APP, "report", *DAY, "--json"),
        ("lineage", "upstream", APP, "report", *DAY, "--json"),
        ("runs", "wait", APP, run),
        ("runs", "cancel", APP, run),
    )

    assert value.data == "3 rows"
    assert (status.data["state"], status.data["run_id"]) == ("fresh", run)
    assert [entry["asset"] for entry in lineage.data] == ["cleaned", "raw"]
    assert waited.status == 0
    assert waited.out.startswith("report @ 2025-01-11: succeeded in ")
    assert cancelled.status == 2
    assert "has ended (succeeded)" in cancelled.error


def test_a_backfill_tells_each_partition(dev: Dev) -> None:
    """One of four days fails: a line and a row for each, and status 1."""
    said = dev("backfill", APP, "report", "--from", "2025-01-10", "--policy", "always")

    assert said.status == 1
    assert said.error == "1 of 4 partitions of 'report' failed."
    assert "2025-01-13: made\n" in said.err
    assert ["2025-01-12", "failed"] in [r.split()[:2] for r in said.out.splitlines()]
    assert "3 made, 1 failed, run " in said.out


def test_an_interrupt_leaves_the_run_alone(dev: Dev) -> None:
    """Ctrl-C detaches and says how to cancel; cancelled, its end is status 1."""
    slow = dev.folder / "slow"
    with dev.start("materialize", APP, "slow") as process:
        eventually(slow.exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    [run] = dev("runs", "list", APP, "--status", "running", "--json").data
    cancel = f"runs cancel {APP} {run['run_id']}"

    assert (process.returncode, out) == (130, "")
    assert f"error: detached; run {run['run_id']} goes on." in err
    assert f"`flowstone {cancel}` cancels it." in err
    assert dev(*cancel.split()).out == f"run {run['run_id']}: cancelling\n"
    waited = dev("runs", "wait", APP, run["run_id"], "--json")
    assert (waited.status, waited.data["status"]) == (1, "cancelled")
    assert waited.data["error"]["type"] == "RunCancelled"


def test_a_gate_is_answered_and_a_lost_worker_replaced(dev: Dev) -> None:
    """A run waits at its gate, its worker is killed, and the answer still comes in."""
    token = dev.folder / "token"
    begun = dev("materialize", APP, "answered", "--no-wait")
    eventually(lambda: token.exists() and dev("gates", "list", APP, "--json").data)
    [worker] = [p for p in dev.processes() if _is_worker(p)]
    os.kill(worker, signal.SIGKILL)

    assert dev("gates", "signal", APP, token.read_text(), "41", "--json").status == 0
    waited = dev("runs", "wait", APP, begun.out.strip(), "--json")
    assert waited.data["status"] == "succeeded"
    assert dev("value", APP, "answered").data == 41
    [another] = [p for p in dev.processes() if _is_worker(p)]
    assert another != worker


def _is_worker(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return "worker" in words


def test_a_worker_of_ones_own_drains(dev: Dev) -> None:
    """`flowstone worker` says that it serves, and ends with 0 when it is told to."""
    with dev.start("worker", APP, "--slots", "2", "--json") as worker:
        assert worker.stdout is not None
        said = "".join(worker.stdout.readline() for _ in range(5))
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=30)

    assert json.loads(said) == {"app": APP, "state": "serving", "pid": worker.pid}
    assert worker.returncode == 0, err


def test_the_folder_of_a_stack_that_runs_is_refused(dev: Dev) -> None:
    """A second `dev` in the same folder is told who has it."""
    said = shell("dev", "--folder", str(dev.folder / "dev"))

    assert said.status == 2
    assert f"is in use by process {dev.process.pid}" in said.error


def test_what_is_away_is_named(dev: Dev) -> None:
    """A Temporal or a ledger that does not answer is one line with its address."""
    words = ("status", APP, "report", *DAY)
    address = f"127.0.0.1:{free_port(but=set())}"
    url = f"postgresql://nobody@{address}/none"
    no_temporal = shell(*words, env={**dev.environment, "TEMPORAL_ADDRESS": address})
    no_ledger = shell(*words, env={**dev.environment, "FLOWSTONE_LEDGER_URL": url})

    assert (no_temporal.status, no_ledger.status) == (2, 2)
    assert f"Temporal at {address} does not answer" in no_temporal.error
    assert (
        f"The ledger at postgresql+psycopg://nobody@{address}/none" in no_ledger.error
    )
    assert "does not answer" in no_ledger.error


def test_mistakes_are_one_line(dev: Dev) -> None:
    """An unknown asset and a bad partition are refused with a remedy."""
    unknown, outside, unreadable = dev.at_once(
        ("materialize", APP, "reprot"),
        ("materialize", APP, "report", "-p", "2024-01-01"),
        ("materialize", APP, "report", "-p", "(2025-01-11", "--json"),
    )

    assert (unknown.status, outside.status, unreadable.status) == (2, 2, 2)
    assert "Did you mean 'report'?" in unknown.error
    assert "not one of the partitions of 'report'" in outside.error
    assert unreadable.data["error"]["type"] == "BadPartition"


def test_an_older_schema_is_told_what_to_run(dev: Dev, postgres_url: str) -> None:
    """A ledger of an older release is refused until it is upgraded."""
    env = {**dev.environment, "FLOWSTONE_LEDGER_URL": postgres_url}
    upgrade(postgres_url)
    query(postgres_url, "UPDATE flowstone_schema SET version_num = '0000' RETURNING 1")
    said = shell("materialize", APP, "raw", env=env)
    checked = shell("db", "check", env=env)

    assert (said.status, checked.status) == (2, 2)
    assert "has revision 0000" in said.error
    assert "Run `flowstone db upgrade`." in said.error
    assert "has revision 0000" in checked.error


def test_an_app_that_cannot_be_served_stops_everything(tmp_path: Path) -> None:
    """`dev` with a wrong app says what is wrong with it, and leaves nothing."""
    said = shell("dev", "nowhere:app", "--folder", str(tmp_path / "dev"), "--json")

    assert said.status == 2
    assert "There is no module 'nowhere'" in said.data["error"]["message"]


def test_nothing_stays_behind(tmp_path: Path) -> None:
    """Killed or interrupted, `dev` leaves no process; its data are there again."""
    killed = _dev(tmp_path, APP)
    killed("materialize", APP, "raw")
    _, left = _end(killed, signal.SIGKILL)
    assert left == set()

    again = _dev(tmp_path, APP)
    assert again.environment == killed.environment
    assert again("value", APP, "raw").data == [3, 1, 2]
    err, left = _end(again, signal.SIGINT)
    assert left == set()
    assert again.process.returncode == 0
    assert err.endswith("stopped\n")


def test_an_s3_is_served_where_it_is_asked_for(dev: Dev, tmp_path: Path) -> None:
    """`--s3` serves one beside the others, and tells where; else there is none."""
    assert dev.facts["s3"] is None
    place = ("--temporal", dev.facts["temporal"], "--ledger-url", dev.facts["ledger"])
    found = _dev(tmp_path, *place, "--s3")
    try:
        told = found.environment
        assert told["FLOWSTONE_S3_ENDPOINT"] == found.facts["s3"]
        assert {name for name in told if name.startswith("FLOWSTONE_S3_")} == {
            *("FLOWSTONE_S3_ENDPOINT", "FLOWSTONE_S3_REGION", "FLOWSTONE_S3_BUCKET"),
            *("FLOWSTONE_S3_ACCESS_KEY", "FLOWSTONE_S3_SECRET_KEY"),
        }
    finally:
        found.process.terminate()
        found.process.communicate(timeout=30)
