"""Runs whose process is gone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg

from coin_pipeline.defs import alive
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.sensors import SILENCE_S, lost_runs
from coin_pipeline.market.catalog import CandleCatalog
from tests.builders import SLOW

COIN = Path(sys.executable).with_name("coin")


def look(instance: dg.DagsterInstance, cursor: str | None = None) -> str | None:
    """Let the sensor look once; return its cursor."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        lost_runs(context)
        return context.cursor


def under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that are recorded as under way."""
    return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))


def test_a_killed_run_ends_and_a_living_one_is_left_alone(
    instance: dg.DagsterInstance, candles: CandleCatalog, tmp_path: Path
) -> None:
    """While its process lives a run goes on, however long; once that is killed, the next look ends it."""
    assert candles
    strategy = tmp_path / "slow.py"
    strategy.write_text(SLOW)
    days = ("--start", "2024-01-01", "--end", "2024-12-31")
    process = subprocess.Popen([COIN, "backtest", "slow", "AAA_KRW", *days, "--strategy-file", str(strategy)])
    try:
        deadline = time.monotonic() + 30
        while not any((candles.root / "dagster/alive").glob("*")) or not under_way(instance):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (run,) = under_way(instance)
        look(instance)
        assert [r.run_id for r in under_way(instance)] == [run.run_id]
    finally:
        process.kill()
        process.wait()
    look(instance)
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE
    assert not (candles.root / "dagster/alive" / run.run_id).exists()


def test_a_run_without_a_sign_is_given_a_while(instance: dg.DagsterInstance) -> None:
    """Killed before its first op, it is ended once it has been silent for long enough, not before."""
    run = instance.create_run_for_job(build_defs().resolve_job_def("backtest"), status=dg.DagsterRunStatus.STARTED)
    cursor = look(instance)
    assert run.run_id in json.loads(cursor or "")
    assert [r.run_id for r in under_way(instance)] == [run.run_id]
    look(instance, json.dumps({run.run_id: time.time() - SILENCE_S - 1}))
    assert under_way(instance) == []


def test_a_finished_run_leaves_no_sign(instance: dg.DagsterInstance, candles: CandleCatalog) -> None:
    """Its file goes with its last op; the lock stays with this process."""
    config = {"strategy": "volume_long_candle", "symbols": ["AAA_KRW"], "start_date": "2024-01-01"}
    done = (
        build_defs()
        .resolve_job_def("backtest")
        .execute_in_process(
            run_config={"ops": {"load_candles": {"config": {**config, "end_date": "2024-12-31"}}}}, instance=instance
        )
    )
    assert done.success
    assert not (candles.root / "dagster/alive" / done.run_id).exists()


def test_the_processes_of_a_run_share_its_sign(tmp_path: Path) -> None:
    """The last of them removes it; one that opened it just before that takes a new one."""
    path = tmp_path / "run"
    first, second = alive._hold(path), alive._hold(path)
    assert alive._others_hold(first)
    os.close(second)
    assert not alive._others_hold(first)
    path.unlink()
    third = alive._hold(path)
    assert path.exists()
    for descriptor in (first, third):
        os.close(descriptor)
