"""Fixtures for every test, and the distribution of tests over processes.

Fixtures import what they start: a test of the engine pays neither for an S3 client nor for a database.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tests.forking import keep_session_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from xdist.remote import Producer

    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.ledger.ledger import Ledger
    from coin_pipeline.results.index import ResultIndex
    from coin_pipeline.storage.base import ObjectStore
    from tests.moto_aws import MotoAws
    from tests.s3 import S3Server

# A busy machine must not fail a test of properties.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Under nohup or in a shell's background, Ctrl-C is ignored, and would be by every process that a test interrupts.
# A handler, unlike SIG_IGN, is not inherited by programs that this process starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
SHARED_PLATFORM = tuple(
    f"tests/e2e/test_{name}.py"
    for name in (
        "platform",
        "runs",
        "events",
        "sweeps",
        "dagster_ui",
        "browser_origins",
        "doctor",
        "candles",
        "app",
        "outages",
    )
)
"""Files that one process runs, because they share a platform or wait more than they compute."""
PLATFORMS = (*SHARED_PLATFORM, "tests/chaos/", "tests/e2e/")
"""Tests of whole platforms in the order in which they start: the longest first."""
PLATFORM_TIMEOUT_S = 300
"""A test of a platform waits for six processes to start, on a machine that runs other tests at the same time."""
SETTINGS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_BUCKET_NAME",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "COIN_S3_PATH_STYLE",
    "COIN_RUN_HISTORY_DAYS",
    "TASK_RESULT_TTL_DAYS",
    "DATA_ROOT",
    "DATABASE_URL",
    "DAGSTER_HOME",
    "DAGSTER_UI_URL",
    "COIN_ALLOW_SHORT",
    "COIN_ASYNC",
    "ENABLE_SCHEDULER",
    "SCHEDULER_HOUR",
    "SCHEDULER_MINUTE",
    "SCHEDULER_SYMBOLS",
    "SCHEDULER_TIMEFRAMES",
    "COIN_AUDIT_DAYS",
    "COIN_AUTH",
    "COIN_BIND",
    "COIN_CANDLES",
    "COIN_CANDLE_CACHE_MIB",
    "COIN_COMPUTE_LOGS",
    "COIN_LOG_FORMAT",
    "COIN_API_URL",
    "COIN_PUBLISHED_AT",
    "COIN_RATE_LIMIT",
    "COIN_TOKEN",
    "COIN_ALLOWED_HOSTS",
    "COIN_ALLOWED_ORIGINS",
    "COIN_MAX_CONNECTIONS",
    "CORS_ORIGINS",
    "COIN_MAX_UPLOAD_MIB",
    "COIN_CODE_SERVER",
    "COIN_MAX_QUEUED",
    "COIN_STALL_SECONDS",
    "COIN_TRUSTED_PROXIES",
    "COIN_STRATEGY_FILES",
    "COIN_UI_URL",
    "COIN_UPBIT_URL",
    "COIN_LAUNCHER",
    "COIN_WORKERS",
    "COIN_POOL_ROOM",
    "COIN_RUN_MEMORY_MIB",
    "COIN_MAX_RUN_SECONDS",
    "COIN_LEASE_SECONDS",
    "COIN_MONITOR_SECONDS",
    "SLACK_WEBHOOK_URL",
    "SLACK_ENABLED",
    "SMTP_HOST",
    "SMTP_PORT",
    "SMTP_SECURITY",
    "SMTP_USER",
    "SMTP_PASSWORD",
    "SMTP_FROM_ADDR",
    "EMAIL_TO",
    "EMAIL_ENABLED",
    "COIN_ALLOW_PRIVATE_WEBHOOKS",
    "COIN_ALERT_LANGUAGE",
    "COIN_ALERT_FREE_MIB",
    "COIN_BACKUP_LOCATION",
    "COIN_BACKUP_KEY",
    "COIN_BACKUP_SCHEDULE",
    "BACKUP_RETENTION_DAYS",
)
"""Variables that are removed from the environment of the tests."""


class PlatformScheduling(LoadFileScheduling):
    """Gives each process one file at a time, but the end-to-end and the chaos tests one process each.

    Two platforms at a time are what two cores can start in time; the others run tests without a platform.

    Not an `xdist_group`: xdist would write the group into node ids, which pytest 9.2 does not allow.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/e2e/"):
            return "e2e"
        return "chaos" if nodeid.startswith("tests/chaos/") else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> PlatformScheduling:
    """Distribute the tests over the processes of `pytest -n`."""
    return PlatformScheduling(config, log)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the processes of `-n auto`: one per core, and one more for tests of platforms, which mostly wait."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + any(_selects_platforms(Path(argument.partition("::")[0]).resolve()) for argument in config.args)


