"""Values as objects in a bucket of S3, or of a store that speaks its language."""

from __future__ import annotations

from flowstone.io.bucket import Bucket, S3Access
from flowstone.io.objects import ObjectIO

__all__ = ["S3IO"]


class S3IO(ObjectIO):
    """Keeps values in a bucket: JSON, bytes, Arrow tables, and streams of any size.

    What is not given is read from `FLOWSTONE_S3_ENDPOINT`, `_REGION`, `_ACCESS_KEY`,
    `_SECRET_KEY` and `_BUCKET` when it is first used, then found by boto3 in its ways.

    Example:
        ```python
        S3IO("shop", prefix="values")
        ```

    Args:
        bucket: the bucket's name.
        prefix: what all keys begin with.
        endpoint: the address of the store; left out, that of AWS.
        region: as AWS names it.
        access_key: who asks.
        secret_key: their secret.

    Raises:
        ConfigurationError: no bucket can have the name, or the prefix is too long.
    """

    in_process: bool = False

    def __init__(
        self,
        bucket: str | None = None,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        access = S3Access(
            endpoint=endpoint,
            region=region,
            access_key=access_key,
            secret_key=secret_key,
        )
        self._bucket = Bucket(bucket, prefix=prefix, access=access)
        super().__init__(self._bucket)

    def __repr__(self) -> str:
        return f"S3IO({self._bucket!r})"
