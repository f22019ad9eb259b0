"""What every test may ask for."""

import os
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.results.index import ResultIndex, create_table
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.local import LocalStore
from tests.moto_aws import MotoAws, start_moto, stop_moto
from tests.s3 import S3Server, start_s3, stop_s3

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = ("tests/chaos/", "tests/e2e/")
OURS = (
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
    "COIN_ASYNC",
    "ENABLE_SCHEDULER",
    "SCHEDULER_HOUR",
    "SCHEDULER_MINUTE",
    "SCHEDULER_SYMBOLS",
    "SCHEDULER_TIMEFRAMES",
    "COIN_MAX_UPLOAD_MIB",
    "COIN_CODE_SERVER",
    "COIN_MAX_QUEUED",
    "COIN_STRATEGY_FILES",
    "COIN_UPBIT_URL",
)


class _Scheduling(LoadFileScheduling):
    """Gives each process a file at a time, and one of them all that start whole platforms: two would be too much.

    xdist's own groups are marks that it writes into node ids, which pytest 9.2 does not let it.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "platforms" if nodeid.startswith(PLATFORMS) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    """Spread the tests over processes, where there are several."""
    return _Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(PLATFORMS))


@pytest.fixture(scope="module", autouse=True)
def _own_environment(data_root: Path) -> Iterator[None]:
    """What is exported while the tests of a file run, a DAGSTER_HOME say, is not there for those of the next one."""
    assert data_root.is_dir()
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Folder with the real market candles; a test that asks for it is skipped where they are absent."""
    folder = Path(os.environ.get("COIN_MARKET_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "upbit_KRW-BTC_1h.csv").is_file():
        pytest.skip(f"real market candles are not at {folder}; name their folder in COIN_MARKET_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A DATA_ROOT of the session's own, away from the settings and the .env of whoever runs the tests."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        for name in OURS:
            patch.delenv(name, raising=False)
        patch.setenv("DATA_ROOT", str(root))
        patch.setenv("ENVIRONMENT", "test")
        patch.chdir(root)
        yield root


@pytest.fixture(autouse=True)
def _no_strategy_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands add to this variable of the process; no test sees what another one added."""
    monkeypatch.setenv("COIN_STRATEGY_FILES", "")


@pytest.fixture(scope="session")
def index_url(data_root: Path) -> str:
    """A database of its own for the index of results, on the session's embedded server."""
    assert data_root.is_dir()
    url = database_url(load_settings())
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("create database index_of_results")
    own = urlsplit(url)._replace(path="/index_of_results").geturl()
    with closing(Session(own)) as session:
        create_table(session)
    return own


@pytest.fixture
def index(index_url: str) -> Iterator[ResultIndex]:
    """An empty index in a real database."""
    with closing(Session(index_url)) as session:
        session.run(lambda cursor: cursor.execute("truncate coin.result"))
        yield ResultIndex(session)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that speaks S3 over HTTP and checks signatures."""
    folder = tmp_path_factory.mktemp("s3")
    server = start_s3(folder)
    yield server
    stop_s3(server, folder)


@pytest.fixture(scope="session")
def moto_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoAws]:
    """A server that speaks as AWS's IAM and S3 do, and enforces policies when told to."""
    server = start_moto(tmp_path_factory.mktemp("moto") / "log")
    yield server
    stop_moto(server)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind in turn; a module whose tests need one kind has a fixture of this name itself."""
    if request.param == "local":
        return LocalStore(tmp_path)
    server: S3Server = request.getfixturevalue("s3_server")
    return server.store(f"tests-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def candles(data_root: Path) -> CandleCatalog:
    """Two years of generated daily candles of two markets."""
    return store_candles(data_root)


def store_candles(root: Path) -> CandleCatalog:
    """Store two years of daily candles of AAA_KRW and BBB_KRW."""
    catalog = CandleCatalog(root)
    daily = parse_timeframe("1d")
    for seed, symbol in ((1, "AAA_KRW"), (2, "BBB_KRW")):
        catalog.merge(symbol, daily, synthetic_candles(seed, daily, date(2023, 1, 1), 731))
    return catalog
