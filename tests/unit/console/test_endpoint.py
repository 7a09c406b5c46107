"""The callback endpoint: what it takes, and what it tells whom."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import socket
from collections.abc import MutableMapping
from typing import Any

import pytest

from flowstone import ConfigurationError, Flowstone, Pipeline, asset
from flowstone.console import Options, application, serving
from tests.unit.console.posting import get, post, send
from tests.unit.console.stage import staged

GOOD = {"rows": 3}


async def test_an_answer_is_taken() -> None:
    """A posted answer is the value; the audit log names the delivery."""
    async with staged() as stage:
        run = await stage.waiting()
        reply = await post(stage.callback, GOOD)
        value = await run.result()
        [delivery] = await stage.stone.gates.deliveries()
        log = await stage.stone.audit.list(subject=delivery.gate)

    assert (reply.status, reply.data["outcome"]) == (200, "answered")
    assert value == GOOD
    assert reply.data["delivery"] == delivery.id
    assert [entry.actor for entry in log] == [f"delivery {delivery.id}"]


async def test_an_answer_twice_and_another_one() -> None:
    """The same again is fine, however it is written; another is a conflict."""
    async with staged() as stage:
        run = await stage.waiting()
        url = stage.callback
        first = await post(url, {"a": 1, "b": 2})
        await run.result()
        again = await post(url, b'{ "b": 2, "a": 1 }')
        other = await post(url, {"a": 1, "b": 3})

    assert (first.status, again.status, other.status) == (200, 200, 409)
    assert again.data["outcome"] == "repeated"
    assert "anna" not in other.body.decode()


async def test_an_early_answer_is_kept() -> None:
    """What comes before its gate is open is accepted, and is the value then."""
    async with staged() as stage:
        run = await stage.stone.materialize("slow")
        while not stage.tokens:
            await asyncio.sleep(0.01)
        misfit = await post(stage.callback, "five")
        early = await post(stage.callback, 5)
        again = await post(stage.callback, 5)
        other = await post(stage.callback, 6)
        stage.gone.set()
        value = await run.result()

    assert (misfit.status, early.status, again.status, other.status) == (
        *(422, 202, 202),
        409,
    )
    assert value == 5


async def test_a_late_answer_is_refused() -> None:
    """After the deadline nothing is taken, whether or not anybody has looked."""
    async with staged() as stage:
        run = await stage.stone.materialize("brief")
        await run.wait()
        reply = await post(stage.callback, 5)

    assert (reply.status, reply.data["outcome"]) == (410, "late")


@pytest.mark.parametrize("how", ["endpoint", "client"])
async def test_an_answer_after_a_deadline_was_extended(how: str) -> None:
    """The same token is good until the new deadline, and nothing runs again."""
    async with staged() as stage:
        run = await stage.stone.materialize("patient")
        await stage.opened()
        [first] = await stage.stone.gates.list()
        while (await stage.stone.gates.list())[0].deadline == first.deadline:
            await asyncio.sleep(0.02)
        if how == "endpoint":
            assert (await post(stage.callback, 5)).status == 200
        else:
            await stage.stone.gates.signal(stage.tokens[-1], 5)
        value = await run.result()

    assert value == 5
    assert len(stage.tokens) == 1


@pytest.mark.parametrize("opened", [True, False])
async def test_a_cancelled_run_is_gone(opened: bool) -> None:
    """Whether its gate was open or not, nobody waits any more (GAT-20)."""
    async with staged() as stage:
        run = await stage.stone.materialize("plain" if opened else "slow")
        while not stage.tokens:
            await asyncio.sleep(0.01)
        if opened:
            await stage.opened()
        await run.cancel()
        await run.wait()
        reply = await post(stage.callback, GOOD)

    assert (reply.status, reply.data["outcome"]) == (410, "closed")


async def test_an_answer_that_does_not_fit_changes_nothing() -> None:
    """It is refused with what is wrong, and the gate stays open."""
    async with staged() as stage:
        run = await stage.waiting()
        refused = await post(stage.callback, {"rows": "many"})
        still = [gate.state for gate in await stage.stone.gates.list()]
        await post(stage.callback, GOOD)
        value = await run.result()

    assert (refused.status, refused.data["outcome"]) == (422, "misfit")
    assert "rows" in refused.data["error"]
    assert still == ["waiting"]
    assert value == GOOD


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"NaN", b"\xff\xfe", b"[" * 100_000, b"1" * 5_000],
    ids=["empty", "cut", "nan", "no-text", "deep", "long-number"],
)
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    """A body that cannot be read is told so, and is not kept."""
    async with staged() as stage:
        await stage.waiting()
        reply = await post(stage.callback, body)
        [delivery] = await stage.stone.gates.deliveries()

    assert (reply.status, reply.data["outcome"]) == (400, "malformed")
    assert delivery.payload is None
    assert delivery.size == len(body)


async def test_nobody_learns_what_was_wrong_with_a_token() -> None:
    """Forged, cut, unknown, of another key or of no form: each is not found."""
    async with staged() as stage:
        await stage.waiting()
        good = stage.tokens[-1]
        version, key, gate, mac = good.split(".")
        flipped = ("A" if mac[0] != "A" else "B") + mac[1:]
        other = "0" * len(gate)
        bad = [
            f"{version}.{key}.{gate}.{flipped}",
            f"{version}.{key}.{other}.{mac}",
            f"{version}.before.{gate}.{mac}",
            f"{version}.nobody.{gate}.{mac}",
            f"v2.{key}.{gate}.{mac}",
            good[:-1],
            f"{good}.{good}",
            "x",
            "%C3%A9",
            "a" * 9000,
        ]
        replies = [await post(stage.at(token), GOOD) for token in bad]
        nowhere = await post(f"{stage.url}/hooks/flowstone/nothing", GOOD)
        deliveries = await stage.stone.gates.deliveries()
        still = [gate.state for gate in await stage.stone.gates.list()]

    assert {reply.status for reply in replies} == {404}
    assert {reply.body for reply in replies} == {nowhere.body}
    assert {tuple(sorted(r.headers.keys())) for r in replies} == {
        tuple(sorted(nowhere.headers.keys()))
    }
    assert deliveries == []
    assert still == ["waiting"]


async def test_a_token_of_another_run_answers_that_run_only() -> None:
    """Each run has tokens of its own; an ended one's are of no use."""
    async with staged() as stage:
        first = await stage.waiting()
        old = stage.callback
        await first.cancel()
        await first.wait()
        second = await stage.waiting()
        reply = await post(old, GOOD)
        still = [gate.state for gate in await stage.stone.gates.list()]
        await post(stage.callback, {"rows": 4})
        value = await second.result()

    assert reply.status == 410
    assert still == ["waiting"]
    assert value == {"rows": 4}


