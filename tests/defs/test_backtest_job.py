"""The backtest job, run by Dagster on a real instance."""

import base64
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import coin_pipeline as cp
from coin_pipeline.backtest.labels import FIGURES, format_figure
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.runner import BacktestResult
from coin_pipeline.backtest.spec import BacktestSpec, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.stored_series import LoadedCandles
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.cli.views.backtest import SUMMARY_ROWS, summary_lines
from coin_pipeline.defs.backtests.config import backtest_config_of
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.failure_manifest import write_failure_manifest
from coin_pipeline.defs.io_managers import InterimIOManager, ResultIOManager
from coin_pipeline.defs.run_requests import backtest_submission, subject_tags
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import ResultNotFound, StorageFull, StorageUnavailable
from coin_pipeline.orchestration.failures import PROCESS_DIED, failure_from_events
from coin_pipeline.orchestration.heartbeat import RunHeartbeat
from coin_pipeline.report.stored import read_report
from coin_pipeline.results.index import ResultIndex
from coin_pipeline.results.index_entry import build_entry, version_of
from coin_pipeline.results.publish import backtest_files
from coin_pipeline.results.store import load_result, stored_document, stored_documents
from coin_pipeline.results.tables import open_table
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies import Bars, Strategy, StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry, load_registry
from tests.candle_data import drop_rows
from tests.defs.conftest import answer
from tests.small_disk import small_disk

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DAILY = parse_timeframe("1d")
CONFIG: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW", "BBB_KRW"],
    "start_date": "2023-06-01",
    "end_date": "2024-12-31",
}


def run(instance: dg.DagsterInstance, defs: dg.Definitions | None = None, **fields: object) -> Any:  # noqa: ANN401
    """Run the job with these fields replaced; return Dagster's result."""
    return (
        (defs or build_defs())
        .resolve_job_def("backtest")
        .execute_in_process(
            run_config={"ops": {"load_candles": {"config": {**CONFIG, **fields}}}},
            instance=instance,
            raise_on_error=False,
        )
    )


@pytest.fixture
def finished(instance: dg.DagsterInstance, candles: CandleCatalog) -> Any:  # noqa: ANN401 -- Dagster's result
    """A finished run of two symbols."""
    assert candles
    return run(instance)


def test_a_run_publishes_a_task(finished: Any, data_root: Path) -> None:  # noqa: ANN401
    """The document has schema 1.2.0 and the contract's keys, and the manifest lists every file."""
    assert finished.success
    folder = data_root / "tasks" / finished.run_id
    document = json.loads((folder / "result.json").read_bytes())
    assert document["version"] == "1.2.0"
    assert document["run_id"] == finished.run_id
    assert [part["symbol"] for part in document["symbols"]] == ["AAA_KRW", "BBB_KRW"]
    assert document["total_signals"] == sum(len(part["signals"]) for part in document["symbols"])
    assert document["metadata"]["environment"] == "test"
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["status"] == "completed"
    tables = {"signals.parquet", "trades.parquet", "equity.parquet"}
    assert {file["name"] for file in manifest["result_files"]} == {*tables, "result.json"}
    assert manifest["summary"]["symbols_processed"] == 2
    equity = pq.read_table(folder / "equity.parquet")
    assert equity.column_names == ["symbol", "timestamp", "equity", "drawdown", "buy_and_hold"]
    assert len(equity) == 2 * ((date(2024, 12, 31) - date(2023, 6, 1)).days + 1)


def test_a_run_has_its_entry_once_it_has_succeeded(
    finished: Any,  # noqa: ANN401 -- Dagster's result
    own_index: ResultIndex,
    data_root: Path,
) -> None:
    """The entry describes the stored document, and a rebuild has nothing to do."""
    store = LocalStore(data_root)
    document, stored = load_result(store, finished.run_id), stored_document(store, finished.run_id)
    assert next(own_index.latest()) == build_entry(document, stored)
    assert own_index.versions()[finished.run_id] == version_of(stored)


