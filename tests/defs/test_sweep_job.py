"""The sweep job, run by Dagster on a real instance."""

import json
import logging
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.defs.build import build_defs
from coin_pipeline.defs.failure_manifest import write_failure_manifest
from coin_pipeline.defs.run_requests import sweep_submission
from coin_pipeline.defs.sweeps.config import SWEEP_EXAMPLE, sweep_config_of
from coin_pipeline.defs.sweeps.progress import POINTS_EVALUATED, POINTS_PLANNED, SweepProgress
from coin_pipeline.orchestration._dagster_internals import EngineEventData
from coin_pipeline.orchestration.executors import in_process_or_multiprocess
from coin_pipeline.orchestration.failures import MAX_RETRIES, PROCESS_DIED, failure_from_events
from coin_pipeline.results import index_entry
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.store import stored_document
from coin_pipeline.storage.local import LocalStore
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.trials import trials_digest
from tests.candle_data import drop_rows
from tests.defs.conftest import answer
from tests.platforms import free_ports
from tests.ray_cluster import NO_RAY, ray_cluster

CONFIG: dict[str, Any] = {
    "strategy": "volume_zone_breakout",
    "symbols": ["AAA_KRW", "BBB_KRW"],
    "start_date": "2023-06-01",
    "end_date": "2024-12-31",
    "space": {"volume_window": "5:110:1", "top_percentile": "0.02:0.3:0.02", "stop_loss": "0.05,none"},
}
POINT_COUNT = 106 * 15 * 2


def config_with(evaluation: dict[str, Any], **fields: object) -> dict[str, Any]:
    """Return the run config of a sweep with these fields replaced."""
    return {"ops": {"plan_sweep": {"config": {**CONFIG, **fields}}, "evaluate_chunk": {"config": evaluation}}}


def run(instance: dg.DagsterInstance, workers: int = 1, *, fresh: bool = True, **fields: object) -> Any:  # noqa: ANN401
    """Run the job with these fields replaced; return Dagster's result."""
    return (
        build_defs()
        .resolve_job_def("sweep")
        .execute_in_process(
            run_config=config_with({"workers": workers, "fresh": fresh}, **fields),
            instance=instance,
            raise_on_error=False,
        )
    )


def warnings_of(instance: dg.DagsterInstance, done: Any) -> list[str]:  # noqa: ANN401 -- Dagster's result
    """Return what the ops of a run have logged as warnings."""
    entries = instance.all_logs(done.run_id)
    return [entry.user_message for entry in entries if entry.level == logging.WARNING]


def reconstructed() -> dg.JobDefinition:
    """Return the job, for processes that must build it themselves."""
    return build_defs().resolve_job_def("sweep")


def document_of(data_root: Path, run_id: str) -> dict[str, Any]:
    """Return the document that a run published."""
    document: dict[str, Any] = json.loads((data_root / "tasks" / run_id / "result.json").read_bytes())
    return document


def output_metadata(done: Any, step: str) -> dict[str, Any]:  # noqa: ANN401 -- Dagster's result
    """Return the output metadata of a step."""
    (data,) = (e.event_specific_data for e in done.all_events if e.step_key == step and e.is_successful_output)
    return {name: value.value for name, value in data.metadata.items()}


