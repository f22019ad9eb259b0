"""Space of removed rows, on a real PostgreSQL with Dagster's tables."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from coin_pipeline.database.compaction import MIN_BYTES, database_bytes, reclaim_space
from coin_pipeline.database.session import connect
from coin_pipeline.database.url import database_url, release_database
from coin_pipeline.orchestration.instance import open_instance
from coin_pipeline.settings import load_settings

FILL = """
insert into event_logs (run_id, event, dagster_event_type, timestamp)
select gen_random_uuid(), repeat('x', 1000), 'STEP_START', now() from generate_series(1, 45000)"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of this module's own, with all tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(tmp_path_factory.mktemp("compaction")))
        patch.delenv("DAGSTER_HOME", raising=False)
        settings = load_settings()
        with open_instance(settings):
            yield database_url(settings)
        release_database(settings)


@pytest.fixture
def mostly_empty(url: str) -> str:
    """The database after most of its events were removed."""
    execute(url, FILL)
    execute(url, "delete from event_logs where id % 20 > 0")
    return url


def execute(url: str, statement: str) -> None:
    """Run a statement."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_space_of_removed_rows_is_returned(mostly_empty: str) -> None:
    """The database shrinks by what the rows and their index entries took; the remaining rows stay."""
    before = database_bytes(mostly_empty)
    assert reclaim_space(mostly_empty, lambda: True) == []
    assert database_bytes(mostly_empty) < before - MIN_BYTES


def test_a_table_in_use_is_not_rewritten(mostly_empty: str) -> None:
    """While a run is active the space is only made reusable."""
    before = database_bytes(mostly_empty)
    assert reclaim_space(mostly_empty, lambda: False) == []
    assert database_bytes(mostly_empty) >= before
    execute(mostly_empty, FILL)
    assert database_bytes(mostly_empty) < before + MIN_BYTES


def test_a_locked_table_is_reported(mostly_empty: str) -> None:
    """Another session that reads the table keeps it; the others are still vacuumed."""
    with closing(connect(mostly_empty)) as reader, reader.cursor() as cursor:
        cursor.execute("begin; select 1 from event_logs limit 1")
        (notice,) = reclaim_space(mostly_empty, lambda: True)
    assert notice.startswith("space of table event_logs is not returned: canceling statement due to lock timeout")