def test_the_index_describes_the_result_of_an_earlier_attempt(
    instance: dg.DagsterInstance, candles: CandleCatalog, own_index: ResultIndex, data_root: Path
) -> None:
    """The stored document stays, so the entry has its time and not that of the later attempt."""
    assert candles
    store, run_id = LocalStore(data_root), run(instance, shelf="results").run_id
    document = load_result(store, run_id)
    entry = build_entry(document, stored_document(store, run_id))
    own_index.remove("results", [run_id])
    later = {**document, "metadata": {**document["metadata"], "execution_date": "2100-01-01T00:00:00Z"}}
    now = datetime.now(UTC)
    again = BacktestResult(BacktestSpec.model_validate(document["spec"]), "results", later, {}, (now, now))
    ResultIOManager(store, RunHeartbeat(index=own_index)).handle_output(
        dg.build_output_context(), backtest_files(again)
    )
    assert next(own_index.latest()) == entry


def output_metadata(result: Any) -> Any:  # noqa: ANN401 -- of Dagster
    """Return the metadata of the output of the last step."""
    return next(
        event.event_specific_data.metadata
        for event in result.all_events
        if event.step_key == "persist" and event.event_type_value == "STEP_OUTPUT"
    )


def test_the_run_page_begins_with_a_picture_the_report_and_figures(finished: Any, data_root: Path) -> None:  # noqa: ANN401
    """The last step's output carries the equity as an SVG, figures as the terminal has them, and the symbols."""
    shown = output_metadata(finished)
    metrics = load_result(LocalStore(data_root), finished.run_id)["metrics"]
    assert list(shown)[:3] == ["equity", "report", "Total return"]
    assert shown["report"].value == f"http://127.0.0.1:8000/reports/{finished.run_id}"
    assert shown["Total return"].value == format_figure("total_return", metrics["total_return"])
    assert [record.data["Symbol"] for record in shown["symbols"].records] == ["AAA_KRW", "BBB_KRW"]
    picture = shown["equity"].value
    svg = base64.b64decode(picture.split("base64,")[1].rstrip(")")).decode()
    assert svg.startswith("<svg")
    assert len(picture) < 60_000


def test_figures_are_the_same_wherever_they_are_shown(
    finished: Any,  # noqa: ANN401 -- Dagster's result
    candles: CandleCatalog,
    data_root: Path,
) -> None:
    """The terminal, Dagster and the report have the values of the API under the same labels and in the same units."""
    store = LocalStore(data_root)
    document = load_result(store, finished.run_id)
    terminal = " ".join(" ".join(summary_lines(document)).split())
    report = " ".join(re.sub(r"<[^>]*>", " ", read_report(store, candles, finished.run_id).html).split())
    dagster = output_metadata(finished)
    for name in (name for row in SUMMARY_ROWS for name in row):
        label, value = FIGURES[name].label, format_figure(name, document["metrics"][name])
        assert f"{label} {value}" in terminal
        assert dagster[label].value == value
        assert re.search(rf"{label} \W*{re.escape(value.replace(' ', ''))}", report.replace(" %", "%")), label


def test_a_run_has_tags_to_filter_by(finished: Any, instance: dg.DagsterInstance, data_root: Path) -> None:  # noqa: ANN401
    """Also one from the Launchpad; the return is in whole percent."""
    total_return = load_result(LocalStore(data_root), finished.run_id)["metrics"]["total_return"]
    run = instance.get_run_by_id(finished.run_id)
    assert run
    assert {name: value for name, value in run.tags.items() if name.startswith("coin/")} == {
        "coin/strategy": "volume_zone_breakout",
        "coin/symbols": "AAA_KRW, BBB_KRW",
        "coin/timeframe": "1d",
        "coin/return": f"{100 * total_return:+.0f} %",
    }