def test_insufficient_coverage_is_rejected_unless_accepted(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """It is rejected before the evaluation, as for a backtest; the document records the coverage."""
    daily = parse_timeframe("1d")
    stored = drop_rows(synthetic_candles(3, daily, date(2023, 1, 1), 365), range(2, 365, 5))
    candles.merge("SIEVE_KRW", daily, stored)
    fields: dict[str, Any] = {"symbols": ["SIEVE_KRW"], "start_date": "2023-01-01", "end_date": "2023-12-31"}
    fields["space"] = {"volume_window": [5, 10]}
    message, kind = failure_from_events(run(instance, **fields).all_events)
    assert kind == "InsufficientCoverage"
    assert message
    assert "SIEVE_KRW (365 candles expected, 292 present, 73 not fetched" in message
    request = parse_sweep({**CONFIG, **fields, "min_coverage": 0.8})
    launch = sweep_submission(request, resolve_sweep(request, load_registry()))
    done = build_defs().resolve_job_def("sweep").execute_in_process(run_config=launch.config, instance=instance)
    (part,) = document_of(data_root, done.run_id)["symbols"]
    assert (part["candles"]["verdict"], part["candles"]["known"]) == ("insufficient", 0.8)
    assert (part["candles"]["not_fetched"], len(part["candles"]["snapshot"])) == (73, 64)


@pytest.fixture(scope="module")
def finished(instance: dg.DagsterInstance, candles: CandleCatalog) -> Any:  # noqa: ANN401 -- Dagster's result
    """Return a finished sweep of two symbols."""
    assert candles
    return run(instance)


def test_sweep_publishes_trials_document_and_page(finished: Any, data_root: Path) -> None:  # noqa: ANN401
    """The manifest lists every file, the table matches the document, and no interim files are left."""
    assert finished.success
    folder = data_root / "tasks" / finished.run_id
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["status"] == "completed"
    assert {file["name"] for file in manifest["result_files"]} == {
        "trials.parquet",
        "result.json",
        "equity.svg",
        "equity.ko.svg",
    }
    table = pq.read_table(folder / "trials.parquet")
    document = document_of(data_root, finished.run_id)
    assert len(table) == 2 * POINT_COUNT == document["trials"]["rows"]
    assert trials_digest(table) == document["trials"]["sha256"]
    assert "<title>Equity and drawdown</title>" in (folder / "equity.svg").read_text()
    assert "<title>자산과 낙폭</title>" in (folder / "equity.ko.svg").read_text()
    assert list(LocalStore(data_root).keys(f"runs/{finished.run_id}")) == []


def test_sweep_is_indexed_as_a_sweep(finished: Any, own_index: ResultIndex, data_root: Path) -> None:  # noqa: ANN401
    """Lists of backtests do not contain it."""
    entry = index_entry.build_entry(
        document_of(data_root, finished.run_id), stored_document(LocalStore(data_root), finished.run_id)
    )
    assert entry.kind == "sweep"
    assert entry in own_index.page(Filters(kind="sweep"), 100).entries
    assert entry not in own_index.page(Filters(), 100).entries


def test_run_page_shows_chunks_and_the_best_point(finished: Any, data_root: Path) -> None:  # noqa: ANN401
    """Each chunk reports its points, rate and best point; the last step reports the overall best."""
    document = document_of(data_root, finished.run_id)
    chunks = [output_metadata(finished, f"evaluate_chunk[chunk_{number:04}]") for number in (1, 2)]
    assert [chunk[POINTS_EVALUATED] for chunk in chunks] == [2500, POINT_COUNT - 2500]
    assert all(chunk["points/s"] > 0 and not chunk["stored"] for chunk in chunks)
    assert max(chunk["best_objective"] for chunk in chunks) == document["best"]["figures"]["objective"]
    shown = output_metadata(finished, "finish_sweep")
    assert shown["total_return"] == document["best"]["figures"]["objective"]
    assert shown["trials_sha256"] == document["trials"]["sha256"]
    assert shown["report"].endswith(f"/reports/{finished.run_id}")
    assert Path(shown["trials"]).is_file()
    assert len(shown["top"].records) == len(document["top"])


@pytest.mark.parametrize("workers", [2, 8])
def test_trials_do_not_depend_on_threads(
    finished: Any,  # noqa: ANN401 -- Dagster's result
    instance: dg.DagsterInstance,
    data_root: Path,
    workers: int,
) -> None:
    """The digest of the table is the same."""
    again = run(instance, workers)
    assert document_of(data_root, again.run_id)["trials"] == document_of(data_root, finished.run_id)["trials"]


def test_trials_do_not_depend_on_processes(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """The digest is the same with one process per chunk, two at a time."""
    assert candles
    space = {"volume_window": "5:300:1", "top_percentile": "0.1:0.5:0.1", "stop_loss": "0.02,0.05"}
    multiprocess = {"max_concurrent": 2, "start_method": {"forkserver": {}}}
    done = dg.execute_job(
        dg.reconstructable(reconstructed),
        instance=instance,
        run_config={
            **config_with({"fresh": True}, space=space),
            "execution": {"config": {"multiprocess": multiprocess}},
        },
    )
    assert done.success, failure_from_events(done.all_events)
    one_process = run(instance, space=space)
    assert document_of(data_root, done.run_id)["trials"] == document_of(data_root, one_process.run_id)["trials"]


def test_executor_is_in_process_by_default() -> None:
    """Dagster's own default would start a process for every chunk."""
    assert [*in_process_or_multiprocess.config_schema.as_field().default_value] == ["in_process"]


def test_stored_chunks_are_reused_unless_fresh(
    finished: Any,  # noqa: ANN401 -- Dagster's result
    instance: dg.DagsterInstance,
    data_root: Path,
) -> None:
    """A second sweep reuses stored trials, reports that, and yields the same trials."""
    again = run(instance, fresh=False)
    chunk = output_metadata(again, "evaluate_chunk[chunk_0001]")
    assert (chunk["stored"], "points/s" in chunk) == (True, False)
    assert document_of(data_root, again.run_id)["trials"] == document_of(data_root, finished.run_id)["trials"]


def test_damaged_chunks_are_computed_again(
    finished: Any,  # noqa: ANN401 -- Dagster's result
    instance: dg.DagsterInstance,
    data_root: Path,
) -> None:
    """A flipped bit ends no sweep; the run page reports the chunk as computed."""
    for path in (data_root / "sweeps/chunks").glob("*.parquet"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        with path.open("r+b") as file:  # replacing the file would lose its stored digest
            file.write(data)
    again = run(instance, fresh=False)
    assert output_metadata(again, "evaluate_chunk[chunk_0001]")["stored"] is False
    assert document_of(data_root, again.run_id)["trials"] == document_of(data_root, finished.run_id)["trials"]


def test_optuna_search_is_one_chunk(instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path) -> None:
    """An adaptive search cannot be divided; its trials depend only on the seed."""
    assert candles
    fields = {"search": "optuna", "trials": 20, "seed": 7, "space": {"volume_window": "5:60", "stop_loss": "0.01:0.2"}}
    first, second = (document_of(data_root, run(instance, workers, **fields).run_id) for workers in (1, 2))
    assert first["points"] + first["duplicates"] == 20
    assert first["trials"] == second["trials"]


def test_progress_is_aggregated_from_events(finished: Any, instance: dg.DagsterInstance) -> None:  # noqa: ANN401
    """Events sum to all points, repeated events change nothing, and rate and ETA follow from their times."""
    progress, seen = SweepProgress(), []
    entries = instance.all_logs(finished.run_id)
    for entry in entries:
        progress.observe(entry)
        progress.observe(entry)
        seen.append(progress.done)
    assert seen == sorted(seen)
    assert (progress.planned, progress.done) == (POINT_COUNT, POINT_COUNT)
    assert progress.points_per_second is not None
    assert progress.points_per_second > 0
    assert progress.eta_s(entries[-1].timestamp) == 0


def entry_of(when: int, step: str, **metadata: int) -> dg.EventLogEntry:
    """Return an event in which a step reports metadata."""
    data = EngineEventData({name: dg.MetadataValue.int(number) for name, number in metadata.items()})
    event = dg.DagsterEvent("ENGINE_EVENT", "sweep", step_key=step, event_specific_data=data)
    return dg.EventLogEntry(None, 20, "", "r", float(when), step, "sweep", event)


def test_rate_covers_the_last_half_minute() -> None:
    """Stored or initially slow chunks soon lose influence; consistently slow ones still count."""
    progress = SweepProgress()
    progress.observe(entry_of(0, "plan_sweep", **{POINTS_PLANNED: 1000}))
    assert progress.points_per_second is None
    progress.observe(entry_of(1, "evaluate_chunk[a]", **{POINTS_EVALUATED: 500}))
    assert progress.points_per_second == 500
    for second in range(2, 102):
        progress.observe(entry_of(second, "evaluate_chunk[b]", **{POINTS_EVALUATED: second - 1}))
    assert progress.points_per_second == 1
    assert progress.eta_s(101) == 400
    assert progress.eta_s(111) == 390
    progress.observe(entry_of(200, "evaluate_chunk[b]", **{POINTS_EVALUATED: 199}))
    assert progress.points_per_second == 1
    progress.observe(entry_of(201, "evaluate_chunk[b]", **{POINTS_EVALUATED: 100}))  # a retried step starts over
    assert progress.done == 699


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"symbols": ["NONE_KRW"]}, "CandlesNotFound", "NONE_KRW (nothing stored; fetch with"),
        ({"space": {"volume_window": "0:5:1"}}, "InvalidSpec", "space.volume_window=0"),
        ({"space": {"volume_window": [1, 2], "windw": "1"}}, "InvalidSpec", "space.windw"),
    ],
)
def test_failed_sweep_reports_the_reason_and_leaves_a_manifest(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path, fields: dict[str, Any], kind: str, words: str
) -> None:
    """This matches a backtest."""
    assert candles
    failed = run(instance, **fields)
    message, reported_kind = failure_from_events(failed.all_events)
    assert (reported_kind, words in message) == (kind, True)
    answer(instance)
    manifest = json.loads((data_root / "tasks" / failed.run_id / "manifest.json").read_bytes())
    assert (manifest["status"], manifest["error"]["message"]) == ("failed", message)