async def test_an_older_key_still_verifies() -> None:
    """While keys are replaced, tokens that the one before has signed are good."""
    async with staged() as stage:
        run = await stage.waiting()
        gate = stage.tokens[-1].split(".")[2]
        from flowstone.core.token import derive_token

        old = derive_token(gate, {"before": b"another secret, older"})
        reply = await post(stage.at(old), GOOD)
        value = await run.result()

    assert reply.status == 200
    assert value == GOOD


async def test_other_methods_are_told_which_one() -> None:
    """Only POST is taken, and the answer says so."""
    async with staged() as stage:
        url = stage.at("x")
        found = [
            await asyncio.to_thread(send, url, method=method, headers={})
            for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")
        ]

    assert {reply.status for reply in found} == {405}
    assert {reply.headers["allow"] for reply in found} == {"POST"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({}, 415),
        ({"Content-Type": "Application/JSON; charset=utf-8"}, 200),
    ],
)
async def test_only_json_is_taken(headers: dict[str, str], status: int) -> None:
    """Another content type is refused, with the one that is taken."""
    async with staged() as stage:
        await stage.waiting()
        body = json.dumps(GOOD).encode()
        reply = await asyncio.to_thread(send, stage.callback, body, headers=headers)

    assert reply.status == status
    assert status == 200 or reply.headers["accept"] == "application/json"


async def test_what_is_too_large_is_not_read() -> None:
    """More than the limit is refused, whether its size is told or not."""
    options = Options(max_bytes=1000)
    async with staged(options) as stage:
        await stage.waiting()
        told = await post(stage.callback, b'"' + b"x" * 5_000_000 + b'"')
        untold = await asyncio.to_thread(chunked, stage.url, stage.callback, 5_000)
        forged = await post(stage.at("x"), b'"' + b"x" * 2_000 + b'"')
        still = [gate.state for gate in await stage.stone.gates.list()]

    assert (told.status, untold, forged.status) == (413, 413, 413)
    assert still == ["waiting"]


