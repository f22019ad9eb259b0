"""Commands that set up, check and measure storage."""

import sys
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli import options
from coin_pipeline.cli.app import EXIT_FAILED

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings
    from coin_pipeline.storage.bucket import Bucket

_COLOURS = {"ok": "green", "note": "yellow", "fail": "red"}


@click.group()
def storage() -> None:
    """Set up, check and measure storage: the bucket AWS_BUCKET_NAME, or else DATA_ROOT."""


@storage.command()
@click.option("--versioning", is_flag=True, help="Keep versions of objects that are replaced or deleted.")
def init(*, versioning: bool) -> None:
    """Create the bucket and configure it.

    Blocks public access and sets lifecycle rules: objects in backtests/ expire after 30 days, incomplete uploads
    after one. Safe to repeat: correct settings and other lifecycle rules are left alone. Needs more permissions than
    storing results, so use an administrator's credentials. Without AWS_BUCKET_NAME, creates the folders under
    DATA_ROOT instead.
    """
    from coin_pipeline.settings import load_settings

    settings = load_settings()
    if not settings.aws_bucket_name:
        _create_folders(settings)
        return
    for line in _bucket(settings, settings.aws_bucket_name).set_up(versioning=versioning):
        click.echo(line)


@storage.command()
def check() -> None:
    """Check that results can be stored; exits with 1 if not.

    Puts, reads, lists and deletes an object under runs/, and prints a line per step, with the remedy if it fails.
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
    for state, step, message in findings:
        click.echo(f"{click.style(f'{state:<4}', fg=_COLOURS[state])}  {step:<11}  {message}".rstrip())
    if failed:
        sys.exit(EXIT_FAILED)


@storage.command()
@click.option("--bucket", help="Bucket name; defaults to AWS_BUCKET_NAME.")
def policy(bucket: str | None) -> None:
    """Print the IAM policy for accounts that store results.

    It grants the permissions this needs and no others, on this bucket only.
    """
    from coin_pipeline.settings import load_settings
    from coin_pipeline.storage.bucket import iam_policy

    name = bucket or load_settings().aws_bucket_name
    if not name:
        message = "no bucket given; set AWS_BUCKET_NAME or pass --bucket"
        raise click.UsageError(message)
    click.echo(iam_policy(name), nl=False)


@storage.command()
@options.as_json
def usage(*, as_json: bool) -> None:
    """Show how much is stored, by kind of object, and how fast it grows.

    Counts every file under DATA_ROOT and every object in the buckets of the settings, and asks the database for the
    size of its tables. "per day" is the mean of the last seven days, without what was removed in the meantime.
    """
    from coin_pipeline.cli.views.usage import print_usage
    from coin_pipeline.settings import load_settings

    print_usage(load_settings(), as_json=as_json)


def _bucket(settings: "Settings", name: str) -> "Bucket":
    from coin_pipeline.storage.bucket import Bucket
    from coin_pipeline.storage.open_store import FAST_TIMEOUTS, new_client

    return Bucket(new_client(settings, FAST_TIMEOUTS), name)


def _create_folders(settings: "Settings") -> None:
    from coin_pipeline.storage.atomic import translate_os_errors

    click.echo(f"AWS_BUCKET_NAME is not set: results are stored under {settings.data_root}")
    for name in ("tasks", "results"):
        folder = settings.data_root / name
        exists = folder.is_dir()
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        click.echo(f"{folder} {'exists' if exists else 'created'}")
