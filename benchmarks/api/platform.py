"""The platform under test: `coin up` on free ports with a temporary data folder, and its memory and disk usage."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.settings import Settings

COIN = Path(sys.executable).with_name("coin")
SLOW_STRATEGY = Path(__file__).with_name("slow_strategy.py")
START_S, STOP_S = 240, 60
STARTED_MARK = "Press Ctrl-C to stop"


class PlatformNotStarted(Exception):
    """The platform did not start."""


@dataclass(frozen=True)
class Platform:
    """A running platform."""

    root: Path
    port: int
    launcher: str
    healthy_s: float = 0.0
    """Seconds from the start of its process until it served requests."""

    def memory_mib(self) -> float:
        """Return the memory of all its processes, counting shared pages once (PSS)."""
        return sum(map(pss_kib, self.processes())) / 1024

    def disk_mib(self, folder: str = "") -> float:
        """Return the disk usage of DATA_ROOT, or of a folder in it."""
        files = (Path(path, name) for path, _, names in os.walk(self.root / folder) for name in names)
        return sum(map(_disk_bytes, files)) / 2**20

    def processes(self) -> list[int]:
        """Return its process IDs: those with its DATA_ROOT in the environment, its database, and their children."""
        marks = f"DATA_ROOT={self.root}\0".encode(), f"{self.root}/postgres".encode()
        return with_descendants(pid for pid in _all_processes() if any(mark in _identity(pid) for mark in marks))


def environment(root: Path, **settings: str) -> dict[str, str]:
    """Return the variables of a process under test: those of this one, with the given settings and no others."""
    names = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    return {**inherited, "DATA_ROOT": str(root), **settings}


@contextmanager
def run_platform(root: Path, launcher: str) -> Iterator[Platform]:
    """Store a year of daily candles, start the platform, and always stop it on exit.

    Args:
        root: DATA_ROOT.
        launcher: Launcher of runs.

    Raises:
        PlatformNotStarted: The platform does not start.
    """
    daily = parse_timeframe("1d")
    CandleCatalog(root).merge("AAA_KRW", daily, synthetic_candles(1, daily, date(2023, 1, 1), 365))
    api, ui = free_ports()
    command = [str(COIN), "up", "--api-port", str(api), "--ui-port", str(ui), "--strategy-file", str(SLOW_STRATEGY)]
    log, began = root / "up.log", time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            env=environment(root, COIN_LAUNCHER=launcher),
            cwd=root,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches only the benchmark, which then stops the platform gracefully
        )
    platform = Platform(root, api, launcher)
    try:
        _wait_until_up(process, log)
        yield replace(platform, healthy_s=time.monotonic() - began)
    finally:
        process.send_signal(signal.SIGINT)
        _wait_until_gone(process, platform)


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while STARTED_MARK not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise PlatformNotStarted(log.read_text())
        time.sleep(0.02)


def _wait_until_gone(process: subprocess.Popen[bytes], platform: Platform) -> None:
    """Wait for the programs and the database to exit; kill and report the processes that remain."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    deadline = time.monotonic() + STOP_S
    while (remaining := platform.processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in remaining:
        print(f"still running, killed: {pid} {command_line(pid)}", file=sys.stderr)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def free_ports() -> list[int]:
    """Return two ports that were free a moment ago."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in (first, second)]


def _all_processes() -> Iterator[int]:
    return (int(process.name) for process in Path("/proc").glob("[0-9]*"))


def with_descendants(pids: Iterable[int]) -> list[int]:
    """Return processes and all their descendants."""
    own, parents = {*pids}, {pid: parent_of(Path(f"/proc/{pid}")) for pid in _all_processes()}
    while children := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= children
    return sorted(own)


def parent_of(process: Path) -> int:
    """Return the parent of a process, given its folder in /proc; 0 if it has ended."""
    try:
        # The program name is in parentheses and may contain anything; the state and the parent follow it.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # the process ended in the meantime


def _identity(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + command_line(pid).encode()
    except OSError:
        return b""


def command_line(pid: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def process_name(pid: int) -> str:
    """Return the name of a process, which programs of the platform set; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except OSError:
        return ""


def pss_kib(pid: int) -> int:
    """Return the memory of a process, KiB, of shared pages its part; 0 if it has ended."""
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
