"""Files as the legacy platform leaves them: results of every shape, their index, candles and a .env with Redis."""

import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from coin_pipeline.candles.frames import to_frame
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe

SIGNAL = {
    "symbol": "BTC_KRW",
    "type": "buy",
    "timestamp": "2024-03-04T00:00:00+00:00Z",
    "entry_price": 51000000.0,
    "exit_price": 51510000.0,
    "return_pct": 0.01,
}
FIGURES = {"symbol": "BTC_KRW", "win_rate": 1.0, "avg_return": 1.0, "max_drawdown": 0.0, "avg_hold_bars": 1.0}
BASE: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "params": {"volume_window": 10},
    "start_date": "2024-01-01",
    "end_date": "2024-12-31",
    "timeframe": "1d",
    "total_signals": 1,
    "execution_time": 0.25,
}
METADATA = {"execution_date": "2025-11-04T10:30:45Z", "environment": "production", "execution_host": "old-host"}
CURVE = [{"timestamp": "2024-03-04T00:00:00+00:00Z", "equity": 1.01, "drawdown": None}]
RESULTS: dict[str, dict[str, Any]] = {
    "early_integer_signals": {**BASE, "total_signals": 7, "symbols": [{**FIGURES, "signals": 7}]},
    "late_signal_lists": {**BASE, "symbols": [{**FIGURES, "signals": [SIGNAL]}]},
    "20251104_103045_1a2b": {
        **BASE,
        "version": "1.1.0",
        "metadata": METADATA,
        "description": "한국어 설명",
        "symbols": [{**FIGURES, "signals": [SIGNAL]}],
    },
    "3f2b7c1e-0000-4000-8000-00000000c0de": {
        **BASE,
        "version": "1.1.0",
        "metadata": METADATA,
        "description": None,
        "symbols": [{**FIGURES, "signals": [SIGNAL], "is_active": True, "performance_curve": CURVE}],
    },
}
"""By run id: early 1.0, late 1.0, 1.1.0, and 1.1.0 with a performance curve."""
TASK_ID = "7d0c2f6e-0000-4000-8000-0000000a57c0"
DOTENV = """REDIS_HOST=localhost
REDIS_PORT=6379
REDIS_DB=0
ENVIRONMENT=production
TASK_RESULT_TTL_DAYS=7
"""


class FileState(NamedTuple):
    """State of a file that the migration must preserve."""

    content: str
    modified_ns: int
    inode: int
    mode: int


def write_legacy_platform(home: Path) -> Path:
    """Write `.env` and `data/` of the legacy platform to `home`; return the path of `data/`."""
    root = home / "data"
    (root / "results").mkdir(parents=True)
    (home / ".env").write_text(DOTENV)
    (home / ".env").chmod(0o600)
    for run_id, document in RESULTS.items():
        text = json.dumps({"run_id": run_id, **document}, ensure_ascii=False, indent=2)  # the legacy platform indents
        (root / f"results/{run_id}.json").write_text(text)
    listed = [
        {"run_id": run_id, "timestamp": "2025-11-04T10:30:45", **document} for run_id, document in RESULTS.items()
    ]
    (root / "results/index.json").write_text(json.dumps(listed, indent=2))
    _write_task(root)
    _write_candles(root)
    return root


def snapshot_files(home: Path) -> dict[str, FileState]:
    """Return the state of each file under `home`, by relative path, but for those of the database server.

    The server changes its files while they are listed; the legacy platform has none.
    """
    paths = []
    for folder, folders, names in os.walk(home):
        folders[:] = [name for name in folders if name != "postgres"]
        paths += [path for name in names if (path := Path(folder, name)).is_file()]  # not a socket
    states = {}
    for path in sorted(paths):
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name = path.relative_to(home).as_posix()
        states[name] = FileState(digest, status.st_mtime_ns, status.st_ino, status.st_mode)
    return states


def _write_task(root: Path) -> None:
    folder = root / "tasks" / TASK_ID
    folder.mkdir(parents=True)
    document = {"run_id": TASK_ID, **RESULTS["20251104_103045_1a2b"], "timestamp": "2025-11-04T10:30:45+00:00Z"}
    data = json.dumps(document, indent=2).encode()
    (folder / "result.json").write_bytes(data)
    file = {"name": "result.json", "path": "result.json", "size_bytes": len(data)}
    checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
    manifest = {
        "task_id": TASK_ID,
        "status": "completed",
        "result_files": [{**file, "checksum": checksum}],
        "metadata": {"finished_at": "2025-11-04T10:30:46+00:00Z"},  # old enough to expire
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def _write_candles(root: Path) -> None:
    """Write year files of the legacy format: naive Seoul time, split by UTC year, with market and timeframe columns."""
    frame = to_frame(synthetic_candles(7, parse_timeframe("1d"), date(2023, 1, 1), 731))
    for year, part in frame.groupby(frame["timestamp"].dt.year):
        local = part["timestamp"].dt.tz_convert("Asia/Seoul").dt.tz_localize(None)
        (root / "BTC_KRW/1D").mkdir(parents=True, exist_ok=True)
        legacy = part.assign(timestamp=local, symbol="KRW-BTC", timeframe="1D")
        legacy.to_parquet(root / f"BTC_KRW/1D/{year}.parquet", index=False)
