"""A stand-in for AWS IAM and S3 over HTTP that enforces user policies."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tests.s3 import free_ports

PROGRAM = Path(sys.executable).with_name("moto_server")
START_S = 60


@dataclass(frozen=True)
class MotoAws:
    """A running server; it permits everything outside `enforcing`."""

    process: subprocess.Popen[bytes]
    endpoint: str

    def client(self, service: str, access_key: str = "any", secret_key: str = "", *, region: str = "us-east-1") -> Any:  # noqa: ANN401
        """Return a client of one of its services."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key or access_key,
            region_name=region,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def user(self, name: str, policy: str) -> tuple[str, str]:
        """Create a user with only this policy and return its keys."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=policy)
        keys = iam.create_access_key(UserName=name)["AccessKey"]
        return keys["AccessKeyId"], keys["SecretAccessKey"]

    @contextmanager
    def enforcing(self) -> Iterator[None]:
        """Enforce signatures and policies inside the context."""
        self._allow(0)
        try:
            yield
        finally:
            self._allow(float("inf"))

    def _allow(self, unchecked: float) -> None:
        assert _status(self.endpoint, "POST", "/moto-api/reset-auth", str(unchecked)) == HTTPStatus.OK


def start_moto(log: Path) -> MotoAws:
    """Start a server and wait until it responds."""
    port = free_ports(1)[0]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PROGRAM, "-H", "127.0.0.1", "-p", str(port)], stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = MotoAws(process, f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + START_S
    while True:
        try:
            _status(server.endpoint, "GET", "/moto-api/")
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return server


def stop_moto(server: MotoAws) -> None:
    """Stop a server."""
    server.process.kill()
    server.process.wait(20)


def _status(endpoint: str, method: str, path: str, body: str | None = None) -> int:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "text/plain"})
        return connection.getresponse().status
    finally:
        connection.close()