def _selects_platforms(path: Path) -> bool:
    folders = (ROOT / "tests/chaos", ROOT / "tests/e2e")
    return any(path.is_relative_to(folder) or folder.is_relative_to(path) for folder in folders)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests that take longest, and give those of platforms more time."""

    def position(item: pytest.Item) -> int:
        positions = [place for place, prefix in enumerate(PLATFORMS) if item.nodeid.startswith(prefix)]
        return positions[0] if positions else len(PLATFORMS)

    items.sort(key=position)
    for item in items:
        if item.nodeid.startswith(PLATFORMS) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PLATFORM_TIMEOUT_S))


@pytest.fixture(scope="module", autouse=True)
def _module_environment(data_root: Path) -> Iterator[None]:
    """Restore the environment after each file, so that an exported DAGSTER_HOME does not reach the next one."""
    assert data_root.is_dir()
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Folder with real market candles; skips the test if they are missing."""
    folder = Path(os.environ.get("COIN_MARKET_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "upbit_KRW-BTC_1h.csv").is_file():
        pytest.skip(f"no real market candles in {folder}; set COIN_MARKET_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """DATA_ROOT of the test session, isolated from the user's settings and .env."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        patch.setenv("DATA_ROOT", str(root))
        patch.setenv("ENVIRONMENT", "test")
        patch.chdir(root)
        keep_session_environment()
        yield root


@pytest.fixture(autouse=True)
def _no_strategy_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the variable to which commands add strategy files."""
    monkeypatch.setenv("COIN_STRATEGY_FILES", "")


@pytest.fixture
def own_root(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DATA_ROOT of one test, with a new database on the session's server: a server of its own takes seconds."""
    assert data_root.is_dir()
    return _use_own_root(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def own_module_root(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """DATA_ROOT of the tests of one module, with a new database on the session's server."""
    assert data_root.is_dir()
    with pytest.MonkeyPatch.context() as patch:
        yield _use_own_root(tmp_path_factory.mktemp("own"), patch)


def _use_own_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the settings name an empty DATA_ROOT and a new database."""
    from coin_pipeline.database.session import connect
    from coin_pipeline.database.url import database_url
    from coin_pipeline.settings import load_settings

    url, name = database_url(load_settings()), f"test_{uuid.uuid4().hex}"
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    monkeypatch.setenv("DATABASE_URL", urlsplit(url)._replace(path=f"/{name}").geturl())
    monkeypatch.setenv("DATA_ROOT", str(root))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)  # that of the session's DATA_ROOT, once an instance was opened
    return root


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def index_url(data_root: Path) -> str:
    """URL of a database with the platform's tables, on the session's embedded server."""
    from coin_pipeline.database.session import connect
    from coin_pipeline.database.url import database_url
    from coin_pipeline.settings import load_settings
    from tests.schemas import create_schema

    assert data_root.is_dir()
    url = database_url(load_settings())
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create database index_of_results")
    own = urlsplit(url)._replace(path="/index_of_results").geturl()
    create_schema(own)
    return own


@pytest.fixture
def index(index_url: str) -> Iterator[ResultIndex]:
    """An empty index in a real database."""
    from coin_pipeline.database.session import Session
    from coin_pipeline.results.index import ResultIndex

    with closing(Session(index_url)) as session:
        session.run(lambda cursor: cursor.execute("truncate coin.result, coin.reuse"))
        yield ResultIndex(session)


@pytest.fixture(scope="session")
def ledger_engine(data_root: Path) -> Iterator[Engine]:
    """Engine of a database with the tables of the ledger, on the session's embedded server."""
    from coin_pipeline.database.engine import create_engine
    from coin_pipeline.database.session import connect
    from coin_pipeline.database.url import database_url
    from coin_pipeline.settings import load_settings
    from tests.schemas import create_schema

    assert data_root.is_dir()
    url = database_url(load_settings())
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create database ledger")
    own = urlsplit(url)._replace(path="/ledger").geturl()
    create_schema(own)
    engine = create_engine(own)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(ledger_engine: Engine) -> Ledger:
    """An empty ledger without short positions."""
    from coin_pipeline.ledger.ledger import Ledger
    from tests.ledger.tampering import tamper

    tamper(ledger_engine, "delete from coin.journal; delete from coin.position; delete from coin.position_total")
    return Ledger(ledger_engine)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server, which verifies signatures."""
    from tests.s3 import start_s3, stop_s3

    folder = tmp_path_factory.mktemp("s3")
    server = start_s3(folder)
    yield server
    stop_s3(server, folder)


@pytest.fixture(scope="session")
def moto_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoAws]:
    """A server with AWS's IAM and S3 APIs, which can enforce policies."""
    from tests.moto_aws import start_moto, stop_moto

    server = start_moto(tmp_path_factory.mktemp("moto") / "log")
    yield server
    stop_moto(server)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind; modules that test only one kind override this fixture."""
    from coin_pipeline.storage.local import LocalStore

    if request.param == "local":
        return LocalStore(tmp_path)
    server: S3Server = request.getfixturevalue("s3_server")
    return server.store(f"tests-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def candles(data_root: Path) -> CandleCatalog:
    """Two years of synthetic daily candles of two markets."""
    return store_candles(data_root)


def store_candles(root: Path) -> CandleCatalog:
    """Store two years of synthetic daily candles of AAA_KRW and BBB_KRW under a DATA_ROOT."""
    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.candles.synthetic import synthetic_candles
    from coin_pipeline.candles.timeframe import parse_timeframe

    catalog = CandleCatalog(root)
    daily = parse_timeframe("1d")
    for seed, symbol in ((1, "AAA_KRW"), (2, "BBB_KRW")):
        catalog.merge(symbol, daily, synthetic_candles(seed, daily, date(2023, 1, 1), 731))
    return catalog