def chunked(base: str, url: str, size: int) -> int:
    """Post a body in chunks, without telling how large it is."""
    host, port = base.removeprefix("http://").split(":")
    path = url.removeprefix(base)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as peer:
        peer.sendall(head.encode())
        for _ in range(size // 100):
            peer.sendall(b"64\r\n" + b"1" * 100 + b"\r\n")
        peer.sendall(b"0\r\n\r\n")
        return int(peer.recv(100).split()[1])


async def test_a_source_that_asks_too_often_waits() -> None:
    """It is told how long; who comes through another proxy does not wait."""
    async with staged(Options(rate=3, proxies=1)) as stage:
        await stage.waiting()
        url = stage.at("x")
        found = [await post(url, 1, X_Forwarded_For="1.1.1.1") for _ in range(4)]
        other = await post(url, 1, X_Forwarded_For="9.9.9.9, 2.2.2.2")
        probe = await get(f"{stage.url}/health/live")

    assert [reply.status for reply in found] == [404, 404, 404, 429]
    assert 1 <= int(found[3].headers["retry-after"]) <= 20
    assert (other.status, probe.status) == (404, 200)


async def test_a_delivery_is_logged_without_its_secrets() -> None:
    """The log has whence, what, and the headers, secrets masked (GAT-19)."""
    async with staged() as stage:
        await stage.waiting()
        await post(stage.callback, GOOD, Authorization="Bearer hunter2")
        [found] = await stage.stone.gates.deliveries()

    assert (found.source, found.asset, found.status) == ("127.0.0.1", "plain", 200)
    assert found.headers["authorization"] == "***"
    assert found.headers["content-type"] == "application/json"
    assert found.payload == '{"rows": 3}'
    assert stage.tokens[-1] not in repr(found)
    assert "hunter2" not in repr(found)


async def test_no_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the log of the process nor anything stored has a token in it."""
    caplog.set_level(logging.DEBUG)
    async with staged() as stage:
        run = await stage.waiting()
        await post(stage.callback, GOOD)
        await post(stage.callback, {"rows": 4})
        await post(f"{stage.callback}x", GOOD)
        await run.wait()
        told = repr(await stage.stone.audit.list())
        told += repr(await stage.stone.gates.deliveries())
        told += repr(await run.events())

    mac = stage.tokens[-1].rpartition(".")[2]
    assert mac not in told
    assert mac not in caplog.text
    assert "bears no good token" in caplog.text


async def test_a_signature_may_be_asked_for() -> None:
    """With a provider's secret, a good token alone is not enough."""
    body = json.dumps(GOOD).encode()
    mac = hmac.new(b"whsec", body, "sha256").hexdigest()
    async with staged(Options(signature="github", secret="whsec")) as stage:
        await stage.waiting()
        unsigned = await post(stage.callback, body)
        signed = await post(stage.callback, body, X_Hub_Signature_256=f"sha256={mac}")

    assert (unsigned.status, signed.status) == (404, 200)


async def test_probes_are_answered() -> None:
    """It lives; it is ready while its ledger answers."""
    async with staged() as stage:
        live = await get(f"{stage.url}/health/live")
        ready = await get(f"{stage.url}/health/ready")

    assert (live.status, live.data) == (200, {"alive": True})
    assert (ready.status, ready.data["ready"]) == (200, True)
    assert [c["kind"] for c in ready.data["components"]] == ["ledger"]


async def test_it_is_not_ready_without_its_ledger(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """Where the database does not answer, the probe says so, and the answer is 500."""

    @asset
    def one() -> int:
        return 1

    url = f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none"
    monkeypatch.setenv("FLOWSTONE_LEDGER_URL", url)
    monkeypatch.setenv("FLOWSTONE_SIGNING_KEYS", "k:a secret of the tests")
    built = application(Flowstone("absent", Pipeline(one)))
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"1", "more_body": False}

    async def send_one(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers: list[tuple[bytes, bytes]] = []
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": headers}
    scope |= {"path": "/health/ready", "query_string": b"", "root_path": ""}
    await built(scope, receive, send_one)

    assert sent[0]["status"] == 503


async def test_a_port_that_is_taken_is_named() -> None:
    """Whoever cannot listen is told where, and what to do."""
    async with staged() as stage:
        port = int(stage.url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=rf"port {port}.*--port"):
            async with serving(stage.stone, port=port):
                pass
