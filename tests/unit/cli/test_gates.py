"""Gates on the command line: answers by the world's own id, and deliveries."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

from tests.harness import eventually
from tests.unit.cli.typed import APP, Type, started
from tests.unit.console.posting import send


def test_the_worlds_own_id_is_answered(typed: Type, kept: str) -> None:
    """With --key and --asset, the answer alone is given."""
    with started("materialize", APP, "keyed", kept, "--value") as waiting:
        eventually(lambda: typed("gates", "list", APP, kept, "--json").data)
        [listed] = typed("gates", "list", APP, kept, "--json").data
        words = ("gates", "signal", APP, "41", "--asset", "keyed", "--key")
        early = typed(*words, "another", kept)
        answer = typed(*words, "job-7", kept, "--json")
        out, err = waiting.communicate(timeout=30)

    assert listed["key"] == "job-7"
    assert (early.out, answer.data) == ("answered\n", {"answered": True})
    assert (waiting.returncode, json.loads(out)) == (0, 41), err


def test_words_that_do_not_go_together_are_misuse(typed: Type, kept: str) -> None:
    """A key needs its asset, and takes the place of a token; one of them is needed."""
    signal_words = ("gates", "signal", APP, kept)
    alone = typed(*signal_words, "1", "--key", "a")
    both = typed(*signal_words, "t", "1", "--key", "a", "--asset", "keyed")
    neither = typed(*signal_words)

    assert (alone.status, both.status, neither.status) == (2, 2, 2)
    assert "--key" in alone.error
    assert "--key" in both.error
    assert "TOKEN" in neither.error


def test_an_endpoint_is_served_and_its_log_shown(
    typed: Type, kept: str, tmp_path: Path
) -> None:
    """It takes an answer; what came is listed, and delivered again."""
    with (
        started("materialize", APP, "answered", kept, "--value") as waiting,
        started("serve", APP, kept, "--port", "0", "--json") as serving,
    ):
        assert serving.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            said += serving.stdout.readline()
        token = tmp_path / "token"
        eventually(
            lambda: token.exists() and typed("gates", "list", APP, kept, "--json").data
        )
        url = f"{json.loads(said)['url']}/hooks/flowstone/signal/{token.read_text()}"
        replies = [send(url, body).status for body in (b"{", b"41", b"42")]
        out, err = waiting.communicate(timeout=30)
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)
    log = typed("gates", "deliveries", APP, kept, "--json").data
    told = typed("gates", "deliveries", APP, kept, "--limit", "1").out
    again = typed("gates", "redeliver", APP, log[1]["delivery"], kept)
    data = typed("gates", "redeliver", APP, log[0]["delivery"], kept, "--json").data
    unknown = typed("gates", "redeliver", APP, "nothing", kept)

    assert replies == [400, 200, 409]
    assert (waiting.returncode, json.loads(out)) == (0, 41), err
    assert serving.returncode == 0
    assert [d["outcome"] for d in log] == ["refused", "answered", "malformed"]
    assert log[1]["asset"] == "answered"
    assert "refused" in told
    assert again.out == "repeated\n"
    assert (data["outcome"], data["replay_of"]) == ("refused", log[0]["delivery"])
    assert (unknown.status, "no delivery 'nothing'" in unknown.error) == (2, True)


def test_a_port_that_is_taken_is_named(typed: Type, kept: str) -> None:
    """One clear line says where it cannot listen."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = typed("serve", APP, kept, "--port", port)

    assert said.status == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in said.error
