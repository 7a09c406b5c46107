"""Temporal behind TLS: found by a profile, refused with a hint where that is wrong."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flowstone import ConfigurationError, Flowstone, SqlLedger
from flowstone.engines.temporal.connect import connect_client, find_connection
from tests.apps import lender
from tests.harness import WorkerProcess, upgrade

pytestmark = pytest.mark.service

TLS = Path(__file__).parents[1] / "tls"
SECRET = "an-api-key"


@pytest.fixture
async def secure(temporal_address: str) -> AsyncIterator[str]:
    """Serve the session's Temporal behind TLS, for who shows a certificate."""
    host, _, port = temporal_address.partition(":")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    context.load_verify_locations(TLS / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either side may hang up
    finally:
        writer.close()


@pytest.fixture
def profiles(
    secure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Write a file of profiles; give what a process needs to find it."""
    file = tmp_path / "temporal.toml"
    file.write_text(
        f"""
        [profile.secure]
        address = "{secure}"
        namespace = "default"
        tls.server_ca_cert_path = "{TLS / "ca.pem"}"
        tls.client_cert_path = "{TLS / "client.pem"}"
        tls.client_key_path = "{TLS / "client.key"}"

        [profile.nobody]
        address = "{secure}"
        tls.server_ca_cert_path = "{TLS / "ca.pem"}"

        [profile.stranger]
        address = "{secure}"
        tls.client_cert_path = "{TLS / "client.pem"}"
        tls.client_key_path = "{TLS / "client.key"}"

        [profile.gone]
        address = "{secure}"
        tls.server_ca_cert_path = "{TLS / "none.pem"}"

        [profile.cloud]
        address = "shop.tmprl.cloud:7233"
        namespace = "shop"
        api_key = "{SECRET}"
        """
    )
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    return {"TEMPORAL_CONFIG_FILE": str(file), "TEMPORAL_PROFILE": "secure"}


async def test_a_run_goes_through_tls(
    profiles: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    """Client and worker find Temporal by its profile, and show their certificate."""
    upgrade(postgres_url)
    told = {
        **profiles,
        "FLOWSTONE_LEDGER_URL": postgres_url,
        "LENDER_NAME": "tls",
        "LENDER_LOG": str(tmp_path / "log"),
    }
    worker = WorkerProcess("tests.apps.lender:app", tmp_path, told)
    app = Flowstone(
        "tls",
        lender.PIPELINE,
        ledger=SqlLedger(postgres_url),
        resources=lender.app.resources,
    )
    try:
        await asyncio.to_thread(worker.wait_ready)
        async with app.connect(profile="secure") as stone:
            run = await stone.materialize_all(lender.doubled)
            assert await run.result() == 2 * len(lender.URL)
    finally:
        await asyncio.to_thread(worker.end)


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize("profile", ["nobody", "stranger"])
async def test_who_is_not_trusted_is_told_where_to_look(profile: str) -> None:
    """Without the right certificates one is refused, and told that TLS is on."""
    with pytest.raises(ConfigurationError) as caught:
        await connect_client(profile=profile)

    assert "TLS is on: look at the certificates" in str(caught.value)


async def test_who_comes_without_tls_is_told_where_to_look(secure: str) -> None:
    """A server that wants TLS is not reached without, and the remedy is told."""
    with pytest.raises(ConfigurationError) as caught:
        await connect_client(secure)

    assert "TLS is off: a server that wants it needs TEMPORAL_TLS" in str(caught.value)


@pytest.mark.usefixtures("profiles")
def test_a_certificate_that_is_not_there_is_named() -> None:
    """A file that a profile names and nobody has is a matter of configuration."""
    with pytest.raises(ConfigurationError, match=r"cannot be read: .*none\.pem"):
        find_connection(profile="gone")


@pytest.mark.usefixtures("profiles")
def test_an_api_key_turns_tls_on() -> None:
    """A key is handed on with TLS, and is in no representation."""
    found = find_connection(profile="cloud")

    assert found.options == {
        "target_host": "shop.tmprl.cloud:7233",
        "namespace": "shop",
        "api_key": SECRET,
        "tls": True,
    }
    assert repr(found) == "<Temporal at shop.tmprl.cloud:7233, namespace 'shop'>"


@pytest.mark.usefixtures("profiles")
def test_what_is_nearer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is asked first, then the environment, then the profile."""
    monkeypatch.setenv("TEMPORAL_PROFILE", "cloud")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "by-environment")
    found = find_connection(address="by-code:1")

    assert (found.where, found.namespace) == ("by-code:1", "by-environment")
    assert found.options.get("api_key") == SECRET
    assert find_connection(namespace="by-code").namespace == "by-code"
