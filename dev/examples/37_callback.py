"""Callback: a job elsewhere posts its result over HTTP; the run ends with it."""

import asyncio
import json
import os
import socket
import threading
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

from pydantic import BaseModel

from flowstone import Client, Context, Flowstone, Pipeline, Signal, asset
from flowstone.console import serving

with socket.create_server(("127.0.0.1", 0)) as free:
    PORT = free.getsockname()[1]
os.environ["FLOWSTONE_CALLBACK_URL"] = f"http://127.0.0.1:{PORT}"
HEARD: list[int] = []


class Done(BaseModel):
    """What the job says when it has ended."""

    rows: int


def post(url: str, payload: object) -> int:
    where, headers = urlsplit(url), {"Content-Type": "application/json"}
    with closing(HTTPConnection(where.netloc, timeout=10)) as connection:
        connection.request("POST", where.path, json.dumps(payload), headers)
        return connection.getresponse().status


def remote_job(callback: str) -> None:
    done = {"rows": 1200}
    HEARD.append(post(callback, {"rows": "many"}))  # no `Done`: the gate stays open
    HEARD.append(post(callback, done))
    HEARD.append(post(callback, done))  # the same again is fine, another one is not
    HEARD.append(post(callback, {"rows": 1300}))
    HEARD.append(post(callback[:-1] + "?", done))


@asset
def loaded(ctx: Context) -> Signal[int]:
    """Start the job; no worker waits for it."""
    threading.Thread(target=remote_job, args=(ctx.callback_url,)).start()
    return Signal(timeout=timedelta(hours=1))


@loaded.on_signal
def job_done(done: Done) -> int:
    return done.rows


app = Flowstone("callback", Pipeline(loaded))


async def main(stone: Client) -> None:
    # In production: `flowstone serve callback:app`, as often as you like.
    async with serving(stone, port=PORT):
        run = await stone.materialize(loaded, "2025-01-15")
        assert await run.result() == 1200
        while len(HEARD) < 5:
            await asyncio.sleep(0.01)
        assert set(HEARD[1:3]) <= {200, 202}  # 202: it came before the gate was open
        assert [HEARD[0], *HEARD[3:]] == [422, 409, 404]
        log = await stone.gates.deliveries()
        assert (log[-1].outcome, log[-1].asset) == ("misfit", "loaded")


async def run() -> None:
    async with app.local() as stone:
        await main(stone)


if __name__ == "__main__":
    asyncio.run(run())
