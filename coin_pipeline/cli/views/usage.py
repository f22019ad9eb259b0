"""Storage usage as a table or as JSON."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal
from rich.table import Table

from coin_pipeline.cli.views.console import new_console
from coin_pipeline.cli.views.progress import item_counter
from coin_pipeline.database.session import Session
from coin_pipeline.database.url import database_url
from coin_pipeline.errors import DatabaseUnavailable
from coin_pipeline.results.usage import (
    KindUsage,
    TableUsage,
    disk_files,
    store_objects,
    sum_by_kind,
    table_usage,
)
from coin_pipeline.storage.base import ObjectStore
from coin_pipeline.storage.open_store import open_archive, open_store

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage of everything the platform stores.

    Attributes:
        kinds: Usage by place and kind.
        tables: Usage of the database by group of tables; empty if it is not available.
        free: Free bytes of the disk of DATA_ROOT.
        notices: A sentence for everything that could not be counted.
    """

    kinds: Sequence[KindUsage]
    tables: Sequence[TableUsage]
    free: int
    notices: list[str] = field(default_factory=list)


def print_usage(settings: "Settings", *, as_json: bool) -> None:
    """Count what is stored and print it."""
    now = datetime.now(UTC)
    report = _count(settings, now)
    if as_json:
        content = {
            "data_root": str(settings.data_root),
            "objects": [usage.to_json(now) for usage in report.kinds],
            "database": [{"group": group, "rows": rows, "bytes": size} for group, rows, size in report.tables],
            "free_bytes": report.free,
            "notices": report.notices,
        }
        click.echo(json.dumps(content))
        return
    new_console().print(_kinds_table(report.kinds, now))
    if report.tables:
        new_console().print(_database_table(report.tables))
    used = sum(usage.on_disk or 0 for usage in report.kinds)
    click.echo(f"\n{decimal(used)} on the disk of {settings.data_root}, {decimal(report.free)} free")
    for notice in report.notices:
        click.secho(notice, fg="yellow", err=True)


def _count(settings: "Settings", now: datetime) -> UsageReport:
    notices: list[str] = []
    places = [("disk", disk_files(settings.data_root, lambda error: notices.append(f"not counted: {error}")))]
    places += [(name, store_objects(store)) for name, store in _buckets(settings)]
    kinds: list[KindUsage] = []
    with item_counter("counting objects") as counted:
        for where, files in places:
            kinds += sum_by_kind(where, counted(files), now)
    tables: list[TableUsage] = []
    try:
        with closing(Session(database_url(settings))) as session:
            tables = table_usage(session)
    except DatabaseUnavailable as error:  # it may be the full disk that this is about
        notices.append(f"tables of the database are not counted: {error}")
    return UsageReport(kinds, tables, shutil.disk_usage(settings.data_root).free, notices)


def _buckets(settings: "Settings") -> Iterator[tuple[str, ObjectStore]]:
    """Yield the bucket of the results and that of the archive, as far as they are configured."""
    if settings.aws_bucket_name:
        yield "bucket", open_store(settings)
    if settings.coin_archive_bucket:
        yield "archive", open_archive(settings)


def _kinds_table(kinds: Sequence[KindUsage], now: datetime) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("where")
    table.add_column("kind", no_wrap=True)
    for name in ("objects", "size", "on disk", "oldest", "newest", "per day"):
        table.add_column(name, justify="right", no_wrap=True)
    for usage in kinds:
        table.add_row(
            usage.where,
            usage.kind,
            f"{usage.objects:,}",
            decimal(usage.size),
            "" if usage.on_disk is None else decimal(usage.on_disk),
            f"{usage.oldest:%Y-%m-%d}",
            f"{usage.newest:%Y-%m-%d}",
            decimal(round(usage.bytes_per_day(now))),
        )
    return table


def _database_table(groups: Sequence[TableUsage]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("\ntables of the database", no_wrap=True)
    for name in ("rows (about)", "size"):
        table.add_column(f"\n{name}", justify="right", no_wrap=True)
    for group, rows, size in groups:
        table.add_row(group, f"{rows:,}", decimal(size))
    return table
