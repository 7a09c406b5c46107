"""Sensors: each object that arrives in S3 is a run, once; overwritten, once more."""

import asyncio
import os
import tempfile
from datetime import date
from pathlib import Path

from flowstone import Client, Context, Flowstone, Pipeline, Sensor, Skip, asset
from flowstone.checks import S3NewObjects, S3Object
from flowstone.io.bucket import S3Access
from flowstone.stack import S3Server

BUCKET = os.environ.get("FLOWSTONE_S3_BUCKET", "flowstone")


@asset
def upload(ctx: Context) -> tuple[str, date]:
    assert isinstance(ctx.partition, date)
    return "from_sensor", ctx.partition


def day_of(found: S3Object) -> date | Skip:
    """incoming/2024-01-01/data.csv is of 2024-01-01; what is no table is left out."""
    if not found.key.endswith("/data.csv"):
        return Skip("it is no table")
    return date.fromisoformat(found.key.split("/")[1])


arrivals = S3NewObjects(BUCKET, "incoming/", asset=upload, partition=day_of)
app = Flowstone(
    "arrivals", Pipeline(upload), sensors=[Sensor("uploads", check=arrivals)]
)


def put(key: str, data: bytes) -> None:
    s3 = S3Access().completed().connect()  # boto3's client, as the sensor has it
    s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    s3.close()


async def main(stone: Client) -> None:
    put("incoming/2024-01-01/data.csv", b"1")
    put("incoming/2024-01-01/notes.txt", b"none of your business")
    assert (await stone.sensors.test("uploads")).new == ["upload @ 2024-01-01"]

    # Temporal has it look every minute; here it is asked to.
    tick = await stone.sensors.tick("uploads")
    run = await stone.runs.get(tick.runs[0])
    assert await run.result() == ("from_sensor", date(2024, 1, 1))

    assert (await stone.sensors.tick("uploads")).started == 0
    put("incoming/2024-01-01/data.csv", b"2")
    again = await stone.sensors.tick("uploads")
    assert (again.found, again.started) == (1, 1)
    await (await stone.runs.get(again.runs[0])).wait()


async def run() -> None:
    server = S3Server(Path(tempfile.mkdtemp(prefix="flowstone-s3-")), bucket=BUCKET)
    try:
        server.start()
        os.environ.update(server.environment())
        async with app.local() as stone:
            await main(stone)
    finally:
        server.remove()


if __name__ == "__main__":
    asyncio.run(run())
