"""What the items of the checklist look at: each thing is found once, however many items ask for it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from coin_pipeline.backup.archive import Digests
from coin_pipeline.candles.catalog import CandleCatalog, StoredCandles
from coin_pipeline.candles.timeframe import SEOUL_OFFSET_NS
from coin_pipeline.errors import CoinError, NotFound, RunFailed, ServiceUnavailable
from coin_pipeline.migration.backups import newest_archive
from coin_pipeline.migration.client import ApiClient, ApiResponse
from coin_pipeline.migration.legacy_files import LegacyResult, result_files
from coin_pipeline.migration.round_trip import round_trip
from coin_pipeline.results.store import manifest_key, result_key
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import open_store

T = TypeVar("T")
TASKS, END_S, LOOK_S = 10, 180, 0.2
_YEAR, _SEOUL = timedelta(days=364), timedelta(microseconds=SEOUL_OFFSET_NS // 1000)


class PolledTask(NamedTuple):
    """A task that was submitted and polled until it ended: its acceptance, and each status that was seen."""

    accepted: ApiResponse
    task_id: str
    seen: list[dict[str, Any]]


def cached(find: Callable[["Inspector"], T]) -> Callable[["Inspector"], T]:
    """Find something the first time that it is asked for; what was found, or the error, is told again."""

    @wraps(find)
    def told(evidence: "Inspector") -> T:
        if find.__name__ not in evidence.found:
            try:
                evidence.found[find.__name__] = find(evidence)
            except CoinError as error:
                evidence.found[find.__name__] = error
        found: T | CoinError = evidence.found[find.__name__]
        if isinstance(found, CoinError):
            raise found
        return found

    return told


class Inspector:
    """The settings, the files, and the running API.

    Looking runs one synchronous backtest and eleven tasks on stored candles; their results are stored like others.
    """

    def __init__(self, settings: Settings, api_url: str) -> None:
        self.settings = settings
        self.api = ApiClient(api_url)
        self.found: dict[str, Any] = {}

    @property
    def root(self) -> Path:
        """DATA_ROOT; raises NotFound if it is no folder."""
        if not self.settings.data_root.is_dir():
            raise NotFound(
                f"{self.settings.data_root} is not a folder; name the one of the older platform in DATA_ROOT"
            )
        return self.settings.data_root

    @property
    def store(self) -> ObjectStore:
        """Where results lie."""
        return open_store(self.settings)

    @cached
    def health(self) -> dict[str, Any]:
        """Return what the API says of its parts."""
        return self.api.get("/health").json()

    @cached
    def endpoints(self) -> dict[str, str]:
        """Return the endpoints that the API lists."""
        listed: dict[str, str] = self.api.get("/").json().get("endpoints", {})
        return listed

    @cached
    def request(self) -> dict[str, Any]:
        """Return a backtest of the last year of a stored series, daily and BTC_KRW if there is one.

        Raises:
            NotFound: no candles are stored.
        """
        stored, _ = CandleCatalog(self.root).inventory()
        if not stored:
            command = "coin candles import FILE --symbol BTC_KRW --timeframe 1d --tz Asia/Seoul"
            raise NotFound(f"no candles are stored below {self.root}; import some: {command}")
        series = max(stored, key=_suits)
        last = (series.last + _SEOUL).date()
        return {
            "strategy": "volume_zone_breakout",
            "symbols": [series.symbol],
            "start_date": str(max((series.first + _SEOUL).date(), last - _YEAR)),
            "end_date": str(last),
            "timeframe": series.timeframe.name,
            "min_coverage": 0,  # the platform is on trial, not what the older one has collected
        }

    @cached
    def sync(self) -> tuple[str, float]:
        """Run a backtest and wait for it; return its run id and how long it took, s.

        Raises:
            RunFailed: it has no result.
        """
        answer = self.api.post("/api/backtests/run?fresh=true", self.request())
        if answer.status != 200:  # noqa: PLR2004 -- HTTP OK
            raise RunFailed("", ServiceUnavailable, f"POST /api/backtests/run answers {answer.refusal}")
        return str(answer.json()["run_id"]), answer.seconds

    @cached
    def task(self) -> PolledTask:
        """Submit a backtest and poll it until it has ended; raises as `follow` does."""
        return self.follow()

    @cached
    def tasks(self) -> list[PolledTask]:
        """Submit ten at once and poll them until they have ended; raises as `follow` does."""
        self.request()
        with ThreadPoolExecutor(TASKS) as threads:
            return list(threads.map(lambda _: self.follow(), range(TASKS)))

    @cached
    def files(self) -> list[LegacyResult]:
        """Return the result files below DATA_ROOT."""
        return list(result_files(self.root))

    @cached
    def results(self) -> list[LegacyResult]:
        """Return the result files below DATA_ROOT; one that the API does not answer byte for byte has a problem."""
        return [old if old.problem else old._replace(problem=self._unlike(old)) for old in self.files()]

    @cached
    def archive(self) -> tuple[Path, Digests] | None:
        """Return the newest backup of results/ and the digests of its files; raises as `newest_archive` does."""
        return newest_archive(self.root, "results")

    @cached
    def tasks_archive(self) -> tuple[Path, Digests] | None:
        """Return the newest backup of tasks/ and the digests of its files; raises as `newest_archive` does."""
        return newest_archive(self.root, "tasks")

    @cached
    def listed(self) -> set[str]:
        """Return the runs that the history lists."""
        found: set[str] = set()
        path = more = "/api/backtests/history?limit=100"
        while more:
            answer = self.api.get(path)
            if answer.status != 200:  # noqa: PLR2004 -- HTTP OK
                raise ServiceUnavailable(f"GET /api/backtests/history answers {answer.refusal}")
            found |= {item["run_id"] for item in answer.json()["items"]}
            more = answer.json()["next_cursor"]
            path = f"/api/backtests/history?limit=100&cursor={quote(more or '')}"
        return found

    @cached
    def bucket(self) -> str:
        """Send a file to the bucket, compare digests, fetch it, and remove it; return where it was.

        Raises:
            StorageFailed: one of these fails.
        """
        return round_trip(self.store)

    def follow(self) -> PolledTask:
        """Submit a backtest and poll it until it has ended.

        Raises:
            ServiceUnavailable: it is not accepted.
            RunFailed: it does not end, or not with a result.
        """
        accepted = self.api.post("/api/backtests/run-async", self.request())
        if accepted.status != 202:  # noqa: PLR2004 -- HTTP Accepted
            raise ServiceUnavailable(f"POST /api/backtests/run-async answers {accepted.refusal}")
        task_id = str(accepted.json()["task_id"])
        seen = [self.api.get(f"/api/backtests/status/{task_id}").json()]
        deadline = time.monotonic() + END_S
        while seen[-1]["status"] in {"queued", "running"} and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            seen.append(self.api.get(f"/api/backtests/status/{task_id}").json())
        if seen[-1]["status"] != "completed":
            reason = (
                f"task {task_id} is {seen[-1]['status']} after {len(seen)} polls: {seen[-1]['error'] or 'no error'}"
            )
            raise RunFailed(task_id, ServiceUnavailable, reason)
        return PolledTask(accepted, task_id, seen)

    def _unlike(self, old: LegacyResult) -> str | None:
        answer = self.api.get(f"/api/backtests/{old.run_id}")
        if answer.status != 200:  # noqa: PLR2004 -- HTTP OK
            return f"the API answers {answer.refusal}"
        same = answer.body == (self.root / old.key).read_bytes()
        return None if same else "the API answers something else than the file"


def _suits(series: StoredCandles) -> tuple[bool, bool, int]:
    return series.timeframe.name == "1d", series.symbol == "BTC_KRW", series.rows


def task_keys(task_id: str) -> tuple[str, str]:
    """Return the keys that a completed task has."""
    return result_key("tasks", task_id), manifest_key(task_id)
