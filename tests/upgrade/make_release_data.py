"""Make the data of a release with its own code: `python tests/upgrade/make_release_data.py COMMIT VERSION`.

Writes `VERSION.tar.xz` next to this file: `data`, a DATA_ROOT after two backtests and a sweep over HTTP;
`database.sql`, a dump of its database; `answers.json`, what the API of the release returned. The release must run with
the packages of this environment. Its code is taken from the repository's history.
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

REPOSITORY = Path(__file__).resolve().parents[2]
PORTS = 18_765, 18_766
BACKTEST = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW"],
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
}
SWEEP = {**BACKTEST, "space": {"volume_window": [10, 20]}}
CANDLES = """
from datetime import date
from pathlib import Path
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
daily = parse_timeframe("1d")
CandleCatalog(Path({root!r})).merge("AAA_KRW", daily, synthetic_candles(1, daily, date(2023, 1, 1), 731))
"""
DUMP = """
import subprocess, sys
from pathlib import Path
from coin_pipeline.database.embedded.server import EmbeddedPostgres
from coin_pipeline.database.embedded.programs import packaged_programs
with EmbeddedPostgres(Path(sys.argv[1])).lease() as lease:
    command = [packaged_programs() / "pg_dump", "--no-owner", "--no-privileges", "--file", sys.argv[2], lease.url]
    subprocess.run(command, check=True)
"""
SERVE = "from coin_pipeline.cli.app import main; main()"
START_S, TASK_S, POLL_S = 180, 180, 0.2


def main() -> None:
    """Check out the release, let it work, and pack what it leaves."""
    commit, version = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        code, made = Path(folder, "code"), Path(folder, "made")
        root = made / "data"
        for path in (code, root):
            path.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)  # noqa: S607
        subprocess.run(["tar", "-x"], cwd=code, input=archive.stdout, check=True)  # noqa: S607
        environment = {**os.environ, "PYTHONPATH": str(code), "DATA_ROOT": str(root)}
        run("from coin_pipeline.strategies import precompile; precompile.compile_kernels()", environment, root)
        run(CANDLES.format(root=str(root)), environment, root)
        answers = work(environment, root)
        (made / "answers.json").write_text(json.dumps(answers, indent=1))
        dump = [str(root / "postgres"), str(made / "database.sql")]
        run(DUMP, {**environment, "PYTHONPATH": str(REPOSITORY)}, root, *dump)
        with tarfile.open(Path(__file__).with_name(f"{version}.tar.xz"), "w:xz") as target:
            target.add(made, ".", filter=kept)


def work(environment: dict[str, str], root: Path) -> dict[str, Any]:
    """Run backtests and a sweep on the release; return what its API answers about them."""
    ports = ["--api-port", str(PORTS[0]), "--ui-port", str(PORTS[1])]
    server = subprocess.Popen([sys.executable, "-P", "-c", SERVE, "up", *ports], env=environment, cwd=root)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{PORTS[0]}", timeout=60) as api:
            wait(lambda: is_healthy(api), START_S)
            sync = api.post("/api/backtests/run", json=BACKTEST).raise_for_status().json()["run_id"]
            task = api.post("/api/backtests/run-async", json=BACKTEST).raise_for_status().json()["task_id"]
            sweep = api.post("/api/sweeps", json=SWEEP).raise_for_status().json()["task_id"]
            wait(lambda: api.get(f"/api/backtests/status/{task}").json()["status"] == "completed", TASK_S)
            wait(lambda: api.get(f"/api/sweeps/{sweep}").json()["status"] == "completed", TASK_S)
            return {
                "results": {run_id: api.get(f"/api/backtests/{run_id}").json() for run_id in (sync, task)},
                "history": [item["run_id"] for item in api.get("/api/backtests/history").json()["items"]],
                "task": task,
                "sweep": sweep,
            }
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def is_healthy(api: httpx2.Client) -> bool:
    """Return whether the platform answers and is healthy."""
    try:
        return api.get("/health").status_code == 200
    except httpx2.TransportError:
        return False


def wait(condition: Any, seconds: float) -> None:  # noqa: ANN401 -- a script, without the types of the tests
    """Poll a condition until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not true within {seconds} s: {condition}")
        time.sleep(POLL_S)


def run(program: str, environment: dict[str, str], folder: Path, *arguments: str) -> None:
    """Run a program with the code of the release."""
    subprocess.run([sys.executable, "-P", "-c", program, *arguments], env=environment, cwd=folder, check=True)


def kept(item: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out the server's files, logs, sockets and caches; forget who made the rest."""
    parts = Path(item.name).parts
    if {"postgres", "logs"} & set(parts) or item.name.endswith((".lock", ".sock")):
        return None
    item.uid = item.gid = 0
    item.uname = item.gname = ""
    return item


if __name__ == "__main__":
    main()
