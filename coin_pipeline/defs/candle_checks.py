"""Asset checks: whether the candles that were collected are sound, and whether none is left to fetch between them."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import dagster as dg
import numpy as np
from dagster import MetadataValue

from coin_pipeline.defs.candle_partitions import asset_key
from coin_pipeline.errors import InvalidInput
from coin_pipeline.market.catalog import CandleCatalog, StoredCandles
from coin_pipeline.market.intervals import subtract, total
from coin_pipeline.market.timeframe import Timeframe

SOUND, COMPLETE = "sound", "complete"
SAYS = {
    SOUND: "Candles are in order, without duplicates, with prices that a market can have.",
    COMPLETE: "Between the first candle and the last none is left that the exchange was not asked for.",
}


class Verdict(NamedTuple):
    """What a check says of one market."""

    passed: bool
    says: str


def specs(timeframe: Timeframe) -> list[dg.AssetCheckSpec]:
    """Return the checks of the candles of a timeframe."""
    return [dg.AssetCheckSpec(name, asset=asset_key(timeframe), description=says) for name, says in SAYS.items()]


class Verdicts:
    """What the checks of one run have said so far: a run evaluates each check of an asset once, for all its markets."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], dict[str, Verdict]] = {}

    def of(self, catalog: CandleCatalog, symbol: str, timeframe: Timeframe) -> Iterator[dg.AssetCheckEvaluation]:
        """Check one more series, and yield each check with that."""
        for name, verdict in _checked(catalog, symbol, timeframe).items():
            said = self._said.setdefault((timeframe.name, name), {})
            said[symbol] = verdict
            yield _evaluation(timeframe, name, said)


def evaluate(catalog: CandleCatalog, timeframe: Timeframe) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield each check of everything that is stored of a timeframe."""
    verdicts = Verdicts()
    last: dict[str, dg.AssetCheckEvaluation] = {}
    for symbol in catalog.symbols():
        last |= {each.check_name: each for each in verdicts.of(catalog, symbol, timeframe)}
    yield from last.values()


def _evaluation(timeframe: Timeframe, name: str, said: dict[str, Verdict]) -> dg.AssetCheckEvaluation:
    failed = {symbol: verdict for symbol, verdict in said.items() if not verdict.passed}
    records = [dg.TableRecord({"market": symbol, "says": verdict.says}) for symbol, verdict in said.items()]
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(timeframe),
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if name == SOUND else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{symbol}: {verdict.says}" for symbol, verdict in failed.items()) or None,
        metadata={
            "markets": MetadataValue.table(
                records, dg.TableSchema([dg.TableColumn(column) for column in ("market", "says")])
            )
        },
    )


def _checked(catalog: CandleCatalog, symbol: str, timeframe: Timeframe) -> dict[str, Verdict]:
    """Return what the checks say of a series; nothing where nothing is stored."""
    try:
        stored = next(iter(catalog.stored(symbol, timeframe)), None)
        missing = _never_asked_for(catalog, stored) if stored else 0
    except InvalidInput as error:
        unreadable = "cannot be told before it is sound"
        return {SOUND: Verdict(passed=False, says=str(error)), COMPLETE: Verdict(passed=False, says=unreadable)}
    if stored is None:
        return {}
    span = f"{stored.rows:,} candles, {stored.first:%Y-%m-%d %H:%M} to {stored.last:%Y-%m-%d %H:%M} UTC"
    lacks = f"{missing:,} candles are missing that were never asked for; collect them" if missing else "none is missing"
    return {SOUND: Verdict(passed=True, says=span), COMPLETE: Verdict(passed=not missing, says=lacks)}


def _never_asked_for(catalog: CandleCatalog, stored: StoredCandles) -> int:
    """Read all candles of a series, a year at a time, and count the places between them that were not fetched."""
    begin, end = (int(instant.timestamp()) * 10**9 for instant in (stored.first, stored.last))
    unfetched = subtract((begin, end + stored.timeframe.ns), stored.known.fetched)
    missing = total(unfetched) // stored.timeframe.ns
    for year in range(stored.first.year, stored.last.year + 2):  # a Seoul year begins nine hours before that of UTC
        time = catalog.read(stored.symbol, stored.timeframe, date(year, 1, 1), date(year, 12, 31)).time
        missing -= sum(int(np.diff(np.searchsorted(time, each))[0]) for each in unfetched)
    return missing
