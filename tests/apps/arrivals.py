"""An app whose sensor looks for objects in S3; it may be killed at any point."""

from __future__ import annotations

import os

from flowstone import (
    SECOND,
    Context,
    Flowstone,
    Pipeline,
    S3NewObjects,
    S3Object,
    Secrets,
    Sensor,
    asset,
)


@asset
def document(ctx: Context) -> str:
    return f"read {ctx.partition}"


def number_of(found: S3Object) -> str:
    return found.key.rpartition("/")[2].removesuffix(".txt")


def make_app(name: str) -> Flowstone:
    """Give the app under a name, looking below it: the bucket is others' too."""
    look = S3NewObjects(prefix=f"{name}/", asset=document, partition=number_of)
    return Flowstone(
        name,
        Pipeline(document),
        sensors=[Sensor("arrivals", every=SECOND, check=look)],
        secrets=Secrets({"test": b"a secret of the tests"}),
    )


app = make_app(os.environ.get("ARRIVALS_NAME", "arrivals"))
