"""A stored result of either kind, and the verification of stored results."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.cli.links import public_urls
from coin_pipeline.cli.views.backtest import summary_lines
from coin_pipeline.results.store import load_result, report_key, result_key, task_key
from coin_pipeline.storage.open_store import open_store

if TYPE_CHECKING:
    from coin_pipeline.backtest.spec import ResultArea
    from coin_pipeline.results.verify import VerifiedResult
    from coin_pipeline.settings import Settings


def print_result(settings: "Settings", run_id: str, *, draw: bool = False, reused: bool = False) -> None:
    """Print the summary of a stored result and where its files are.

    Args:
        settings: Where results are stored.
        run_id: Run whose result is printed.
        draw: Whether to draw the equity of a backtest.
        reused: Whether the result was stored by an earlier, identical run; the summary then states this.
    """
    document = load_result(open_store(settings), run_id)
    if str(document.get("version")).startswith("sweep"):
        from coin_pipeline.cli.views.console import new_console
        from coin_pipeline.cli.views.sweep import print_sweep

        print_sweep(new_console(), document)
    else:
        for line in summary_lines(document):
            click.echo(line)
        if draw:
            from coin_pipeline.cli.views.equity import print_equity

            print_equity(open_store(settings), run_id, document)
    for name, location in _locations(settings, document):
        click.echo(f"{name:<10}{location}")
    if reused:
        computed = document["metadata"]["execution_date"][:19]
        click.echo(f"\nreused from {run_id}, computed {computed} UTC; --fresh runs it again")


def _locations(settings: "Settings", document: dict[str, Any]) -> list[tuple[str, str]]:
    run_id = document["run_id"]
    store = open_store(settings)
    area: ResultArea = "results" if store.exists(result_key("results", run_id)) else "tasks"
    locations = [("Run", run_id), ("Result", store.uri(result_key(area, run_id)))]
    stored = store.exists(report_key(area, run_id))
    locations.append(("Report", store.uri(report_key(area, run_id)) if stored else f"coin results report {run_id}"))
    if "trials" in document:
        trials = document["trials"]
        uri = store.uri(task_key(run_id, trials["file"]))
        locations.append(("Trials", f"{uri} ({pluralize(trials['rows'], 'row')})"))
    if "fingerprint" in document:
        locations.append(("Dagster", f"{public_urls(settings).ui}/runs/{run_id}  (while 'coin up' runs)"))
    return locations


def print_verification(verified: Sequence["VerifiedResult"]) -> bool:
    """Print the problems of stored results and how much was read; return whether there are none."""
    damaged = [result for result in verified if result.problems]
    for result in damaged:
        for problem in result.problems:
            click.secho(f"{result.run_id}: {problem}", fg="red", err=True)
    objects, size = sum(result.objects for result in verified), sum(result.size for result in verified)
    unchecked = sum(result.unchecked for result in verified)
    read = f"{pluralize(len(verified), 'result')}, {pluralize(objects, 'object')}, {size / 2**20:,.1f} MiB"
    verdict = f"{len(damaged):,} damaged" if damaged else "all intact"
    click.secho(f"{read}: {verdict}", fg="red" if damaged else "green")
    if unchecked:
        click.echo(f"{pluralize(unchecked, 'object')} without a checksum, as the legacy platform stored them")
    return not damaged