def test_a_tag_lists_a_few_symbols() -> None:
    """Of 500, the first three."""
    tags = subject_tags("s", [f"S{number}_KRW" for number in range(500)], "1d")
    assert tags["coin/symbols"] == "S0_KRW, S1_KRW, S2_KRW and 497 more"


def test_a_run_leaves_only_events_that_are_read(finished: Any, instance: dg.DagsterInstance) -> None:  # noqa: ANN401
    """What an IO manager did is not stored: where the result is, is part of the output."""
    events = [entry.dagster_event for entry in instance.all_logs(finished.run_id) if entry.dagster_event]
    assert not any(event.is_handled_output for event in events)
    (published,) = [event for event in events if event.is_successful_output and event.step_key == "persist"]
    assert published.step_output_data.metadata["result"].value == f"tasks/{finished.run_id}/result.json"


def test_op_outputs_are_removed_after_success(finished: Any, data_root: Path) -> None:  # noqa: ANN401
    """A finished run leaves nothing under runs/."""
    assert list(LocalStore(data_root).keys(f"runs/{finished.run_id}")) == []


def test_the_same_spec_gives_the_same_figures(
    finished: Any,  # noqa: ANN401 -- Dagster's result
    instance: dg.DagsterInstance,
    data_root: Path,
) -> None:
    """Two runs of one spec differ only in IDs and times."""
    again = run(instance)
    first, second = (
        json.loads((data_root / "tasks" / run_id / "result.json").read_bytes())
        for run_id in (finished.run_id, again.run_id)
    )
    for document in (first, second):
        for part in document["symbols"]:
            del part["execution_time"]
        for table in document["tables"].values():
            del table["href"]
        for key in ("run_id", "execution_time", "metadata"):
            del document[key]
    assert first == second


