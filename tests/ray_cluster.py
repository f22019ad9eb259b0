"""A Ray cluster on this machine, each node a group of processes of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import coin_pipeline
from tests.platforms import free_ports, wait_until

RAY = Path(sys.executable).with_name("ray")
STARTED = "--block"
"""In what `ray start --block` prints once the node runs."""
START_S = 60
NO_RAY = "the package ray is not installed (pip install 'coin-pipeline[ray]')"
"""Reason to skip a test."""


@dataclass
class RayNode:
    """The processes of a node.

    Attributes:
        process: The command that started them, which leads their session.
        log: What it printed.
    """

    process: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        """Return the processes of the node, including its workers."""
        return [pid for pid in _running_pids() if _session(pid) == self.process.pid]

    def tasks(self) -> Iterator[int]:
        """Yield the workers that are executing a part of a sweep."""
        for pid in self.pids():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::_evaluate"):
                    yield pid

    def kill_tasks(self) -> None:
        """Kill the workers that are executing a part of a sweep."""
        for pid in self.tasks():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill all processes of the node at once, as a power cut does."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not self.pids())


@dataclass
class RayCluster:
    """A cluster: its head, and the nodes that have joined it.

    Attributes:
        folder: Folder of Ray's sessions and logs.
        port: Port of the head.
        nodes: The nodes that were started, the head first.
    """

    folder: Path
    port: int
    nodes: list[RayNode] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Address of the head."""
        return f"127.0.0.1:{self.port}"

    def start_head(self, cpus: int, environment: Mapping[str, str] | None = None) -> RayNode:
        """Start the head."""
        here = ["--head", "--port", str(self.port), "--temp-dir", str(self.folder), "--include-dashboard", "false"]
        client_port = str(free_ports(1)[0])  # a fixed one by default, although nothing uses it
        return self._start([*here, "--num-cpus", str(cpus), "--ray-client-server-port", client_port], environment)

    def join(self, cpus: int, environment: Mapping[str, str] | None = None) -> RayNode:
        """Start a further node."""
        return self._start(["--address", self.address, "--num-cpus", str(cpus)], environment)

    def stop(self) -> None:
        """Kill all nodes."""
        for node in self.nodes:
            node.kill()

    def _start(self, arguments: list[str], environment: Mapping[str, str] | None) -> RayNode:
        log = self.folder / f"node-{len(self.nodes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [RAY, "start", *arguments, "--object-store-memory", str(100 << 20), "--block", "--disable-usage-stats"],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        node = RayNode(process, log)
        self.nodes.append(node)
        wait_until(lambda: process.poll() is not None or STARTED in log.read_text(), START_S)
        assert process.poll() is None, log.read_text()
        return node


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Yield a cluster without nodes; those that are started end with the block."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # sockets need a short path
        cluster = RayCluster(Path(folder), free_ports(1)[0])
        try:
            yield cluster
        finally:
            cluster.stop()


def shadow_package(folder: Path, fault: str) -> dict[str, str]:
    """Return the environment of a node with something else installed than on this machine.

    Args:
        folder: An empty folder.
        fault: "without the package", "other code" or "other Ray".
    """
    startup = {
        "without the package": "import sys\nsys.modules['coin_pipeline'] = None\n",
        "other Ray": "import ray\nray.__version__ = '1.0.0'\n",
    }
    if fault in startup:
        (folder / "sitecustomize.py").write_text(startup[fault])
    else:
        shutil.copytree(Path(coin_pipeline.__file__).parent, folder / "coin_pipeline")
        with (folder / "coin_pipeline" / "engine" / "metrics.py").open("a") as file:
            file.write("EDITED = True\n")
    return {"PYTHONPATH": str(folder)}


def _running_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _session(pid: int) -> int | None:
    """Return the session of a process; None if it has ended."""
    with suppress(ProcessLookupError):
        state, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() if _exists(pid) else ["Z"]
        return None if state == "Z" else os.getsid(pid)
    return None


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists()
