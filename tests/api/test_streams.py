"""Tables and full documents of a million rows, from a server in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from coin_pipeline.storage.local import LocalStore
from tests.api.test_events import is_up, until
from tests.conftest import ROOT
from tests.platforms import free_ports
from tests.result_tables import publish_tables, sample_tables, signals_table

pytestmark = pytest.mark.large
ROWS = 1_000_000
MAX_GROWTH_MIB = 64
"""A server that held all rows would grow by more than 100 MiB for CSV, and by more than 200 MiB for JSON."""
PATHS = ("?full=true", "/signals?format=csv", "/signals?format=parquet", "/signals?format=arrow")


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    pid: int

    def read(self, run_id: str, path: str) -> int:
        """Read a response to its end and return its size in bytes."""
        with httpx2.stream("GET", f"{self.url}/api/backtests/{run_id}{path}", timeout=60) as response:
            return sum(map(len, response.raise_for_status().iter_bytes()))

    def memory_mib(self, name: str) -> float:
        """Return VmRSS, the memory in use, or VmHWM, its peak."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(f"{name}:"))

    def reset_peak(self) -> None:
        """Set the peak to the memory in use."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def open_tables(self) -> list[str]:
        """Return the tables that it has open."""
        files = [os.path.realpath(link) for link in Path(f"/proc/{self.pid}/fd").iterdir()]
        return [file for file in files if file.endswith(".parquet")]


@pytest.fixture(scope="module")
def server(data_root: Path) -> Iterator[Server]:
    """A server that has sent every kind of response once, and a result with a million signals."""
    store = LocalStore(data_root)
    publish_tables(store, "small", sample_tables(10))
    publish_tables(store, "large", {**sample_tables(10), "signals": signals_table(ROWS)})
    (port,) = free_ports(1)
    program = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "tests.api.program:app", "--factory", "--port", str(port)],
        cwd=data_root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    server = Server(f"http://127.0.0.1:{port}", program.pid)
    try:
        until(lambda: is_up(f"{server.url}/openapi.json"), 60)
        for path in PATHS:
            server.read("small", path)
        yield server
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize("path", PATHS)
def test_memory_does_not_grow_with_the_rows(server: Server, path: str) -> None:
    """Rows are read, encoded and sent batch by batch."""
    server.reset_peak()
    before = server.memory_mib("VmRSS")
    assert server.read("large", path)
    assert server.memory_mib("VmHWM") - before < MAX_GROWTH_MIB


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_leaves_half_way_leaves_nothing_behind(server: Server, path: str) -> None:
    """The table is closed, and the server does not encode the rest."""
    server.reset_peak()
    before = server.memory_mib("VmRSS")
    for _ in range(5):
        with httpx2.stream("GET", f"{server.url}/api/backtests/large{path}", timeout=60) as response:
            next(response.iter_bytes())
    until(lambda: not server.open_tables())
    assert server.memory_mib("VmHWM") - before < MAX_GROWTH_MIB
