"""A real S3 server on free ports, its objects in a folder: SeaweedFS."""

import http.client
import json
import os
import secrets
import shutil
import signal
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from flowstone.core.errors import ConfigurationError
from flowstone.stack.binaries import find_s3
from flowstone.stack.folder import State, write_private, write_state
from flowstone.stack.kept import Launch
from flowstone.stack.ports import HOST
from flowstone.stack.server import Server

__all__ = ["S3Server"]

_REGION = "us-east-1"
_OWNER = "flowstone"
_CREDENTIALS = "s3.json"
_DATA = "data"
_WITH_GRPC = ("master", "volume", "filer", "s3")
_SOCKETED = ("filer", "s3")
_FOREIGN = ("AWS_", "S3_", "WEED_")
_REFUSED = (401, 403)


class S3Server(Server):
    """An S3 server with one bucket, its objects in a folder.

    Its keys are made at the first start and kept in the folder, for its owner alone.

    Example:
        ```python
        server = S3Server(Path(".flowstone/s3"))
        server.start()
        server.endpoint  # http://127.0.0.1:20348
        server.stop()
        ```
    """

    name = "S3"

    def __init__(
        self, folder: Path, *, bucket: str = "flowstone", program: Path | None = None
    ) -> None:
        super().__init__(folder)
        self.bucket = bucket
        self.region = _REGION
        self.access_key = ""
        self.secret_key = ""
        self._program = program
        self._client: Any = None  # botocore has no types

    @property
    def endpoint(self) -> str:
        """The address of its S3 interface."""
        return f"http://{HOST}:{self._port('s3_port')}"

    def environment(self) -> Mapping[str, str]:
        """Give the variables by which a process finds the server and its bucket."""
        return {
            "FLOWSTONE_S3_ENDPOINT": self.endpoint,
            "FLOWSTONE_S3_ACCESS_KEY": self.access_key,
            "FLOWSTONE_S3_SECRET_KEY": self.secret_key,
            "FLOWSTONE_S3_REGION": self.region,
            "FLOWSTONE_S3_BUCKET": self.bucket,
        }

    def remove(self) -> None:
        """Kill the server and delete its data for good, whoever started it last."""
        if self.running:
            self.kill()  # it would take its time to put in order what is deleted
        super().remove()

    def _delete_data(self) -> None:
        shutil.rmtree(self.folder / _DATA, ignore_errors=True)
        (self.folder / _CREDENTIALS).unlink(missing_ok=True)

    def _port_names(self) -> Sequence[str]:
        grpc = [f"{part}_grpc_port" for part in _WITH_GRPC]
        return [*(f"{part}_port" for part in _WITH_GRPC), *grpc, "admin_port"]

    def _prepare(self, state: State, held: int) -> None:
        del held
        self._program = self._program or find_s3()
        self._client = None
        self.access_key = str(state.setdefault("access_key", secrets.token_hex(10)))
        key = state.setdefault("secret_key", secrets.token_urlsafe(30))
        self.secret_key = str(key)
        write_state(self.folder, state)
        (self.folder / _DATA).mkdir(mode=0o700, exist_ok=True)
        # it notes its options there and would mix those of an earlier start in
        (self.folder / _DATA / "mini.options").unlink(missing_ok=True)
        write_private(self.folder / _CREDENTIALS, self._identities())

    def _identities(self) -> str:
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        owner = {"name": _OWNER, "credentials": [keys], "actions": actions}
        return json.dumps({"identities": [owner]})

    def _launch(self, log: Path, held: int) -> Launch:
        return Launch(
            command=[
                *(str(self._program), "-logtostderr=true", "mini"),
                f"-dir={self.folder / _DATA}",
                f"-s3.config={self.folder / _CREDENTIALS}",
                # left to itself it listens everywhere, and reports to its makers
                *(f"-ip={HOST}", f"-ip.bind={HOST}", "-master.telemetry=false"),
                *("-admin.ui=false", "-webdav=false", "-s3.iam=false"),
                *("-s3.port.iceberg=0", "-s3.port.lance=0"),
                *("-volume.preStopSeconds=0", f"-bucket={self.bucket}"),
                # it resumes as a follower for a while: its own parts turn away then
                "-master.resumeState=false",
                *(f"-{part}.port={self._ports[f'{part}_port']}" for part in _WITH_GRPC),
                *(
                    f"-{part}.port.grpc={self._ports[f'{part}_grpc_port']}"
                    for part in _WITH_GRPC
                ),
                # its gRPC port is left where its own worker looks for it
                f"-admin.port={self._ports['admin_port']}",
                *(f"-{part}.localSocket={self._socket(part)}" for part in _SOCKETED),
            ],
            environment=self._environment(),
            log=log,
            lock=held,
            stop_signal=signal.SIGTERM,
            litter=[*map(self._socket, _SOCKETED), *self._sockets()],
        )

    def _socket(self, part: str) -> Path:
        return self.folder / _DATA / f"{part}.sock"

    def _sockets(self) -> list[Path]:
        """Name the sockets whose places it does not let others choose."""
        numbers = {part: self._ports[f"{part}_grpc_port"] for part in _WITH_GRPC}
        numbers["admin"] = self._ports["admin_port"] + 10_000
        return [
            Path(f"/tmp/seaweedfs-{part}-grpc-{number}.sock")  # noqa: S108 - its choice
            for part, number in numbers.items()
        ]

    def _environment(self) -> dict[str, str]:
        # settings meant for clients (AWS_ACCESS_KEY_ID) would become keys of its own,
        # and it reads files in the user's home
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        return {**kept, "HOME": str(self.folder)}

    def _mend(self, log: str) -> bool:
        return "Port allocation failed" in log or super()._mend(log)

    def _ready(self) -> bool:
        # while the server starts, and only where one is started
        errors: Any = import_module("botocore.exceptions")
        self._client = self._client or self._connect()
        try:
            self._client.head_bucket(Bucket=self.bucket)
        except errors.BotoCoreError:
            return False
        except errors.ClientError as error:
            answer: Any = error.response
            if answer["ResponseMetadata"]["HTTPStatusCode"] in _REFUSED:
                raise ConfigurationError(
                    problems=[self._failure("does not take the keys of its folder")]
                ) from error
            return False
        self._client.close()
        return self._has_volumes()

    def _has_volumes(self) -> bool:
        """Say whether its store has joined: before, what it keeps cannot be read."""
        master, volumes = self._ports["master_port"], self._ports["volume_port"]
        connection = http.client.HTTPConnection(HOST, master, timeout=10)
        try:
            connection.request("GET", "/dir/status")
            return f"{HOST}:{volumes}" in connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connect(self) -> Any:
        boto3, config = import_module("boto3"), import_module("botocore.config")
        return boto3.session.Session().client(
            "s3",
            endpoint_url=f"http://{HOST}:{self._ports['s3_port']}",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=config.Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"max_attempts": 0},
                proxies={},
            ),
        )
