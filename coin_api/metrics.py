"""Metrics for Prometheus: of the requests to this process, and of the whole platform.

Figures of the platform are collected by threads of their own, however often the metrics are fetched. What was
collected too long ago, because the database or a disk does not respond, is left out.
"""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

import coin_pipeline
from coin_api.backup_health import BackupHealth
from coin_api.tasks import Orchestrator
from coin_pipeline.candles.open_catalog import open_catalog
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.database.figures import EndedRun, EndedRuns, read_figures
from coin_pipeline.database.session import Session
from coin_pipeline.errors import CoinError
from coin_pipeline.monitor import Check
from coin_pipeline.settings import Settings
from coin_pipeline.storage.open_store import FAST_TIMEOUTS
from coin_pipeline.web.request_log import Served

MAX_AGE_S = 60.0
"""Age at which collected values are no longer exported."""
SLOW_INTERVAL_S = 60.0
"""How often the candles are looked at."""
REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)
WAIT_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200)
RUN_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 21600)


class Gauge(NamedTuple):
    """A gauge of the platform: what it means, and its labels."""

    help: str
    labels: tuple[str, ...] = ()


DATABASE, MACHINE, BACKUPS, CANDLES, COMPONENTS = "database", "machine", "backups", "candles", "components"
GAUGES: Mapping[str, Gauge] = {
    "coin_database_up": Gauge("Whether the figures of the database are current."),
    "coin_component_healthy": Gauge("Whether a component of GET /health is healthy.", ("component",)),
    "coin_runs": Gauge("Runs that have not ended.", ("state",)),
    "coin_queue_longest_wait_seconds": Gauge("How long the oldest queued run has waited."),
    "coin_queue_limit_runs": Gauge("COIN_MAX_QUEUED: further submissions are rejected."),
    "coin_worker_slots": Gauge("COIN_WORKERS: backtests that the worker pool executes concurrently."),
    "coin_daemon_heartbeat_timestamp_seconds": Gauge("Latest heartbeat of each of Dagster's daemons.", ("daemon",)),
    "coin_alert_deliveries": Gauge("Deliveries of alerts that are pending or were given up.", ("state",)),
    "coin_alert_incidents": Gauge("Incidents that are open."),
    "coin_database_size_bytes": Gauge("Size of the database."),
    "coin_backup_timestamp_seconds": Gauge("When the last good backup was finished."),
    "coin_restore_drill_timestamp_seconds": Gauge("When a restore was proven last."),
    "coin_disk_free_bytes": Gauge("Free space of the disk of DATA_ROOT."),
    "coin_disk_size_bytes": Gauge("Size of the disk of DATA_ROOT."),
    "coin_candles_last_timestamp_seconds": Gauge(
        "Open of the last stored candle of each series of the daily collection.", ("symbol", "timeframe")
    ),
}
"""Gauges of the platform by name."""
Sample = tuple[str, tuple[str, ...], float]
"""Name of a gauge, values of its labels, and its value."""


class Snapshots(Collector):
    """The latest samples of each source, as gauges.

    Args:
        clock: Monotonic time, s.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latest: dict[str, tuple[float, list[Sample]]] = {}

    def store(self, source: str, samples: Iterable[Sample]) -> None:
        """Replace the samples of a source."""
        self._latest[source] = self._clock(), list(samples)

    def describe(self) -> Iterator[Metric]:
        """Yield the gauges without samples."""
        return (_family(name) for name in GAUGES)

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges with the samples that are recent enough."""
        fresh = dict(self._fresh())
        families = {name: _family(name) for name in GAUGES}
        families["coin_database_up"].add_metric((), float(DATABASE in fresh))
        for name, labels, value in (sample for samples in fresh.values() for sample in samples):
            families[name].add_metric(labels, value)
        yield from families.values()

    def _fresh(self) -> Iterator[tuple[str, list[Sample]]]:
        for source, (at, samples) in list(self._latest.items()):
            if self._clock() - at < MAX_AGE_S + (SLOW_INTERVAL_S if source == CANDLES else 0):
                yield source, samples