def test_sweep_ended_from_outside_gets_its_manifest(instance: dg.DagsterInstance, data_root: Path) -> None:
    """This holds with and without its own config."""
    job = build_defs().resolve_job_def("sweep")
    lost, example = (instance.create_run_for_job(job, run_config=config) for config in (config_with({}), None))
    assert sweep_config_of(example) == SWEEP_EXAMPLE
    for item in (lost, example):
        write_failure_manifest(LocalStore(data_root), instance, item, "failed", PROCESS_DIED)
        assert json.loads((data_root / "tasks" / item.run_id / "manifest.json").read_bytes())["status"] == "failed"


class NoSpaceLeft(LocalStore):
    """A store on a full disk."""

    def free_bytes(self) -> int:
        """Return that nothing is free."""
        return 0


def test_trials_beyond_the_limits_are_refused_before_they_are_computed(
    instance: dg.DagsterInstance, candles: CandleCatalog, data_root: Path
) -> None:
    """Both numbers and the limit are in the message, and no chunk is evaluated."""
    assert candles
    job = build_defs({"store": NoSpaceLeft(data_root)}).resolve_job_def("sweep")
    done = job.execute_in_process(run_config=config_with({}), instance=instance, raise_on_error=False)
    message, kind = failure_from_events(done.all_events)
    assert kind == "ResultTooLarge"
    assert message.startswith("3,180 points x 2 symbols = 6,360 trials need at least 1 MiB of disk space, and the")
    assert {event.step_key for event in done.all_events if event.event_type_value == "STEP_START"} == {"plan_sweep"}


