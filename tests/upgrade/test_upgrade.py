"""A DATA_ROOT and a database of the previous release, made by its own code, under this version."""

import json
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import dagster as dg
import pytest
from click.testing import CliRunner

from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import complete_stored_spec, resolve
from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.cli.app import coin
from coin_pipeline.database import schema
from coin_pipeline.database.programs import ServerInfo, find_program
from coin_pipeline.database.session import Session, connect
from coin_pipeline.database.url import database_url
from coin_pipeline.defs.in_process import run_in_process
from coin_pipeline.defs.run_requests import backtest_submission
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.orchestration.storage import set_up
from coin_pipeline.results.index import Filters, ResultIndex
from coin_pipeline.results.replay import replay_backtest
from coin_pipeline.results.store import load_result, read_result
from coin_pipeline.settings import load_settings
from coin_pipeline.storage.open_store import open_store
from coin_pipeline.strategies.registry import load_registry
from coin_pipeline.sweeps.replay import replay_sweep

RELEASE = Path(__file__).with_name("0.1.0.tar.xz")
WITHOUT_MIGRATIONS = "0001"
"""The revision whose tables a release without `coin database` uses."""
COLUMNS = """
select table_name, column_name, data_type from information_schema.columns
where table_schema = 'coin' and table_name <> 'schema_revision'"""


class Installation(NamedTuple):
    """A DATA_ROOT of the release, its database, and what its API answered."""

    root: Path
    url: str
    answers: dict[str, Any]


def restored(root: Path) -> Installation:
    """Unpack the release's data, and its database into a new one on the session's server."""
    with tarfile.open(RELEASE) as archive:
        # Python has the argument `filter` since 3.11.4, and warns without one since 3.12.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)  # type: ignore[method-assign,assignment]
        archive.extractall(root)  # noqa: S202 -- the file of this folder
    url, name = database_url(load_settings()), f"release_{uuid.uuid4().hex}"
    query(url, f"create database {name}")
    own = urlsplit(url)._replace(path=f"/{name}").geturl()
    psql = find_program("psql", ServerInfo(0, tls=False))
    subprocess.run(
        [psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "-f", root / "database.sql", own],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Installation(root / "data", own, json.loads((root / "answers.json").read_text()))


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def upgraded(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The release's data after the first start of this version."""
    assert data_root.is_dir()
    release = restored(tmp_path_factory.mktemp("release"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(release.root))
        patch.setenv("DATABASE_URL", release.url)
        with open_instance(load_settings()):
            yield release


@pytest.fixture
def instance(upgraded: Installation) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance on it."""
    assert upgraded
    with open_instance(load_settings()) as instance:
        yield instance


def test_the_first_start_upgrades_the_tables(upgraded: Installation) -> None:
    """Afterwards every program finds the revision that it needs."""
    assert schema.is_current(upgraded.url)


def test_results_are_returned_as_before(upgraded: Installation) -> None:
    """Each field and figure that the release's API returned."""
    store = open_store(load_settings())
    for run_id, document in upgraded.answers["results"].items():
        assert json.loads(read_result(store, run_id)) == document


def test_lists_of_results_are_as_before(upgraded: Installation) -> None:
    """In the same order; nothing has to be indexed again."""
    with closing(Session(upgraded.url)) as session:
        listed = [entry.run_id for entry in ResultIndex(session).page(Filters(), 10).entries]
    assert listed == upgraded.answers["history"]


def test_runs_are_listed_with_their_events(upgraded: Installation, instance: dg.DagsterInstance) -> None:
    """Dagster reads the runs that its earlier version has stored, as its UI does."""
    expected = {*upgraded.answers["results"], upgraded.answers["sweep"]}
    runs = {run.run_id: run.status for run in instance.get_runs() if run.run_id in expected}
    assert runs == dict.fromkeys(expected, dg.DagsterRunStatus.SUCCESS)
    for run_id in expected:
        assert instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_SUCCESS)


def test_replays_have_the_same_figures(upgraded: Installation) -> None:
    """A sweep is identical; a backtest but for new fields and the sentence of its look-ahead check."""
    settings = load_settings()
    sources = open_store(settings), CandleCatalog(settings.data_root), load_registry()
    assert replay_sweep(*sources, upgraded.answers["sweep"]).identical
    replay = replay_backtest(*sources, upgraded.answers["task"])
    others = [(each.kind, each.name) for each in replay.differences if each.kind not in {"code", "versions"}]
    codes = [f"symbols.0.checks.{check}.{name}" for check in (0, 1) for name in ("code", "values")]
    added = [("field", name) for name in (*codes, "symbols.0.unfilled_signals", "warning_codes")]
    assert sorted(others) == [*added, ("text", "symbols.0.checks.1.detail")]


def test_the_command_accepts_another_wording(upgraded: Installation) -> None:
    """It names the sentence, and exits as for an identical result."""
    done = CliRunner().invoke(coin, ["replay", upgraded.answers["task"]], catch_exceptions=False)
    assert done.exit_code == 0
    assert "all stored figures are identical" in done.stdout
    assert "symbols.0.checks.1.detail\n  stored  " in done.stdout


def test_a_backtest_runs_on_it_with_the_same_figures(upgraded: Installation, instance: dg.DagsterInstance) -> None:
    """The tables of Dagster's earlier version accept runs of this one."""
    before = upgraded.answers["results"][upgraded.answers["task"]]
    spec = resolve(parse_request(complete_stored_spec(before["spec"])), load_registry())  # it had other defaults
    run_id = run_in_process(load_settings(), backtest_submission(spec, "tasks"), lambda _event: None)
    stored = instance.get_run_by_id(run_id)
    assert stored
    assert stored.status == dg.DagsterRunStatus.SUCCESS
    now = load_result(open_store(load_settings()), run_id)
    for name in ("metrics", "account", "costs", "stops", "total_signals"):
        assert now[name] == before[name], name


def test_dagster_instance_migrate_finds_nothing_to_do(upgraded: Installation, instance: dg.DagsterInstance) -> None:
    """A release of Dagster that changes its tables needs the command; this one does not."""
    before = query(upgraded.url, "select version_num from alembic_version")
    instance.upgrade()
    assert query(upgraded.url, "select version_num from alembic_version") == before


def test_the_way_back_leaves_the_tables_of_the_release(data_root: Path, tmp_path: Path) -> None:
    """Their columns and rows are there after an upgrade and a downgrade, as the release expects them."""
    assert data_root.is_dir()
    release = restored(tmp_path)
    columns, rows = query(release.url, COLUMNS), query(release.url, "select run_id from coin.result order by 1")
    set_up(release.url)
    schema.downgrade(release.url, WITHOUT_MIGRATIONS)
    assert {*columns} <= {*query(release.url, COLUMNS)}
    assert query(release.url, "select run_id from coin.result order by 1") == rows
