"""The command that checks an installation."""

import sys
import time
from typing import Literal

import click

from coin_pipeline.cli import options
from coin_pipeline.cli.app import EXIT_FAILED


@click.command()
@click.option("--send", is_flag=True, help="Send a test message through each channel of alerts.")
@click.option(
    "--language",
    type=click.Choice(["en", "ko"]),
    help="Language of the findings; defaults to COIN_ALERT_LANGUAGE.",
)
@options.as_json
def doctor(*, send: bool, language: Literal["en", "ko"] | None, as_json: bool) -> None:
    """Check this installation, running or not, and show what to do about each problem.

    Checks versions, clock, disk, database, all processes, storage, candles, backups, alerts and access at once, in
    about ten seconds, or twenty with a Ray cluster; a check that takes longer is reported as not finished. Starts and
    changes nothing, and sends nothing without --send. A warning is about something that is missing or will fail later.
    Exits with 1 if a check has failed.
    """
    began = time.monotonic()
    from coin_pipeline.cli.views.doctor import print_checks, print_json
    from coin_pipeline.cli.views.progress import spinner
    from coin_pipeline.errors import InvalidSettings
    from coin_pipeline.settings import load_settings

    with spinner("checking the installation"):
        from coin_pipeline.doctor.run import invalid_settings, run_checks

        try:
            settings = load_settings()
        except InvalidSettings as error:
            checks, language = [invalid_settings(error, language or "en")], language or "en"
        else:
            language = language or settings.coin_alert_language
            checks = run_checks(settings, language=language, send=send, spent_s=time.monotonic() - began)
    if as_json:
        print_json(checks)
    else:
        print_checks(checks, language)
    if any(check.state == "failed" for check in checks):
        sys.exit(EXIT_FAILED)
