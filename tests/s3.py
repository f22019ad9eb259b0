"""A real S3 server for tests."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from coin_pipeline.storage.s3 import S3Store

WEED = Path(sys.executable).with_name("weed")
START_S = 60
_SERVICES = ("master", "volume", "filer", "s3")


@dataclass(frozen=True)
class S3Server:
    """A running server and the credentials that it accepts."""

    process: subprocess.Popen[bytes]
    endpoint: str
    ports: tuple[int, ...] = ()
    access_key: str = "coin-tests"
    secret_key: str = "not-a-secret"  # noqa: S105 -- of a server that exists only during the tests

    def environment(self, bucket: str) -> dict[str, str]:
        """Return the settings that select a bucket of this server."""
        return {
            "AWS_BUCKET_NAME": bucket,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "COIN_S3_PATH_STYLE": "true",
        }

    def client(self, **options: Any) -> Any:  # noqa: ANN401 -- boto3's
        """Return a client; options override the defaults."""
        defaults = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": "us-east-1",
            "config": Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 2}),
        }
        return boto3.client("s3", **(defaults | options))

    def store(self, bucket: str, **options: Any) -> S3Store:  # noqa: ANN401
        """Return a store in a bucket, which is created if necessary."""
        client = self.client()
        if bucket not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=bucket)
        return S3Store(self.client(**options) if options else client, bucket)


def start_s3(folder: Path, ports: tuple[int, ...] = ()) -> S3Server:
    """Start a server with its data in `folder`, and wait until it stores and returns an object.

    The ports of a stopped server start the same server again.
    """
    ports = ports or free_ports(2 * len(_SERVICES))
    (folder / "data").mkdir(parents=True, exist_ok=True)
    keys = [{"accessKey": S3Server.access_key, "secretKey": S3Server.secret_key}]
    identity = {"name": "tests", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    flags = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.config": folder / "s3.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.autoCreateBucket": "false",
        "admin.ui": "false",
        "webdav": "false",
        "volume.max": 5000,  # each bucket uses several; the free disk space is not the limit here
        "master.telemetry": "false",
        **{f"{service}.port": ports[2 * index] for index, service in enumerate(_SERVICES)},
        **{f"{service}.port.grpc": ports[2 * index + 1] for index, service in enumerate(_SERVICES)},
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [WEED, "mini", *(f"-{name}={value}" for name, value in flags.items())],
            cwd=folder,
            env={**os.environ, "GOMEMLIMIT": "400MiB"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = S3Server(process, f"http://127.0.0.1:{ports[2 * _SERVICES.index('s3')]}", ports)
    deadline = time.monotonic() + START_S
    while not _responds(server):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.2)
    return server


def kill_s3(server: S3Server) -> None:
    """Kill a server as a power failure would; its data is kept."""
    server.process.kill()
    server.process.wait(20)


def stop_s3(server: S3Server, folder: Path) -> None:
    """Kill a server and delete its data."""
    kill_s3(server)
    shutil.rmtree(folder, ignore_errors=True)


def _responds(server: S3Server) -> bool:
    try:
        store = server.store("probe")
        store.put("probe", b"ready", overwrite=True)
        return store.get("probe") == b"ready"
    except Exception as error:
        if isinstance(error, (ClientError, BotoCoreError)) or "object store" in str(error):
            return False
        raise


def free_ports(count: int) -> tuple[int, ...]:
    """Return unused ports."""
    sockets = [socket.socket() for _ in range(count)]
    for probe in sockets:
        probe.bind(("127.0.0.1", 0))
    ports = tuple(probe.getsockname()[1] for probe in sockets)
    for probe in sockets:
        probe.close()
    return ports
