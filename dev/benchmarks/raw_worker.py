"""A worker of the plain SDK: each activity commits one row to the same Postgres."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from dev.benchmarks.raw_flows import QUEUE, STEP, WORKFLOWS
from dev.benchmarks.servers import libpq_url

_SLOTS = 10
_TABLE = """
CREATE TABLE IF NOT EXISTS bench_raw (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow text NOT NULL,
    value bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
)"""
_INSERT = "INSERT INTO bench_raw (workflow, value) VALUES (%s, %s)"


def make_step(url: str) -> Callable[[int], int]:
    """Give the activity; each of its threads keeps a connection."""
    held = threading.local()

    @activity.defn(name=STEP)
    def step(value: int) -> int:
        conn: psycopg.Connection | None = getattr(held, "conn", None)
        if conn is None:
            conn = held.conn = psycopg.connect(url)
        conn.execute(_INSERT, (activity.info().workflow_id, value))
        conn.commit()
        return value + 1

    return step


async def serve() -> None:
    """Serve until SIGTERM."""
    url = libpq_url(os.environ["FLOWSTONE_LEDGER_URL"])
    with psycopg.connect(url) as conn:
        conn.execute(_TABLE)
    client = await Client.connect(
        os.environ["TEMPORAL_ADDRESS"], namespace=os.environ["TEMPORAL_NAMESPACE"]
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with ThreadPoolExecutor(_SLOTS) as threads:
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=WORKFLOWS,
            activities=[make_step(url)],
            activity_executor=threads,
            max_concurrent_activities=_SLOTS,
            max_eager_activity_reservations_per_workflow_task=50,
        ):
            print("ready", flush=True)
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
    sys.stdout.flush()
    # Temporal's runtime may abort an interpreter that ends while its threads live.
    os._exit(0)
