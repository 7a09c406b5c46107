"""What a function may ask while it runs, and in a test without any worker."""

from __future__ import annotations

import logging
from datetime import date
from typing import cast

import pytest

from flowstone.core.asset import asset
from flowstone.core.errors import ConfigurationError, NotSupported
from flowstone.core.policy import Retry
from flowstone.core.token import derive_token, gate_id
from flowstone.steps.context import Context
from flowstone.steps.toolbox import Callbacks
from tests.unit.steps.bench import KEYS, Make


def test_a_context_can_be_made_for_a_test() -> None:
    """A function that takes a context can be called without a worker."""
    ctx = Context(asset="report", partition=date(2025, 1, 15))

    assert (ctx.asset, ctx.partition, ctx.attempt) == ("report", date(2025, 1, 15), 1)
    assert not ctx.cancelled
    assert ctx.token == "test-token"
    ctx.heartbeat({"rows": 5})
    ctx.progress(1, 2)
    ctx.metadata(rows=5)


def test_progress_is_told_to_the_engine(bench: Make) -> None:
    """How far a function is goes out with its heartbeat."""

    @asset
    def slow(ctx: Context) -> int:
        ctx.heartbeat()
        ctx.heartbeat("half")
        ctx.progress(5)
        ctx.progress(5, 10)
        return 1

    shop = bench(slow)
    shop.begin("slow")
    shop.run("slow")

    assert shop.beats == [
        None,
        "half",
        {"done": 5, "total": None},
        {"done": 5, "total": 10},
    ]


def test_facts_are_kept_whatever_they_are(bench: Make) -> None:
    """What has no form in JSON is kept as its text, and breaks nothing."""
    odd = cast("str", {(1, 2): [date(2025, 1, 15)]})

    @asset
    def told(ctx: Context) -> int:
        ctx.metadata(rows=5, share=0.5, whole=True, note=None, odd=odd)
        return 1

    shop = bench(told)
    shop.begin("told")
    shop.run("told")
    version = shop.version("told")

    assert version is not None
    assert version.metadata == {
        "rows": 5,
        "share": 0.5,
        "whole": True,
        "note": None,
        "odd": str(odd),
    }


def test_a_line_of_the_log_names_the_asset(caplog: pytest.LogCaptureFixture) -> None:
    """Who logs need not say what it is about."""
    with caplog.at_level(logging.INFO, "flowstone.asset"):
        Context(asset="report", partition="eu", run_id="r1").log.info("%d rows", 5)
        Context(asset="report").log.info("none")

    assert caplog.messages == ["report @ eu: 5 rows", "report: none"]
    assert vars(caplog.records[0])["run_id"] == "r1"
    assert vars(caplog.records[0])["partition"] == "eu"


def test_a_token_needs_a_key(bench: Make) -> None:
    """Where nothing signs tokens, the function that wants one is told how."""

    @asset
    def starts(ctx: Context) -> str:
        return ctx.token

    shop = bench(starts)
    shop.toolbox.keys = {}
    shop.begin("starts")
    error = shop.error("starts", shop.run("starts"))

    assert error.error_type == ConfigurationError.__name__
    assert "set FLOWSTONE_SIGNING_KEYS" in error.error


def test_a_callback_url_needs_an_endpoint(bench: Make) -> None:
    """Where nothing says where the endpoint is, the asset is told which setting."""

    @asset
    def starts(ctx: Context) -> str:
        return ctx.callback_url

    shop = bench(starts)
    shop.begin("starts")
    error = shop.error("starts", shop.run("starts"))

    assert error.error_type == ConfigurationError.__name__
    assert "set FLOWSTONE_CALLBACK_URL" in error.error


def test_a_callback_url_is_the_same_on_every_attempt(bench: Make) -> None:
    """It names the endpoint and the token, whichever attempt asks."""
    seen: list[str] = []

    @asset(retry=Retry(attempts=2))
    def starts(ctx: Context) -> str:
        seen.append(ctx.callback_url)
        raise ValueError(ctx.token)

    shop = bench(starts)
    shop.toolbox.callbacks = Callbacks(url="https://hooks.example.com/in")
    shop.begin("starts")
    shop.run("starts")
    shop.run(shop.cell("starts", attempt=2))

    token = derive_token(gate_id("r1", 0, 0), KEYS)
    url = f"https://hooks.example.com/in/hooks/flowstone/signal/{token}"
    assert seen == [url, url]


def test_what_is_not_built_yet_is_refused() -> None:
    """Limits say that they are not there."""
    ctx = Context(asset="report")

    assert ctx.callback_url == "http://localhost/hooks/flowstone/signal/test-token"
    with pytest.raises(NotSupported, match=r"ctx.limits is not supported yet"):
        _ = ctx.limits
