"""Results and strategies as lines on a terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from coin_pipeline.backtest.formatting import pluralize
from coin_pipeline.errors import CoinError
from coin_pipeline.results.legacy import finite_number, parse_count, parts_of
from coin_pipeline.results.store import load_result, report_key, result_key, task_key
from coin_pipeline.storage.open_store import open_store

if TYPE_CHECKING:
    from coin_pipeline.backtest.spec import ResultArea
    from coin_pipeline.results.verify import VerifiedResult
    from coin_pipeline.settings import Settings
    from coin_pipeline.strategies.registry import StrategyRegistry

UNDEFINED = "-"
MAX_LINES = 5


def print_result(settings: "Settings", run_id: str, *, reused: bool = False) -> None:
    """Print a stored result in about twenty lines, and where it was `reused` say so."""
    document = load_result(open_store(settings), run_id)
    if str(document.get("version")).startswith("sweep"):
        from coin_pipeline.cli.views.sweep import print_document

        print_document(new_console(), document)
    else:
        for line in summary_lines(document):
            click.echo(line)
    for name, place in _places(settings, document):
        click.echo(f"{name:<10}{place}")
    if reused:
        computed = document["metadata"]["execution_date"][:19]
        click.echo(f"\nreused from {run_id}, computed {computed} UTC; --fresh runs it again")


def summary_lines(document: dict[str, Any]) -> list[str]:
    """Return the figures of a result of schema 1.2.0 as lines; of an older one, what it holds."""
    symbols = parts_of(document)
    names = ", ".join(part["symbol"] for part in symbols[:MAX_LINES]) + (" ..." if len(symbols) > MAX_LINES else "")
    days = f"{document.get('start_date', UNDEFINED)} to {document.get('end_date', UNDEFINED)}"
    title = f"{document.get('strategy', UNDEFINED)} on {names}, {days}"
    if "metrics" not in document:
        return [title, "", *_older(document, symbols), ""]
    return [
        f"{title}, {document['timeframe']}",
        "",
        *_figures(document),
        "",
        *_first(f"{'Data':<10}{_coverage(part)}" for part in symbols),
        *_checks(symbols),
        *_first(f"{'Warning':<10}{warning}" for warning in document["warnings"]),
        "",
    ]


def _older(document: dict[str, Any], symbols: Sequence[dict[str, Any]]) -> list[str]:
    """Return what a result of the older platform tells of each symbol."""
    told = f"  an older result (schema {document.get('version', '1.0')}); --json prints it as stored"
    return [told, "", *_first(f"  {_older_figures(part)}" for part in symbols)]


def _older_figures(part: dict[str, Any]) -> str:
    signals, won = parse_count(part.get("signals")), finite_number(part.get("win_rate"))
    average, deepest = finite_number(part.get("avg_return")), finite_number(part.get("max_drawdown"))
    figures = [
        f"{UNDEFINED if signals is None else f'{signals:,}'} signals",
        f"win rate {UNDEFINED if won is None else f'{won:.1%}'}",
        f"average {UNDEFINED if average is None else f'{average:+.2f} %'} a trade",
        f"max drawdown {UNDEFINED if deepest is None else f'{deepest:.2f} %'}",
    ]
    return f"{part['symbol']:<12}{', '.join(figures)}"


def print_verdicts(verdicts: Sequence["VerifiedResult"]) -> bool:
    """Print what is wrong with stored results, and how much was read; return whether all is well."""
    bad = [verdict for verdict in verdicts if verdict.problems]
    for verdict in bad:
        for problem in verdict.problems:
            click.secho(f"{verdict.run_id}: {problem}", fg="red", err=True)
    objects, size = sum(verdict.objects for verdict in verdicts), sum(verdict.size for verdict in verdicts)
    unchecked = sum(verdict.unchecked for verdict in verdicts)
    read = f"{pluralize(len(verdicts), 'result')}, {pluralize(objects, 'object')}, {size / 2**20:,.1f} MiB"
    say = f"{len(bad):,} not as stored" if bad else "all as they were stored"
    click.secho(f"{read}: {say}", fg="red" if bad else "green")
    if unchecked:
        click.echo(f"{pluralize(unchecked, 'object')} came without a checksum, as those of the older platform do")
    return not bad


def print_strategies(registry: "StrategyRegistry") -> None:
    """Print each strategy with its params, their defaults and ranges."""
    from coin_pipeline.strategies.registry import describe_strategy, format_bounds

    for name in registry.names():
        told = describe_strategy(registry.get(name))
        click.secho(name, bold=True)
        click.echo(f"  {told['description'].splitlines()[0] if told['description'] else ''}")
        for param, schema in told["params"].get("properties", {}).items():
            kind = ", ".join([schema.get("type", "any"), *format_bounds(schema)])
            click.echo(f"    {param} = {schema.get('default')}  ({kind})")


def percent(value: float | None, digits: int = 2) -> str:
    """Format a fraction as a signed percentage."""
    return UNDEFINED if value is None else f"{100 * value:+,.{digits}f} %"


def new_console() -> Console:
    """Return a console as wide as the terminal, or wide enough for whoever reads a pipe."""
    return Console(width=None if Console().is_terminal else 200, highlight=False)


def _figures(document: dict[str, Any]) -> list[str]:
    m, costs = document["metrics"], document["costs"]
    rows = [
        ("Return", percent(m["total_return"]), "buy and hold", percent(m["buy_and_hold"])),
        ("CAGR", percent(m["cagr"]), "max drawdown", percent(-m["max_drawdown"])),
        ("Sharpe", _number(m["sharpe"]), "Sortino", _number(m["sortino"])),
        ("Trades", f"{m['trades']:,}", "win rate", percent(m["win_rate"]).lstrip("+")),
        ("Profit factor", _number(m["profit_factor"]), "expectancy", percent(m["expectancy"])),
        ("Exposure", percent(m["exposure"]).lstrip("+"), "signals ignored", f"{m['ignored']:,}"),
    ]
    lines = [f"  {a:<14}{b:>12}   {c:<16}{d:>12}" for a, b, c, d in rows]
    legs = f"fee {100 * costs['fee_rate']:g} % and slippage {100 * costs['slippage_rate']:g} % on each leg"
    return [*lines, f"  {'Costs':<14}{legs}", *_stress(costs), *_stops(document), *_account(document)]


def _stress(costs: dict[str, Any]) -> list[str]:
    """Say what is left at other costs; older results do not tell it."""
    if "stress" not in costs:
        return []
    at = "   ".join(f"{name}: {percent(value)}" for name, value in costs["stress"].items())
    rate = costs["break_even_rate"]
    even = "" if rate is None else f"   break-even: {100 * rate:.3g} % a leg"
    return [f"  {'':<14}{at}{even}"]


def _stops(document: dict[str, Any]) -> list[str]:
    stops = {name: value for name, value in document.get("stops", {}).items() if value is not None}
    named = ", ".join(f"{name.replace('_', ' ')} {100 * value:g} %" for name, value in stops.items())
    return [f"  {'Stops':<14}{named}"] if stops else []


def _account(document: dict[str, Any]) -> list[str]:
    account = document.get("account")
    if not account:
        return []
    size = f"{100 * account['position_size']:.3g} % of the equity each"
    left = f"{account['no_slot']:,} signals found no free position, {account['too_small']:,} not enough cash"
    return [f"  {'Account':<14}shared, at most {pluralize(account['max_positions'], 'position')}, {size}; {left}"]


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"


def _coverage(part: dict[str, Any]) -> str:
    found = part["candles"]
    gaps = pluralize(found["gap_count"], "gap") if found["gap_count"] else "no gap"
    share = f"{found['present']:,} of {found['expected']:,} candles ({found['ratio']:.1%})"
    return f"{part['symbol']} {share}, {found['first'][:10]} to {found['last'][:10]}, {gaps}{_verdict(found)}"


def _verdict(found: dict[str, Any]) -> str:
    """Say what is known of missing candles; older results do not tell it."""
    if not found["gap_count"] or "verdict" not in found:
        return ""
    apart = f"{found['no_trade']:,} without a trade, {found['not_fetched']:,} not fetched"
    return f" ({apart}): {found['known']:.1%} known"


def _checks(symbols: Sequence[dict[str, Any]]) -> list[str]:
    """Return one line per check: in full for one symbol, counted for several."""
    if len(symbols) == 1:
        return [f"{'Checks':<10}{check['name']}: {check['detail']}" for check in symbols[0]["checks"]]
    names = [check["name"] for check in symbols[0]["checks"]]
    passed = {name: sum(c["passed"] for part in symbols for c in part["checks"] if c["name"] == name) for name in names}
    return [f"{'Checks':<10}{name}: passed for {passed[name]} of {len(symbols)} symbols" for name in names]


def _first(lines: Iterable[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    every = list(lines)
    more = [f"{'':<10}and {len(every) - MAX_LINES} more"] if len(every) > MAX_LINES else []
    return every[:MAX_LINES] + more


def not_listed(broken: Sequence[CoinError]) -> None:
    """Say what is missing in a list, and why."""
    for error in broken:
        click.secho(f"not listed: {error}", fg="red", err=True)


def _places(settings: "Settings", document: dict[str, Any]) -> list[tuple[str, str]]:
    run_id = document["run_id"]
    store = open_store(settings)
    shelf: ResultArea = "results" if store.exists(result_key("results", run_id)) else "tasks"
    places = [("Run", run_id), ("Result", store.uri(result_key(shelf, run_id)))]
    if store.exists(report_key(shelf, run_id)):
        places.append(("Report", store.uri(report_key(shelf, run_id))))
    if "trials" in document:
        trials = document["trials"]
        places.append(("Trials", f"{store.uri(task_key(run_id, trials['file']))} ({pluralize(trials['rows'], 'row')})"))
    if "fingerprint" in document:
        places.append(("Dagster", f"{settings.dagster_ui_url}/runs/{run_id}  (while 'coin up' runs)"))
    return places


def print_table(table: Table, empty: str) -> None:
    """Print a table, or a sentence where it is empty."""
    if table.row_count:
        new_console().print(table)
    else:
        click.echo(empty)
