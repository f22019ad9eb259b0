"""Databases with the platform's tables but without Dagster's, whose creation takes seconds."""

from contextlib import closing

from coin_pipeline.database.schema import upgrade
from coin_pipeline.database.session import connect

RUNS = """
create table if not exists runs (
    run_id varchar(255) unique, status varchar(63), run_body text, start_time float, end_time float, id bigserial
)
"""
"""What the platform's tables need of Dagster's."""


def create_schema(url: str) -> None:
    """Create the platform's tables at their newest revision, and the table of runs."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(RUNS)
    upgrade(url)
