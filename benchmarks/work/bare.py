"""Plain Dagster with the packages of a backtest, without the platform: the peer of its command and of its start."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

from benchmarks.api.platform import free_ports, pss_kib, with_descendants
from benchmarks.work.commands import ROOT, CommandFailed, Figures, measured

JOB = Path(__file__).with_name("bare_dagster.py")
START_S, STOP_S, POLL_S = 120.0, 30.0, 0.02
_QUERY = json.dumps({"query": "{ repositoriesOrError { __typename } }"}).encode()


def bare_backtest(rounds: int) -> Figures:
    """Run `bare_dagster` once to set up, then several times; return the medians as ``bare_...``."""
    with tempfile.TemporaryDirectory(prefix="bench-bare-") as home:
        command = [sys.executable, "-m", "benchmarks.work.bare_dagster"]
        _, *usages = [measured(command, {**os.environ, "DAGSTER_HOME": home})[0] for _ in range(rounds + 1)]
    return {f"bare_{figure}": median(usage[figure] for usage in usages) for figure in usages[0]}


def bare_platform(idle_s: float) -> Figures:
    """Start ``dagster dev`` with the job of `bare_dagster`, the second time on the same folder.

    Args:
        idle_s: Seconds that it idles before its memory is measured.

    Returns:
        Seconds until the UI has loaded the job, and the memory (PSS) of all its processes, as ``bare_...``.
    """
    with tempfile.TemporaryDirectory(prefix="bench-bare-") as home:
        _serve(home, 0.0)
        return _serve(home, idle_s)


def _serve(home: str, idle_s: float) -> Figures:
    port, began = free_ports()[0], time.monotonic()
    with (Path(home) / "dev.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [Path(sys.executable).with_name("dagster"), "dev", "-f", str(JOB), "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "DAGSTER_HOME": home},
            stdout=log,
            stderr=log,
        )
    try:
        while not _has_loaded(port):
            if process.poll() is not None or time.monotonic() - began > START_S:
                raise CommandFailed(f"dagster dev did not start within {START_S:g} s")
            time.sleep(POLL_S)
        healthy_s = time.monotonic() - began
        time.sleep(idle_s)
        return {
            "bare_healthy_s": healthy_s,
            "bare_idle_pss_mib": sum(map(pss_kib, with_descendants([process.pid]))) / 1024,
        }
    finally:
        family = with_descendants([process.pid])
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            for pid in family:
                os.kill(pid, signal.SIGKILL)
            process.wait()


def _has_loaded(port: int) -> bool:
    """Return whether the UI answers with the loaded code location."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", _QUERY, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=START_S) as response:  # noqa: S310
            data = json.load(response)["data"]
    except OSError:
        return False
    return bool(data["repositoriesOrError"]["__typename"] == "RepositoryConnection")
