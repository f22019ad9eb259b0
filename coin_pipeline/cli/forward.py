"""Commands on forward tests."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coin_pipeline.cli import options
from coin_pipeline.forward.spec import ForwardRequest

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from coin_pipeline.candles.catalog import CandleCatalog
    from coin_pipeline.forward.advance import Advancer
    from coin_pipeline.languages import Language
    from coin_pipeline.settings import Settings


@click.group()
def forward() -> None:
    """Test strategies forward: on paper, candle by candle as they close.

    While 'coin up' is running, a schedule advances all active tests. 'coin forward advance' does it once.
    """


@forward.command("start")
@click.argument("strategy")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@options.request_options(ForwardRequest, "strategy", "symbols", "collect")
@click.option("--no-collect", is_flag=True, help="Do not collect candles from the exchange; they are imported instead.")
@options.strategy_files
@options.as_json
def start_test(
    params: tuple[str, ...], strategy_files: tuple[Path, ...], *, no_collect: bool, as_json: bool, **fields: object
) -> None:
    """Start a forward test of STRATEGY on one or more SYMBOLs.

    Each symbol has an account of its own. Its trades are in the ledger, in a book of the test.

    \b
    coin forward start volume_zone_breakout BTC_KRW ETH_KRW --timeframe 1h --param volume_window=20
    """
    from functools import partial

    from coin_pipeline.cli.backtests import parse_params, read_settings
    from coin_pipeline.cli.views.forward import print_started
    from coin_pipeline.forward.documents import ForwardSummary
    from coin_pipeline.forward.spec import parse_forward
    from coin_pipeline.forward.start import check_strategy, start

    request = parse_forward({**fields, "params": parse_params(params), "collect": not no_collect})
    with _open(read_settings(strategy_files)) as (advancer, catalog):
        check_strategy(catalog, advancer.registry, request)
        test = start(advancer.ledger, catalog, advancer.registry, request)
        summary = advancer.ledger.run(partial(ForwardSummary.of, test=test))
    if as_json:
        click.echo(summary.model_dump_json())
    else:
        print_started(test)


@forward.command("list")
@options.as_json
def list_tests(*, as_json: bool) -> None:
    """List the forward tests, the newest first."""
    from coin_pipeline.cli.backtests import read_settings
    from coin_pipeline.cli.views.forward import print_list
    from coin_pipeline.forward.documents import list_documents

    with _open(read_settings()) as (advancer, _):
        tests = advancer.ledger.run(list_documents)
    if as_json:
        click.echo(tests.model_dump_json())
    else:
        print_list(tests)


@forward.command("show")
@click.argument("test_id", metavar="ID")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Newest decisions to show.")
@options.as_json
def show_test(test_id: str, limit: int, *, as_json: bool) -> None:
    """Show a forward test: its accounts and its newest decisions. ID may be the beginning of an id."""
    from functools import partial

    from coin_pipeline.cli.backtests import read_settings
    from coin_pipeline.cli.views.forward import print_test
    from coin_pipeline.forward.documents import DecisionQuery, describe

    query = DecisionQuery(limit=limit)
    with _open(read_settings()) as (advancer, _):
        test = advancer.ledger.run(partial(describe, test_id=_find(advancer, test_id), query=query))
    if as_json:
        click.echo(test.model_dump_json())
    else:
        print_test(test)


@forward.command("drift")
@click.argument("test_id", metavar="ID")
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write the page of the report here.")
@options.language
@options.strategy_files
@options.as_json
def show_drift(
    test_id: str, output: Path | None, language: "Language", strategy_files: tuple[Path, ...], *, as_json: bool
) -> None:
    """Compare a forward test with the backtest of the candles that it has decided, and explain the difference.

    Exits with 1 if money or a decision is left unexplained, or if the edge has decayed beyond its bound.

    \b
    coin forward drift ID --output drift.html
    """
    from coin_pipeline.cli.backtests import read_settings
    from coin_pipeline.cli.views.drift import print_drift, write_page
    from coin_pipeline.forward.drift.build import read_drift
    from coin_pipeline.forward.drift.document import drift_json

    with _open(read_settings(strategy_files)) as (advancer, catalog):
        report = read_drift(advancer.ledger, _find(advancer, test_id), catalog, advancer.registry)
    document = drift_json(report)
    if output:
        write_page(document, output, language)
    if as_json:
        click.echo(json.dumps(document))
    else:
        print_drift(document)
    if document["problems"]:
        sys.exit(1)


@forward.command("advance")
@click.argument("test_id", metavar="[ID]", required=False)
@options.strategy_files
def advance_tests(test_id: str | None, strategy_files: tuple[Path, ...]) -> None:
    """Collect new candles and decide them now, for one test or for all active ones, as a recorded Dagster run."""
    from coin_pipeline.cli.backtests import read_settings
    from coin_pipeline.defs.in_process import run_in_process
    from coin_pipeline.defs.run_requests import forward_submission

    settings = read_settings(strategy_files)
    with _open(settings) as (advancer, _):
        found = None if test_id is None else str(_find(advancer, test_id))
    run_id = run_in_process(settings, forward_submission(found), lambda _: None)
    click.echo(f"advanced by run {run_id}; 'coin forward list' shows the tests")


@forward.command("stop")
@click.argument("test_id", metavar="ID")
@click.option("--close", is_flag=True, help="Sell open positions at the close of the last decided candle.")
def stop_test(test_id: str, *, close: bool) -> None:
    """Stop a forward test permanently. Its decisions and its trades stay; so do open positions, without --close."""
    from coin_pipeline.cli.backtests import read_settings

    with _open(read_settings()) as (advancer, _):
        test = advancer.stop(_find(advancer, test_id), close=close)
    click.echo(f"forward test {test.test_id} is stopped; its trades are in the book {test.book}")


@contextmanager
def _open(settings: "Settings") -> "Iterator[tuple[Advancer, CandleCatalog]]":
    from coin_pipeline.candles.open_catalog import open_catalog
    from coin_pipeline.cli.database import ready_database
    from coin_pipeline.database.engine import create_engine
    from coin_pipeline.forward.advance import Advancer
    from coin_pipeline.ledger.ledger import Ledger
    from coin_pipeline.strategies.registry import load_registry

    engine = create_engine(ready_database(settings))
    catalog = open_catalog(settings)
    try:
        yield Advancer(Ledger(engine), catalog, load_registry(settings.coin_strategy_files)), catalog
    finally:
        engine.dispose()


def _find(advancer: "Advancer", text: str) -> "uuid.UUID":
    """Return the id of the test whose id begins with a text.

    Raises:
        ForwardTestNotFound: No id does.
        InvalidInput: Several do.
    """
    import uuid

    from coin_pipeline.cli.ids import unique_id
    from coin_pipeline.errors import ForwardTestNotFound
    from coin_pipeline.forward.store import list_tests

    start = text.lower()
    every = (str(test.test_id) for test in advancer.ledger.run(list_tests))
    found = unique_id(start, [test_id for test_id in every if test_id.startswith(start)])
    if found is None:
        raise ForwardTestNotFound(text)
    return uuid.UUID(found)
