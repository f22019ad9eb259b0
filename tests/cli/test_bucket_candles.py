"""Commands with COIN_CANDLES=s3: candles are read from the bucket and written to it, and not under DATA_ROOT."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.cli.app import coin
from coin_pipeline.errors import InvalidSettings
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.sweeps.trials import decode_trials, trials_digest
from tests.conftest import store_candles
from tests.forking import run_coin
from tests.upbit_server import Clock, UpbitServer, market_candles, serving

if TYPE_CHECKING:
    from pathlib import Path

    from coin_pipeline.storage.base import ObjectStore
    from coin_pipeline.storage.s3 import S3Store
    from tests.s3 import S3Server

FILES = [f"candles/{symbol}/1D/{year}.parquet" for symbol in ("AAA_KRW", "BBB_KRW") for year in (2023, 2024)]
RANGE = ("--start", "2024-01-01", "--end", "2024-12-31")
SWEEP = ("sweep", "volume_zone_breakout", "AAA_KRW", *RANGE, "--grid", "volume_window=5:15:5")


def invoke(*arguments: str) -> Result:
    """Run a command in this process; a CoinError propagates."""
    return CliRunner().invoke(coin, arguments, catch_exceptions=False)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DATA_ROOT."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("DATA_ROOT", str(folder))
    return folder


@pytest.fixture
def bucket(s3_server: S3Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """An empty bucket for candles and results."""
    assert root.is_dir()
    store = s3_server.store(f"candles-{uuid.uuid4().hex[:8]}")
    for name, value in {**s3_server.environment(store.bucket), "COIN_CANDLES": "s3"}.items():
        monkeypatch.setenv(name, value)
    return store


def trials_in(store: ObjectStore) -> dict[str, str]:
    """Return the digest of the trials of each stored chunk."""
    return {key: trials_digest(decode_trials(store.get(key))) for key in store.keys("sweeps/chunks")}


def test_imported_candles_are_listed_checked_and_exported(bucket: S3Store, root: Path, tmp_path: Path) -> None:
    """The exported file is the imported one; DATA_ROOT has copies only."""
    source, copy = tmp_path / "source.csv", tmp_path / "copy.csv"
    local = store_candles(tmp_path / "local")
    assert local.symbols()
    done = CliRunner(env={"DATA_ROOT": str(local.root), "COIN_CANDLES": "local"}).invoke(
        coin, ["candles", "export", "AAA_KRW", str(source), "--timeframe", "1d"], catch_exceptions=False
    )
    assert done.exit_code == 0
    invoke("candles", "import", str(source), "--symbol", "AAA_KRW", "--timeframe", "1d")
    assert sorted(bucket.keys()) == FILES[:2]
    assert "AAA_KRW" in invoke("candles", "list").output
    assert invoke("candles", "check", "AAA_KRW").exit_code == 0
    invoke("candles", "export", "AAA_KRW", str(copy), "--timeframe", "1d")
    assert copy.read_bytes() == source.read_bytes()
    assert [path.name for path in root.iterdir()] == ["cache"]


def test_fetched_candles_are_in_the_bucket(bucket: S3Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second fetch resumes after the first, from the provenance in the bucket."""
    candles = {("KRW-BTC", "days"): market_candles(1, "1d", date(2023, 12, 20), 25)}
    get = ("candles", "get", "BTC_KRW", "--timeframe", "1d")
    with serving(UpbitServer(candles, Clock(datetime(2024, 1, 5, 9, 30, tzinfo=UTC)))) as server:
        monkeypatch.setenv("COIN_UPBIT_URL", server.url)
        invoke(*get, "--from", "2024-01-01")
        server.clock.sleep(2 * 86_400)
        assert "BTC_KRW 1d: 2 added" in invoke(*get).output
    assert list(bucket.keys()) == ["candles/BTC_KRW/1D/2024.parquet"]
    assert not (root / "BTC_KRW").exists()


def test_an_upload_copies_what_the_bucket_lacks(bucket: S3Store, root: Path) -> None:
    """Repeated, it copies nothing; a file that differs is kept in the bucket, and named."""
    local = store_candles(root)
    assert invoke("candles", "upload").output.endswith("the bucket has all candles\n")
    assert sorted(bucket.keys()) == FILES
    daily = parse_timeframe("1d")
    candles = local.load("AAA_KRW", daily, date(2024, 1, 1), date(2024, 1, 9)).candles
    local.merge("AAA_KRW", daily, candles._replace(volume=candles.volume + 1))
    before = bucket.get(FILES[1])
    again = invoke("candles", "upload")
    assert again.exit_code == 1
    assert "AAA_KRW/1D/2024.parquet: differs from the file in the bucket, which was kept" in again.output
    assert bucket.get(FILES[1]) == before


@pytest.mark.usefixtures("root")
def test_candles_in_a_bucket_need_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting."""
    monkeypatch.setenv("COIN_CANDLES", "s3")
    with pytest.raises(InvalidSettings, match=r"AWS_BUCKET_NAME: names no bucket, which candles in a bucket need"):
        invoke("candles", "list")


def test_a_sweep_needs_no_shared_disk(bucket: S3Store, root: Path, tmp_path: Path) -> None:
    """A machine with an empty DATA_ROOT finds the candles once they are in the bucket; its trials are the same."""
    missing = run_coin(*SWEEP)
    assert missing.returncode != 0
    assert "nothing stored; fetch with 'coin candles get AAA_KRW --timeframe 1d" in missing.stderr
    here = store_candles(tmp_path / "here").root
    environment = {**os.environ, "DATA_ROOT": str(here)}
    assert run_coin("candles", "upload", environment=environment).returncode == 0
    done = run_coin(*SWEEP)
    assert done.returncode == 0, done.stderr
    assert not CandleCatalog(root).symbols()
    local = {name: value for name, value in environment.items() if name not in ("AWS_BUCKET_NAME", "COIN_CANDLES")}
    assert run_coin(*SWEEP, environment=local).returncode == 0
    assert trials_in(bucket) == trials_in(LocalStore(here))
    assert trials_in(bucket)