def test_ray_evaluates_all_points_in_one_step(
    finished: Any,  # noqa: ANN401 -- Dagster's result
    instance: dg.DagsterInstance,
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The trials and the reported numbers of points are those of the local engine."""
    pytest.importorskip("ray", reason=NO_RAY)
    with ray_cluster() as cluster:
        cluster.start_head(2)
        monkeypatch.setenv("COIN_SWEEP_ENGINE", "ray")
        monkeypatch.setenv("COIN_RAY_ADDRESS", cluster.address)
        done = run(instance)
    assert done.success, failure_from_events(done.all_events)
    assert document_of(data_root, done.run_id)["trials"] == document_of(data_root, finished.run_id)["trials"]
    chunk = output_metadata(done, "evaluate_chunk[chunk_0001]")
    assert (chunk[POINTS_EVALUATED], chunk["stored"]) == (POINT_COUNT, False)
    assert warnings_of(instance, done) == [
        "workers=1 has no effect: the Ray cluster evaluates the sweep on all of its CPUs"
    ]


def test_optuna_needs_no_cluster(
    instance: dg.DagsterInstance, candles: CandleCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run evaluates the points itself, and logs why."""
    assert candles
    monkeypatch.setenv("COIN_SWEEP_ENGINE", "ray")
    monkeypatch.setenv("COIN_RAY_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")
    done = run(instance, search="optuna", trials=4)
    assert done.success, failure_from_events(done.all_events)
    (warning,) = warnings_of(instance, done)
    assert warning.startswith("this machine evaluates the sweep, although COIN_SWEEP_ENGINE=ray: optuna proposes")


@pytest.mark.long
def test_a_missing_cluster_is_looked_for_again(
    instance: dg.DagsterInstance, candles: CandleCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is retried, as for any service that is down, and the run then fails with the sentence."""
    assert candles
    pytest.importorskip("ray", reason=NO_RAY)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("COIN_SWEEP_ENGINE", "ray")
    monkeypatch.setenv("COIN_RAY_ADDRESS", address)
    events = run(instance).all_events
    message, kind = failure_from_events(events)
    assert kind == "ClusterUnavailable"
    assert message.startswith(f"the Ray cluster at {address} is not available")
    assert [event.event_type_value for event in events].count("STEP_UP_FOR_RETRY") == MAX_RETRIES