def test_the_results_area_holds_one_document(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """A synchronous run is stored in results/, its tables in a folder next to it; no report is built."""
    assert candles
    done = run(instance, shelf="results")
    assert (data_root / f"results/{done.run_id}.json").is_file()
    assert not (data_root / f"reports/{done.run_id}.html").exists()
    tables = sorted(path.name for path in (data_root / f"results/{done.run_id}").iterdir())
    assert tables == ["equity.parquet", "signals.parquet", "trades.parquet"]
    assert not (data_root / f"tasks/{done.run_id}").exists()


def test_missing_candles_fail_the_run_with_the_sentence_and_a_manifest(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """The error names the symbol and its stored range; the manifest has the same message, without retries."""
    assert candles
    failed = run(instance, symbols=["AAA_KRW", "NONE_KRW"])
    message, kind = failure_from_events(failed.all_events)
    assert not failed.success
    command = "coin candles get NONE_KRW --timeframe 1d --from 2023-06-01"
    stored = f"nothing stored; fetch with '{command}'"
    assert message == f"no 1d candles from 2023-06-01 to 2024-12-31 for NONE_KRW ({stored})"
    assert kind == "CandlesNotFound"
    answer(instance)
    manifest = json.loads((data_root / "tasks" / failed.run_id / "manifest.json").read_bytes())
    assert (manifest["status"], manifest["result_files"]) == ("failed", [])
    assert manifest["error"] == {"occurred": True, "message": message}
    assert "STEP_UP_FOR_RETRY" not in {event.event_type_value for event in failed.all_events}


def store_with_a_hole(candles: CandleCatalog) -> None:
    """Store the days of 2023 of HOLE_KRW, every fifth of them missing."""
    daily = parse_timeframe("1d")
    stored = drop_rows(synthetic_candles(3, daily, date(2023, 1, 1), 365), range(2, 365, 5))
    candles.merge("HOLE_KRW", daily, stored)


def test_insufficient_coverage_fails_the_run_unless_min_coverage_allows_it(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """Gaps within the range fail the run; with a lower min_coverage it runs, and the tag records the value."""
    store_with_a_hole(candles)
    asked = {"symbols": ["AAA_KRW", "HOLE_KRW"], "start_date": "2023-01-01", "end_date": "2023-12-31"}
    message, kind = failure_from_events(run(instance, **asked).all_events)
    assert kind == "InsufficientCoverage"
    assert message
    assert "HOLE_KRW (365 candles expected, 292 present, 73 not fetched, the first of these from 2023-01-03" in message
    assert "AAA_KRW (" not in message
    spec = resolve(parse_request({**CONFIG, **asked, "min_coverage": 0.8}), load_registry())
    done = (
        build_defs()
        .resolve_job_def("backtest")
        .execute_in_process(run_config=backtest_submission(spec, "tasks").config, instance=instance)
    )
    document = load_result(LocalStore(data_root), done.run_id)
    verdicts = {part["symbol"]: part["candles"]["verdict"] for part in document["symbols"]}
    assert verdicts == {"AAA_KRW": "complete", "HOLE_KRW": "insufficient"}


def test_invalid_launchpad_config_is_reported_by_field(instance: dg.DagsterInstance) -> None:
    """The run reports invalid values, field by field, that Dagster's schema accepts."""
    message, kind = failure_from_events(run(instance, start_date="2024-13-01", symbols=["../x"]).all_events)
    assert kind == "InvalidSpec"
    assert "start_date" in message
    assert "'../x' is not a market" in message


class Peeking(Strategy[StrategyParams]):
    """Buys before every rise by reading the next bar."""

    name = "peeking"
    Params = StrategyParams

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Look one bar ahead."""
        assert params
        rises = [*(bars.close[1:] > bars.open[1:]).tolist(), False]
        return Signals(entries=rises, hold=1)  # type: ignore[arg-type]


def test_a_strategy_that_looks_ahead_fails_the_run(instance: dg.DagsterInstance, candles: CandleCatalog) -> None:
    """The run names the column and the bar, and publishes nothing."""
    assert candles
    defs = build_defs({"strategies": StrategyRegistry([Peeking()])})
    message, kind = failure_from_events(run(instance, defs, strategy="peeking", symbols=["AAA_KRW"]).all_events)
    assert kind == "LookAhead"
    assert "its entries at bar" in message


@pytest.mark.parametrize("shelf", ["tasks", "results"])
def test_a_year_of_minutes_completes(
    instance: dg.DagsterInstance, data_root: Path, shelf: Literal["tasks", "results"]
) -> None:
    """Its 250,000 signals and trades are in tables; the document is bounded and the run leaves nothing in runs/."""
    minute = parse_timeframe("1m")
    CandleCatalog(data_root).merge("MIN_KRW", minute, synthetic_candles(1, minute, date(2024, 1, 1), 366 * 1440))
    fields = {"symbols": ["MIN_KRW"], "timeframe": "1m", "start_date": "2024-01-01", "shelf": shelf}
    finished = run(instance, **fields)
    assert finished.success
    store = LocalStore(data_root)
    document = load_result(store, finished.run_id)
    with open_table(store, finished.run_id, "signals") as signals:
        assert signals.rows == document["total_signals"] > 200_000
    assert len(document["symbols"][0]["signals"]) == 10_000
    assert stored_document(store, finished.run_id).size < 8 * 2**20
    assert not (data_root / "runs" / finished.run_id).exists()


class FlakyStore(LocalStore):
    """A store that is unreachable for the first few calls."""

    failures = 1

    def put(self, key: str, data: "ReadableBuffer", **options: Any) -> None:  # noqa: ANN401
        """Fail while there are failures left."""
        if key.endswith(".json") and self.failures:
            self.failures -= 1
            raise StorageUnavailable("the bucket", "timed out")
        super().put(key, data, **options)


def test_a_transient_storage_error_is_retried(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """A transient error is retried, and the run succeeds."""
    assert candles
    done = run(instance, build_defs({"store": FlakyStore(data_root)}))
    assert done.success
    assert [e.step_key for e in done.all_events if e.event_type_value == "STEP_UP_FOR_RETRY"] == ["persist"]


class NoRoomToRemember(LocalStore):
    """A store that is full after the result."""

    def put(self, key: str, data: "ReadableBuffer", **options: Any) -> None:  # noqa: ANN401
        """Refuse the index of fingerprints."""
        if key.startswith("fingerprints/"):
            raise StorageFull(key, "No space left on device")
        super().put(key, data, **options)


def test_an_unrecorded_fingerprint_does_not_fail_the_run(
    instance: dg.DagsterInstance, candles: CandleCatalog, own_index: ResultIndex, data_root: Path
) -> None:
    """A fingerprint that cannot be recorded is only a warning in the log."""
    assert candles
    done = run(instance, build_defs({"store": NoRoomToRemember(data_root)}))
    assert done.success
    assert done.run_id in own_index.versions()
    logged = [entry.user_message for entry in instance.all_logs(done.run_id)]
    assert any("will be computed again: no space left to write fingerprints/" in message for message in logged)


class NoSpaceLeft(LocalStore):
    """A store on a full disk."""

    def free_bytes(self) -> int:
        """Return that nothing is free."""
        return 0


def test_a_result_beyond_the_limits_is_refused_before_it_is_computed(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """The number and the limit are in the message, and no symbol is simulated."""
    assert candles
    done = run(instance, build_defs({"store": NoSpaceLeft(data_root)}))
    message, kind = failure_from_events(done.all_events)
    assert kind == "ResultTooLarge"
    assert message.startswith("1,160 candles need at least 1 MiB of disk space, and the limit is 0 MiB (free space")
    assert {event.step_key for event in done.all_events if event.event_type_value == "STEP_START"} == {"load_candles"}


def test_a_disk_that_fills_up_while_tables_are_written_leaves_no_result(
    instance: dg.DagsterInstance, own_index: ResultIndex, data_root: Path, tmp_path: Path
) -> None:
    """The outputs of the ops fit the disk, and the tables do not."""
    minutes = parse_timeframe("1m")
    CandleCatalog(data_root).merge("MMM_KRW", minutes, synthetic_candles(1, minutes, date(2024, 1, 1), 30_000))
    no_signals = {"strategy": "volume_long_candle", "params": {"body_pct": 1.0}, "symbols": ["MMM_KRW"]}
    days = {"timeframe": "1m", "start_date": "2024-01-01", "end_date": "2024-01-20"}
    with small_disk(tmp_path, 1) as disk:
        store = LocalStore(disk)
        done = run(instance, build_defs({"store": store}), **no_signals, **days)
        assert failure_from_events(done.all_events)[1] == "StorageFull"
        assert [event.step_key for event in done.all_events if event.event_type_value == "STEP_FAILURE"] == ["persist"]
        assert list(stored_documents(store)) == []
        with pytest.raises(ResultNotFound):
            load_result(store, done.run_id)
    assert done.run_id not in own_index.versions()


def test_candles_that_change_between_ops_are_noticed(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """A run never mixes two versions of the candles."""
    assert candles

    class Changing(CandleCatalog):
        """A catalog whose candles change after the first read."""

        reads = 0

        def load(self, *args: Any) -> LoadedCandles:  # noqa: ANN401
            """Change the stored candles before the second read."""
            self.reads += 1
            if self.reads == 2:
                daily = parse_timeframe("1d")
                self.merge("CCC_KRW", daily, synthetic_candles(9, daily, date(2024, 1, 1), 366))
            return super().load(*args)

    daily = parse_timeframe("1d")
    CandleCatalog(data_root).merge("CCC_KRW", daily, synthetic_candles(3, daily, date(2024, 1, 1), 366))
    defs = build_defs({"candles": Changing(data_root)})
    message, kind = failure_from_events(run(instance, defs, symbols=["CCC_KRW"], start_date="2024-01-01").all_events)
    assert kind == "CandlesChanged"
    assert "CCC_KRW" in message


def test_interim_tables_and_models_come_back_in_their_types(tmp_path: Path) -> None:
    """Other types are rejected: nothing is ever pickled."""
    manager = InterimIOManager(LocalStore(tmp_path))
    context = dg.build_output_context(step_key="simulate[AAA_KRW]", name="result", run_id="r")
    manager.handle_output(context, pa.table({"a": [1]}))
    assert (tmp_path / "runs/r/simulate/AAA_KRW/result").is_file()
    with pytest.raises(TypeError, match="cannot store a set"):
        manager.handle_output(context, {1})


@pytest.mark.parametrize(("status", "shelf"), [("failed", "tasks"), ("cancelled", "tasks"), ("failed", "results")])
def test_a_run_that_ended_from_outside_gets_its_manifest(
    instance: dg.DagsterInstance, data_root: Path, status: Literal["failed", "cancelled"], shelf: str
) -> None:
    """A killed or cancelled task gets a manifest; a synchronous run has no task folder."""
    config = {"ops": {"load_candles": {"config": {**CONFIG, "shelf": shelf}}}}
    job = build_defs().resolve_job_def("backtest")
    lost = instance.create_run_for_job(job, run_config=config)
    for _ in range(2):  # the sensor may see a run that the hook has answered for
        write_failure_manifest(LocalStore(data_root), instance, lost, status, PROCESS_DIED)
    folder = data_root / "tasks" / lost.run_id
    assert folder.exists() == (shelf == "tasks")
    if folder.exists():
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert (manifest["status"], manifest["error"]["message"]) == (status, PROCESS_DIED)


def test_a_run_launched_without_config_is_that_of_the_example(instance: dg.DagsterInstance) -> None:
    """The job's default config is returned for a run that was launched without one."""
    run = instance.create_run_for_job(build_defs().resolve_job_def("backtest"))
    assert backtest_config_of(run).symbols == ["DEMO_KRW"]


def test_sensors_are_on_by_default() -> None:
    """The sensors are on by default."""
    names = ("markets", "imported_candles", "run_alerts", "check_alerts", "condition_alerts")
    statuses = {sensor.name: sensor.default_status for sensor in build_defs().sensors or []}
    assert statuses == dict.fromkeys(names, dg.DefaultSensorStatus.RUNNING)


def test_definitions_are_loadable() -> None:
    """Dagster accepts everything, with every resource bound."""
    dg.Definitions.validate_loadable(build_defs())


def test_python_gives_the_result_of_a_recorded_run(finished: Any, candles: CandleCatalog, data_root: Path) -> None:  # noqa: ANN401
    """The notebook API computes the same digest, from stored candles and from frames of the same candles."""
    recorded = load_result(LocalStore(data_root), finished.run_id)
    symbols = ["AAA_KRW", "BBB_KRW"]
    days = {"start": CONFIG["start_date"], "end": CONFIG["end_date"]}
    stored = cp.run_backtest(CONFIG["strategy"], symbols, catalog=candles, **days)
    assert stored.result_sha256 == recorded["result_sha256"]
    bars = {symbol: candles.read(symbol, DAILY, date(2023, 1, 1), date(2024, 12, 31)) for symbol in symbols}
    frames = {
        symbol: pd.DataFrame(
            {"open": b.open, "high": b.high, "low": b.low, "close": b.close, "volume": b.volume},
            index=pd.to_datetime(b.time, utc=True),
        )
        for symbol, b in bars.items()
    }
    assert cp.run_backtest(CONFIG["strategy"], frames, **days).result_sha256 == recorded["result_sha256"]
    loaded = cp.load_result(finished.run_id, store=LocalStore(data_root))
    assert isinstance(loaded, cp.BacktestRun)
    assert loaded.trades.equals(stored.trades)
