"""Setting up and checking where results are stored."""

import sys
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli.app import EXIT_FAILED

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings
    from coin_pipeline.storage.bucket import Bucket

_COLOURS = {"ok": "green", "note": "yellow", "fail": "red"}


@click.group()
def storage() -> None:
    """Where results are stored: the bucket AWS_BUCKET_NAME, or DATA_ROOT."""


@storage.command()
@click.option("--versioning", is_flag=True, help="Keep versions that were replaced or deleted.")
def init(*, versioning: bool) -> None:
    """Make the bucket and set it up.

    Blocks public access to it, and sets what expires: backtests/ after 30 days, unfinished uploads after one. May be
    repeated: what is as wanted stays, and so do rules of the lifecycle that are not this program's. Needs more
    permissions than storing results does, so run it with an administrator's credentials. Without AWS_BUCKET_NAME it
    makes the folders below DATA_ROOT.
    """
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    if not settings.aws_bucket_name:
        _make_folders(settings)
        return
    for line in _bucket(settings, settings.aws_bucket_name).set_up(versioning=versioning):
        click.echo(line)


@storage.command()
def check() -> None:
    """Try whether results can be stored; exit code 1 if not.

    An object below runs/ is put, read, listed and removed; a line tells of each, and what to do where it fails.
    """
    from coin_pipeline.settings import load_settings
    from coin_pipeline.storage.open_store import FAST_TIMEOUTS, open_store
    from coin_pipeline.storage.probe import probe_bucket, probe_store

    settings = load_settings()
    store = open_store(settings, FAST_TIMEOUTS)
    click.echo(store.uri("results"))
    findings = list(probe_store(store))
    failed = any(finding.status == "fail" for finding in findings)
    if settings.aws_bucket_name and not failed:
        findings += probe_bucket(_bucket(settings, settings.aws_bucket_name))
    for state, what, says in findings:
        click.echo(f"{click.style(f'{state:<4}', fg=_COLOURS[state])}  {what:<11}  {says}".rstrip())
    if failed:
        sys.exit(EXIT_FAILED)


@storage.command()
@click.option("--bucket", help="Another bucket than AWS_BUCKET_NAME.")
def policy(bucket: str | None) -> None:
    """Print the IAM policy for who stores results.

    It permits no more than that takes, in this bucket alone.
    """
    from coin_pipeline.settings import load_settings
    from coin_pipeline.storage.bucket import iam_policy as policy_of

    name = bucket or load_settings().aws_bucket_name
    if not name:
        msg = "no bucket is named; set AWS_BUCKET_NAME, or give --bucket"
        raise click.UsageError(msg)
    click.echo(policy_of(name), nl=False)


def _bucket(settings: "Settings", name: str) -> "Bucket":
    from coin_pipeline.storage.bucket import Bucket
    from coin_pipeline.storage.open_store import FAST_TIMEOUTS, new_client

    return Bucket(new_client(settings, FAST_TIMEOUTS), name)


def _make_folders(settings: "Settings") -> None:
    from coin_pipeline.storage.atomic import translate_os_errors

    click.echo(f"AWS_BUCKET_NAME is not set, so results lie below {settings.data_root}")
    for name in ("tasks", "results"):
        folder = settings.data_root / name
        there = folder.is_dir()
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        click.echo(f"{folder} is {'there' if there else 'made'}")