class Metrics:
    """All metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.snapshots = Snapshots()
        self.registry.register(self.snapshots)
        ProcessCollector(registry=self.registry)
        build = {"version": coin_pipeline.__version__, "python": sys.version.split()[0]}
        Info("coin_build", "Version of the platform.", registry=self.registry).info(build)
        self._requests = Histogram(
            "coin_http_request_seconds",
            "Time until the response to a request began.",
            ("method", "route", "status"),
            buckets=REQUEST_BUCKETS_S,
            registry=self.registry,
        )
        self._ended = Counter("coin_runs_ended", "Runs that have ended.", ("job", "outcome"), registry=self.registry)
        self._run_times = Histogram(
            "coin_run_seconds",
            "Time from the start of a run's process to its end.",
            ("job", "outcome"),
            buckets=RUN_BUCKETS_S,
            registry=self.registry,
        )
        self._waits = Histogram(
            "coin_run_wait_seconds",
            "Time from the submission of a run to the start of its process.",
            ("job",),
            buckets=WAIT_BUCKETS_S,
            registry=self.registry,
        )

    def observe(self, served: Served) -> None:
        """Count a request."""
        self._requests.labels(served.method, served.route, str(int(served.status))).observe(served.started_s)

    def count_ended(self, session: Session, ended: EndedRuns) -> None:
        """Count the runs that have ended."""
        for run in ended.read(session):
            self.count(run)

    def count(self, run: EndedRun) -> None:
        """Count a run that has ended."""
        self._ended.labels(run.job, run.outcome).inc()
        if run.wait_s is not None:
            self._waits.labels(run.job).observe(run.wait_s)
        if run.duration_s is not None:
            self._run_times.labels(run.job, run.outcome).observe(run.duration_s)

    def render(self, problems: Mapping[str, str | None]) -> bytes:
        """Return all metrics as Prometheus reads them.

        Args:
            problems: The problem of each component, None if it is healthy.
        """
        self.snapshots.store(
            COMPONENTS, [("coin_component_healthy", (name,), float(problems[name] is None)) for name in problems]
        )
        return generate_latest(self.registry)


def metric_checks(
    metrics: Metrics, settings: Settings, session: Session, orchestrator: Orchestrator, backups: BackupHealth
) -> dict[str, Check]:
    """Return what collects the figures of the platform, by name, each for a thread of its own."""
    ended = EndedRuns()

    def collect_database() -> str:
        figures = read_figures(session)
        beats = {name: at for name, at in orchestrator.heartbeats().items() if at is not None}
        metrics.count_ended(session, ended)
        metrics.snapshots.store(
            DATABASE,
            [
                *(("coin_runs", (state,), count) for state, count in figures.runs.items()),
                ("coin_queue_longest_wait_seconds", (), figures.longest_wait_s),
                *(("coin_alert_deliveries", (state,), count) for state, count in figures.deliveries.items()),
                ("coin_alert_incidents", (), figures.incidents),
                ("coin_database_size_bytes", (), figures.database_bytes),
                *(("coin_daemon_heartbeat_timestamp_seconds", (name,), at) for name, at in beats.items()),
            ],
        )
        return ""

    def collect_machine() -> str:
        metrics.snapshots.store(MACHINE, _machine(settings))
        return ""

    def collect_backups() -> str:
        backups.probe()
        metrics.snapshots.store(BACKUPS, _backups(backups))
        return ""

    return {
        "metrics of the database": collect_database,
        "metrics of the machine": collect_machine,
        "metrics of backups": collect_backups,
        "metrics of candles": _Seldom(lambda: metrics.snapshots.store(CANDLES, _candles(settings))),
    }


class _Seldom:
    """A check that does its work once in SLOW_INTERVAL_S."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._due = 0.0

    def __call__(self) -> str:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + SLOW_INTERVAL_S
            self._work()
        return ""


def _family(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, GAUGES[name].help, labels=GAUGES[name].labels)


def _machine(settings: Settings) -> list[Sample]:
    usage = shutil.disk_usage(settings.data_root)
    return [
        ("coin_disk_free_bytes", (), usage.free),
        ("coin_disk_size_bytes", (), usage.total),
        ("coin_queue_limit_runs", (), settings.coin_max_queued),
        ("coin_worker_slots", (), settings.coin_workers),
    ]


def _backups(backups: BackupHealth) -> list[Sample]:
    """Return when backups were made and proven."""
    status = backups.status
    times = {
        "coin_backup_timestamp_seconds": status and status.last_good_at,
        "coin_restore_drill_timestamp_seconds": status and status.last_proven_at,
    }
    return [(name, (), at.timestamp()) for name, at in times.items() if at]


def _candles(settings: Settings) -> list[Sample]:
    """Return the last candle of each series that the daily collection keeps; a damaged series has none."""
    catalog = open_catalog(settings, FAST_TIMEOUTS)
    samples: list[Sample] = []
    for symbol in settings.scheduler_symbols:
        for timeframe in settings.scheduler_timeframes:
            try:
                stored = catalog.stored(symbol, parse_timeframe(timeframe))
            except CoinError:
                continue
            samples += [
                ("coin_candles_last_timestamp_seconds", (symbol, timeframe), series.last.timestamp())
                for series in stored
            ]
    return samples
