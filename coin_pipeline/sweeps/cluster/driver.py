"""The process that uses Ray, as the process that needs it sees it."""

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from coin_pipeline.errors import ClusterUnavailable
from coin_pipeline.liveness import report_progress
from coin_pipeline.settings import inherited_environment
from coin_pipeline.sweeps.cluster.messages import HEAD_ENDED, Alive, Failure
from coin_pipeline.sweeps.processes.protocol import rebuild_error, receive, send

_PROGRAM = "coin_pipeline.sweeps.cluster"
LOST_S = 10
"""Seconds without its head after which a cluster counts as lost."""


def is_ray_installed() -> bool:
    """Return whether this Python has the package ray, which is not imported."""
    return importlib.util.find_spec("ray") is not None


@dataclass(frozen=True, slots=True)
class DriverProcess:
    """The process that uses Ray.

    Attributes:
        address: Address of the cluster.
        line: Descriptor of the line to the process.
    """

    address: str
    line: int

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            CoinError: The process failed.
            ClusterUnavailable: It has ended.
        """
        try:
            send(self.line, message)
        except OSError:
            while True:  # it sent why it failed, unless it was killed
                self.receive()

    def receive(self) -> Any:  # noqa: ANN401 -- whatever was sent
        """Receive a message, which is progress.

        Raises:
            CoinError: The process failed.
            ClusterUnavailable: It has ended.
        """
        try:
            message = receive(self.line)
        except (EOFError, OSError):
            raise ClusterUnavailable(self.address, HEAD_ENDED) from None
        report_progress()
        if isinstance(message, Failure):
            raise rebuild_error(*message.error)
        return message

    def receive_result(self) -> Any:  # noqa: ANN401 -- whatever was sent
        """Receive the next message that is not only a sign of life; raises as `receive`."""
        while isinstance(message := self.receive(), Alive):
            pass
        return message


@contextmanager
def start_driver(address: str) -> Iterator[DriverProcess]:
    """Start the process that uses Ray, connected to the cluster; it ends with the block, and its tasks with it.

    Raises:
        ClusterUnavailable: The cluster cannot be reached.
        ClusterMismatch: Its versions of Ray or Python differ.
    """
    own, other = socket.socketpair()
    with own, other:
        process = subprocess.Popen(  # noqa: S603 -- this interpreter, and a module of this package
            [sys.executable, "-P", "-m", _PROGRAM, str(other.fileno())],
            pass_fds=[other.fileno()],
            cwd="/",  # Ray has workers import modules from the folder of their driver
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=inherited_environment({"RAY_gcs_rpc_server_reconnect_timeout_s": str(LOST_S)}),
            start_new_session=True,  # a Ctrl-C is for the process that started it
        )
        other.close()
        driver = DriverProcess(address, own.fileno())
        try:
            driver.send(address)
            driver.receive()
            yield driver
        finally:
            process.kill()
            process.wait()
