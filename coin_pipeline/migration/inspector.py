"""The state that checklist items inspect: settings, files and the running API; each part is inspected once."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from coin_pipeline.backup.encryption import Key
from coin_pipeline.backup.locations import Location, open_location
from coin_pipeline.backup.model import BackupSet, Target
from coin_pipeline.backup.sets import newest_good
from coin_pipeline.backup.verify import VerifiedTarget, verify_set
from coin_pipeline.backup_scheduler import BackupScheduler, SchedulerStatus
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.stored_series import StoredCandles
from coin_pipeline.candles.timeframe import SEOUL_OFFSET_NS
from coin_pipeline.errors import CoinError, NotFound, RunFailed, ServiceUnavailable
from coin_pipeline.ledger.requests import ENTER_EXAMPLE
from coin_pipeline.migration.backups import VerifiedBackup, newest_backup
from coin_pipeline.migration.client import ApiClient, ApiResponse
from coin_pipeline.migration.legacy_files import LegacyResult, result_files
from coin_pipeline.migration.probes import remove_probes
from coin_pipeline.migration.round_trip import round_trip
from coin_pipeline.results.store import manifest_key, result_key
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import open_store

T = TypeVar("T")
TASKS, TASK_TIMEOUT_S, POLL_S = 10, 180, 0.2
_YEAR, _SEOUL = timedelta(days=364), timedelta(microseconds=SEOUL_OFFSET_NS // 1000)


class PolledTask(NamedTuple):
    """A task that was polled until it ended: the response that accepted it, its id, and each status that was read."""

    accepted: ApiResponse
    task_id: str
    statuses: list[dict[str, Any]]


class PaperTrade(NamedTuple):
    """A position that was entered, listed and left: the responses, and the book that it is booked in."""

    book: str
    entered: dict[str, Any]
    listed: dict[str, Any]
    left: dict[str, Any]


def cached(method: Callable[["Inspector"], T]) -> Callable[["Inspector"], T]:
    """Call a method of `Inspector` once; later calls return the same value or raise the same CoinError."""

    @wraps(method)
    def wrapper(inspector: "Inspector") -> T:
        if method.__name__ not in inspector.cache:
            try:
                inspector.cache[method.__name__] = method(inspector)
            except CoinError as error:
                inspector.cache[method.__name__] = error
        value: T | CoinError = inspector.cache[method.__name__]
        if isinstance(value, CoinError):
            raise value
        return value

    return wrapper


class Inspector:
    """Access to the settings, the files and the running API.

    Inspecting everything runs one synchronous backtest and eleven tasks on stored candles; `close` removes their
    results.
    """

    def __init__(self, settings: Settings, api_url: str) -> None:
        self.settings = settings
        self.api = ApiClient(api_url, settings.coin_token)
        self.cache: dict[str, Any] = {}
        self.submitted: list[str] = []

    def close(self) -> None:
        """Remove the results of the backtests that were submitted, and list them no longer."""
        remove_probes(self.settings, self.submitted)

    @property
    def root(self) -> Path:
        """DATA_ROOT; raises NotFound if it is not a folder."""
        if not self.settings.data_root.is_dir():
            raise NotFound(
                f"{self.settings.data_root} is not a folder; set DATA_ROOT to the data folder of the legacy platform"
            )
        return self.settings.data_root

    @property
    def store(self) -> ObjectStore:
        """The store of results."""
        return open_store(self.settings)

    @property
    def backup_location(self) -> Location:
        """Where backups are stored."""
        return open_location(self.settings)

    @cached
    def health(self) -> dict[str, Any]:
        """Return the response of GET /health."""
        return self.api.get("/health").json()

    @cached
    def endpoints(self) -> dict[str, str]:
        """Return the endpoints that GET / lists."""
        listed: dict[str, str] = self.api.get("/").json().get("endpoints", {})
        return listed

    @cached
    def request(self) -> dict[str, Any]:
        """Return a backtest request over the last year of a stored series, preferably daily candles of BTC_KRW.

        Raises:
            NotFound: No candles are stored.
        """
        stored, _ = CandleCatalog(self.root).inventory()
        if not stored:
            command = "coin candles import FILE --symbol BTC_KRW --timeframe 1d --tz Asia/Seoul"
            raise NotFound(f"no candles are stored under {self.root}; import some: {command}")
        series = max(stored, key=_preference)
        last = (series.last + _SEOUL).date()
        return {
            "strategy": "volume_zone_breakout",
            "symbols": [series.symbol],
            "start_date": str(max((series.first + _SEOUL).date(), last - _YEAR)),
            "end_date": str(last),
            "timeframe": series.timeframe.name,
            "min_coverage": 0,  # this tests the platform, not how complete the collected candles are
        }

    @cached
    def sync(self) -> tuple[str, float]:
        """Run a synchronous backtest; return its run id and its duration, s.

        Raises:
            RunFailed: It has no result.
        """
        response = self.api.post("/api/backtests/run?fresh=true", self.request())
        if response.status != 200:  # noqa: PLR2004 -- HTTP OK
            self._note(response.json().get("task_id"))  # it continues after the time limit of a request
            raise RunFailed("", ServiceUnavailable, f"POST /api/backtests/run returned {response.refusal}")
        return self._note(response.json()["run_id"]), response.seconds

    @cached
    def task(self) -> PolledTask:
        """Submit a backtest and poll it until it ends; raises as `submit_and_poll` does."""
        return self.submit_and_poll()

    @cached
    def tasks(self) -> list[PolledTask]:
        """Submit ten backtests at once and poll them until they end; raises as `submit_and_poll` does."""
        self.request()
        with ThreadPoolExecutor(TASKS) as threads:
            return list(threads.map(lambda _: self.submit_and_poll(), range(TASKS)))

    @cached
    def files(self) -> list[LegacyResult]:
        """Return the result files under DATA_ROOT."""
        return list(result_files(self.root))

    @cached
    def results(self) -> list[LegacyResult]:
        """Return the result files under DATA_ROOT; those that the API does not return byte for byte have a problem."""
        return [
            result if result.problem else result._replace(problem=self._difference(result)) for result in self.files()
        ]

    @cached
    def results_backup(self) -> VerifiedBackup | None:
        """Return the newest backup of results/; raises as `newest_backup` does."""
        return newest_backup(self.settings, "results")

    @cached
    def tasks_backup(self) -> VerifiedBackup | None:
        """Return the newest backup of tasks/; raises as `newest_backup` does."""
        return newest_backup(self.settings, "tasks")

    @cached
    def backup_scheduler(self) -> SchedulerStatus:
        """Return which schedules of backups are on, and whether a daemon evaluates them."""
        return BackupScheduler(self.settings).get_status()

    @cached
    def complete_backup(self) -> BackupSet | None:
        """Return the newest complete backup, or None."""
        return newest_good(self.backup_location)

    @cached
    def verified_backup(self) -> dict[Target, VerifiedTarget]:
        """Read all files of the newest complete backup and compare them with its manifest; return each target."""
        newest, key = self.complete_backup(), Key.from_settings(self.settings)
        verified = verify_set(self.backup_location, key, newest, deep=False) if newest else []
        return {target.target: target for target in verified}

    @cached
    def listed(self) -> set[str]:
        """Return the runs that the history lists."""
        run_ids: set[str] = set()
        path = cursor = "/api/backtests/history?limit=100"
        while cursor:
            response = self.api.get(path)
            if response.status != 200:  # noqa: PLR2004 -- HTTP OK
                raise ServiceUnavailable(f"GET /api/backtests/history returned {response.refusal}")
            run_ids |= {item["run_id"] for item in response.json()["items"]}
            cursor = response.json()["next_cursor"]
            path = f"/api/backtests/history?limit=100&cursor={quote(cursor or '')}"
        return run_ids

    @cached
    def bucket(self) -> str:
        """Send a file to the bucket, compare digests, fetch it and delete it; return its URI.

        Raises:
            StorageFailed: One of these operations failed.
        """
        return round_trip(self.store)

    @cached
    def paper_trade(self) -> PaperTrade:
        """Enter the position of the users' checklist in a book of its own, list it, and leave it at 51,000.

        Raises:
            ServiceUnavailable: A call does not succeed.
        """
        book = f"migration-check:{uuid.uuid4().hex[:12]}"
        entered = self._succeeded(self.api.post("/api/positions/enter", {**ENTER_EXAMPLE, "book": book}))
        listed = self._succeeded(self.api.get(f"/api/positions/open?book={quote(book)}"))
        left = self._succeeded(self.api.post(f"/api/positions/{entered['position_id']}/exit", {"exit_price": 51000}))
        return PaperTrade(book, entered, listed, left)

    def submit_and_poll(self) -> PolledTask:
        """Submit a backtest and poll it until it ends.

        Raises:
            ServiceUnavailable: The submission is rejected.
            RunFailed: The task does not end in time, or ends without a result.
        """
        accepted = self.api.post("/api/backtests/run-async", self.request())
        if accepted.status != 202:  # noqa: PLR2004 -- HTTP Accepted
            raise ServiceUnavailable(f"POST /api/backtests/run-async returned {accepted.refusal}")
        task_id = self._note(accepted.json()["task_id"])
        statuses = [self.api.get(f"/api/backtests/status/{task_id}").json()]
        deadline = time.monotonic() + TASK_TIMEOUT_S
        while statuses[-1]["status"] in {"queued", "running"} and time.monotonic() < deadline:
            time.sleep(POLL_S)
            statuses.append(self.api.get(f"/api/backtests/status/{task_id}").json())
        last = statuses[-1]
        if last["status"] != "completed":
            reason = f"task {task_id} is {last['status']} after {len(statuses)} polls: {last['error'] or 'no error'}"
            raise RunFailed(task_id, ServiceUnavailable, reason)
        return PolledTask(accepted, task_id, statuses)

    def _succeeded(self, response: ApiResponse) -> dict[str, Any]:
        if response.status != 200:  # noqa: PLR2004 -- HTTP OK
            raise ServiceUnavailable(f"the paper ledger returned {response.refusal}")
        return response.json()

    def _note(self, run_id: object) -> str:
        """Record a submitted run and return its id."""
        if run_id is not None:
            self.submitted.append(str(run_id))
        return str(run_id)

    def _difference(self, result: LegacyResult) -> str | None:
        response = self.api.get(f"/api/backtests/{result.run_id}")
        if response.status != 200:  # noqa: PLR2004 -- HTTP OK
            return f"the API returned {response.refusal}"
        same = response.body == (self.root / result.key).read_bytes()
        return None if same else "the API response differs from the file"


def _preference(series: StoredCandles) -> tuple[bool, bool, int]:
    return series.timeframe.name == "1d", series.symbol == "BTC_KRW", series.rows


def task_keys(task_id: str) -> tuple[str, str]:
    """Return the keys of the result and the manifest of a completed task."""
    return result_key("tasks", task_id), manifest_key(task_id)
