"""An object that is sent in parts, several at once, and seen when it is complete."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from flowstone.io.depot import NothingThere
from flowstone.io.s3_errors import Contended, Taken, translated

__all__ = ["Upload"]

_AT_ONCE = 4
_DOUBLES_AFTER = 1_000
"""Parts after which they get larger: there may be ten thousand of them."""


class Upload:
    """Bytes on their way into a bucket; few of them are sent in one request.

    Args:
        client: of boto3.
        place: the bucket and the key.
        kind: what they are, as a media type.
        part: the bytes of a part; five of them are in memory at most.
    """

    def __init__(
        self, client: Any, place: Mapping[str, str], *, kind: str, part: int
    ) -> None:
        self._client = client
        self._place = dict(place)
        self._kind = kind
        self._part = part
        self._buffer = bytearray()
        self._filled = 0
        self._free: list[bytearray] = []
        self._upload: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._flying: deque[Future[None]] = deque()
        self._sent: dict[int, str] = {}
        self._begun = 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Take some more."""
        with memoryview(data) as raw, raw.cast("B") as view:
            taken = 0
            while taken < len(view):
                if not self._buffer:
                    self._buffer = self._empty_buffer()
                some = min(len(self._buffer) - self._filled, len(view) - taken)
                end = self._filled + some
                self._buffer[self._filled : end] = view[taken : taken + some]
                taken, self._filled = taken + some, end
                if end == len(self._buffer):
                    self._send(self._buffer)
            return taken

    def publish(self) -> bool:
        """Make it visible."""
        try:
            with translated(self._place["Bucket"]):
                self._publish()
        except (Taken, Contended, NothingThere):
            # where the answer to an earlier try was lost, the upload is gone, and
            # what is there is this one
            return False
        return True

    def discard(self) -> None:
        """Forget it, and what was sent of it."""
        for future in self._flying:
            future.cancel()
        if self._pool is not None:
            self._pool.shutdown()
        if self._upload is not None:
            # the store may be why it is given up; then it is found by listing
            with suppress(Exception):
                self._client.abort_multipart_upload(
                    **self._place, UploadId=self._upload
                )
            self._upload = None

    def _empty_buffer(self) -> bytearray:
        """Give a buffer that was sent already, or a new one; few are ever made."""
        size = self._part << (self._begun // _DOUBLES_AFTER)
        while self._free:
            buffer = self._free.pop()
            if len(buffer) == size:
                return buffer
        return bytearray(size)

    def _send(self, part: bytearray | bytes) -> None:
        if self._pool is None:
            with translated(self._place["Bucket"]):
                begun = self._client.create_multipart_upload(
                    **self._place, ContentType=self._kind
                )
            self._upload = str(begun["UploadId"])
            self._pool = ThreadPoolExecutor(_AT_ONCE)
        while len(self._flying) >= _AT_ONCE:
            self._flying.popleft().result()
        self._begun += 1
        self._buffer, self._filled = bytearray(), 0
        self._flying.append(self._pool.submit(self._send_part, self._begun, part))

    def _send_part(self, number: int, part: bytearray | bytes) -> None:
        answer = self._client.upload_part(
            **self._place, UploadId=self._upload, PartNumber=number, Body=part
        )
        self._sent[number] = str(answer["ETag"])
        if isinstance(part, bytearray):
            self._free.append(part)

    def _publish(self) -> None:
        if self._upload is None:
            self._client.put_object(
                **self._place,
                Body=bytes(memoryview(self._buffer)[: self._filled]),
                ContentType=self._kind,
                IfNoneMatch="*",
            )
            return
        if self._filled:
            self._send(bytes(memoryview(self._buffer)[: self._filled]))
        while self._flying:
            self._flying.popleft().result()
        parts = [{"PartNumber": n, "ETag": e} for n, e in sorted(self._sent.items())]
        self._client.complete_multipart_upload(
            **self._place,
            UploadId=self._upload,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )
        self._upload = None
