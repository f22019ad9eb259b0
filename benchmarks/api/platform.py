"""The platform that is measured: `coin up` on free ports over a folder of its own, and what it holds."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.settings import Settings

COIN = Path(sys.executable).with_name("coin")
PATIENT = Path(__file__).with_name("patient.py")
START_S, STOP_S = 90, 60
UP = "Press Ctrl-C to stop"


class NotUp(Exception):
    """The platform did not start."""


@dataclass(frozen=True)
class Platform:
    """A running platform."""

    root: Path
    port: int
    launcher: str

    def memory_mib(self) -> float:
        """Return the memory of all its processes, what some of them share counted once (PSS)."""
        return sum(map(_pss_kib, self.processes())) / 1024

    def disk_mib(self, folder: str = "") -> float:
        """Return what the files of DATA_ROOT, or of a folder of it, take on the disk."""
        files = (Path(at, name) for at, _, names in os.walk(self.root / folder) for name in names)
        return sum(map(_disk_bytes, files)) / 2**20

    def processes(self) -> list[int]:
        """Return its processes: those with its DATA_ROOT in their environment, its database, and their children."""
        marks = f"DATA_ROOT={self.root}\0".encode(), f"{self.root}/postgres".encode()
        parents = {int(at.name): _parent(at) for at in Path("/proc").glob("[0-9]*")}
        found = {pid for pid in parents if any(mark in _told(pid) for mark in marks)}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)


@contextmanager
def running(root: Path, launcher: str) -> Iterator[Platform]:
    """Store a year of daily candles, start the platform, and stop it on leaving, however that comes.

    Raises:
        NotUp: it does not start.
    """
    daily = parse_timeframe("1d")
    CandleCatalog(root).merge("AAA_KRW", daily, synthetic_candles(1, daily, date(2023, 1, 1), 365))
    api, ui = _free_ports()
    command = [str(COIN), "up", "--api-port", str(api), "--ui-port", str(ui), "--strategy-file", str(PATIENT)]
    ours = {name.upper() for name in Settings.model_fields}
    theirs = {name: value for name, value in os.environ.items() if name not in ours}
    log = root / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            env={**theirs, "DATA_ROOT": str(root), "COIN_LAUNCHER": launcher},
            cwd=root,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the benchmark only, which then stops it in order
        )
    platform = Platform(root, api, launcher)
    try:
        _wait_until_up(process, log)
        yield platform
    finally:
        process.send_signal(signal.SIGINT)
        _wait_until_gone(process, platform)


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while UP not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotUp(log.read_text())
        time.sleep(0.1)


def _wait_until_gone(process: subprocess.Popen[bytes], platform: Platform) -> None:
    """Wait for the programs and the database to end; end what is left, which is told."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    deadline = time.monotonic() + STOP_S
    while (left := platform.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        print(f"still running, killed: {pid} {_command(pid)}", file=sys.stderr)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in (one, two)]


def _parent(process: Path) -> int:
    try:
        # The name of the program stands in parentheses and may hold anything; state and parent come after it.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # it ended while we looked


def _told(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + _command(pid).encode()
    except OSError:
        return b""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _pss_kib(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)


def _disk_bytes(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0
