"""Runs the look-ahead check on a corpus of strategies and prints the confusion matrix: ``make lookahead-corpus``."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.lookahead import cheats
from benchmarks.lookahead.cheats import CHEATS, Rule
from benchmarks.lookahead.honest import HONEST
from coin_pipeline.candles.imports.reader import read_candle_file
from coin_pipeline.candles.synthetic import synthetic_candles
from coin_pipeline.candles.timeframe import parse_timeframe
from coin_pipeline.engine.bars import Bars
from coin_pipeline.engine.signals import Signals
from coin_pipeline.errors import CoinError, LookAhead
from coin_pipeline.strategies.base import Strategy, StrategyParams
from coin_pipeline.strategies.checked import checked_signals

MARKET_DATA = Path(os.environ.get("COIN_MARKET_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL = {"hours of KRW-BTC": "upbit_KRW-BTC_1h.csv", "minutes of KRW-BTC": "upbit_KRW-BTC_1m.csv"}
MIN_CAUGHT = 0.98
"""Share of pairs of a strategy that looks ahead and a series that must be caught."""


class RuleStrategy(Strategy[StrategyParams]):
    """A strategy with a rule of the corpus."""

    name = "rule"

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:  # noqa: ARG002 -- rules have no parameters
        """Return the rule's signals."""
        return self.rule(bars)


class Verdict(NamedTuple):
    """What the check found in one strategy on one series.

    Attributes:
        outcome: "rejected", "passed", "inconclusive", or "refused" for another error.
        detail: The error or the report.
        check_s: Time of the check, s.
        signals_s: Time of the strategy on all candles, s.
    """

    outcome: str
    detail: str
    check_s: float
    signals_s: float


def synthetic(timeframe: str, seed: int, n: int) -> Bars:
    """Return synthetic candles."""
    return Bars(*synthetic_candles(seed, parse_timeframe(timeframe), date(2023, 1, 1), n))


def all_series() -> dict[str, Bars]:
    """Return days, hours and minutes; of a real market where its candles are at hand."""
    series = {"days": synthetic("1d", 11, 1_000), "hours": synthetic("1h", 12, 8_760)}
    if all((MARKET_DATA / file).is_file() for file in REAL.values()):
        return series | {
            name: Bars(*read_candle_file(MARKET_DATA / file, tz="UTC").candles) for name, file in REAL.items()
        }
    return series | {"more hours": synthetic("1h", 13, 20_000), "minutes": synthetic("1m", 14, 40_000)}


def judge(make: Callable[[], Rule], bars: Bars) -> Verdict:
    """Run the check on a new instance of a strategy."""
    rule = make()
    began = time.process_time()
    rule(bars)
    signals_s = time.process_time() - began
    cheats.STORE.clear()
    cheats.FITTED.clear()
    cheats.FitOnClass.level = None
    strategy = RuleStrategy(make())
    began = time.process_time()
    try:
        _, report = checked_signals(strategy, StrategyParams(), bars, "A_KRW")
        outcome, detail = ("passed" if report.is_conclusive else "inconclusive"), str(report)
    except LookAhead as error:
        outcome, detail = "rejected", str(error)
    except CoinError as error:
        outcome, detail = "refused", str(error)
    return Verdict(outcome, detail, time.process_time() - began - signals_s, signals_s)


def set_later(bars: Bars) -> None:
    """Set the date after which "after a date" looks ahead: two fifths into the series."""
    cheats.LATER[int(bars.time[1] - bars.time[0])] = int(bars.time[len(bars) * 2 // 5])


def judge_all(strategies: dict[str, Callable[[], Rule]], series: dict[str, Bars]) -> dict[tuple[str, str], Verdict]:
    """Judge every strategy on every series."""
    verdicts = {}
    for where, bars in series.items():
        set_later(bars)
        for name, make in strategies.items():
            verdicts[name, where] = judge(make, bars)
    return verdicts


def confusion(kind: str, verdicts: dict[tuple[str, str], Verdict]) -> str:
    """Return one row of the confusion matrix."""
    outcomes = [verdict.outcome for verdict in verdicts.values()]
    counts = {name: outcomes.count(name) for name in ("rejected", "inconclusive", "passed", "refused")}
    return f"{kind:<12}{len(outcomes):>8}" + "".join(f"{count:>14}" for count in counts.values())


def cost(verdicts: dict[tuple[str, str], Verdict], where: str) -> str:
    """Return the median time of the check and of the strategies on one series."""
    here = [verdict for (_, name), verdict in verdicts.items() if name == where]
    check_ms, signals_ms = (
        sorted(1000 * getattr(v, a) for v in here)[len(here) // 2] for a in ("check_s", "signals_s")
    )
    return f"{where:<22}check {check_ms:>7.1f} ms, strategy {signals_ms:>7.2f} ms (medians)"


def main(arguments: Sequence[str]) -> int:
    """Print the confusion matrix, the mistakes and the cost; return 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names that contain this text")
    only = parser.parse_args(arguments).only
    series = all_series()
    found, wrong = (
        judge_all({name: make for name, make in group.items() if only in name}, series) for group in (CHEATS, HONEST)
    )
    print(f"{'':<12}{'pairs':>8}{'rejected':>14}{'inconclusive':>14}{'passed':>14}{'refused':>14}")
    print(confusion("look ahead", found))
    print(confusion("honest", wrong))
    for where, bars in series.items():
        print(f"{len(bars):>8,} {cost(wrong, where)}")
    missed = {pair: verdict for pair, verdict in found.items() if verdict.outcome != "rejected"}
    blamed = {pair: verdict for pair, verdict in wrong.items() if verdict.outcome in {"rejected", "refused"}}
    unsure = {pair: verdict for pair, verdict in wrong.items() if verdict.outcome == "inconclusive"}
    for title, group in (("not found", missed), ("wrongly rejected", blamed), ("honest, inconclusive", unsure)):
        for (name, where), verdict in group.items():
            print(f"{title}: {name}, {where}: {verdict.detail[:150]}")
    caught = 1 - len(missed) / max(len(found), 1)
    rejected = f"{len(blamed)} of {len(wrong)} rejected, limit 0"
    print(f"found {caught:.1%} of {len(found)}, limit {MIN_CAUGHT:.0%}; {rejected}")
    return int(caught < MIN_CAUGHT or bool(blamed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
