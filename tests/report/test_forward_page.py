"""The drift page: headline, both curves, causes, differing and late decisions, and the edge; self-contained."""

import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from coin_pipeline.forward.account import OtherOrder
from coin_pipeline.forward.drift.document import drift_json
from coin_pipeline.forward.drift.edge import Edge, TradeReturns
from coin_pipeline.forward.drift.late import LateFill
from coin_pipeline.forward.drift.report import DriftReport, MarketDrift
from coin_pipeline.forward.records import Choice, ForwardTest
from coin_pipeline.forward.spec import ForwardSpec
from coin_pipeline.ledger.accounting import Leg, Side
from coin_pipeline.report.forward_page import render_drift_report
from tests.forward.drift_cases import HOUR, RULES, Case, round_trips

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


def market(symbol: str, case: Case, late: int) -> MarketDrift:
    """Return the drift of a market in which one decision was late."""
    case.record(late, late=True)
    case.recorded = {time: replace(own, symbol=symbol) for time, own in case.recorded.items()}
    booked = case.booked()
    late_at = BEGIN + timedelta(days=1)
    fill = LateFill(late + HOUR, next(iter(booked.own.values())), late_at, 105.0, Decimal("-47904.2"))
    time = np.array([*case.recorded]) + HOUR
    curve = np.linspace(0, float(case.profit()), len(time))
    return MarketDrift(
        symbol=symbol,
        initial_cash=RULES.sizing.initial_cash,
        decisions=[*case.recorded.values()],
        compared=case.compare(),
        forward_profit=case.profit(),
        backtest_profit=float(case.backtest()),
        amounts=[*case.amounts().values()],
        late_fills=[fill],
        time=time,
        forward_curve=curve,
        backtest_curve=np.linspace(0, float(case.backtest()), len(time)),
    )


def faulty_case() -> Case:
    """Return a day of trades with several faults."""
    prices = [100 + (hour * 7) % 11 for hour in range(48)]
    case = round_trips(prices, "e..x.." * 8)
    start = int(BEGIN.timestamp()) * 10**9
    case = Case(
        {time + start: candle for time, candle in case.candles.items()},
        {time + start: choice for time, choice in case.choices.items()},
    )
    hours = [*case.recorded]
    case.record(hours[6], choice=Choice(entry=False), code_sha256="other")
    case.record(hours[13], candle=(120.0, 121.0, 99.0, 103.0, 1.0))
    case.drop(hours[24])
    case.rates = {next(iter(case.due())): Decimal("0.003")}
    case.others = {hours[39]: [OtherOrder(1, Leg(Side.SELL, Decimal(40_000), Decimal(99), Decimal(0), Decimal(0)))]}
    return case


def report(*markets: MarketDrift, forward: list[float]) -> DriftReport:
    """Return a report whose reference made 1 % per trade."""
    spec = ForwardSpec(strategy="volume_zone_breakout", symbols=[m.symbol for m in markets], timeframe="1h")
    test = ForwardTest(uuid.UUID(int=7), spec, int(BEGIN.timestamp()) * 10**9, BEGIN, None)
    reference = TradeReturns([0.01] * 25, BEGIN - timedelta(days=365), BEGIN)
    return DriftReport(test, markets, Edge(TradeReturns(forward, BEGIN, BEGIN + timedelta(days=2)), reference))


def page(**fields: Any) -> tuple[dict[str, Any], str]:  # noqa: ANN401 - those of a report
    """Return document and page of a test of one market."""
    case = faulty_case()
    document = drift_json(report(market("BTC_KRW", case, [*case.recorded][2]), **fields))
    return document, render_drift_report(document)


def text_of(html: str) -> str:
    """Return the visible text on one line."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html.partition("</style>")[2]))


def test_page_shows_the_document() -> None:
    """The headline has decisions, profits and the residual; each cause has its count."""
    document, html = page(forward=[0.012] * 25)
    (account,), shown = document["accounts"], text_of(html)
    decisions = document["decisions"]
    assert f"{decisions['equal']} of {decisions['total']}" in shown
    for name in ("forward_pnl", "backtest_pnl", "difference"):
        assert f"{account[name]:+,.2f}" in shown
    for cause in account["causes"]:
        assert re.search(rf"{cause['label']} {cause['count']} ", shown), cause["label"]
    assert "2024-03-01 15:00 BTC_KRW nothing enter Code changed" in shown
    assert document["edge"]["verdict"] in shown
    assert "failed" not in shown


def test_page_is_self_contained() -> None:
    """The page has no scripts, links, fonts or external images."""
    _, html = page(forward=[])
    assert not re.search(r"<script|<link|<img|src=|@import|url\(", html)
    assert "default-src 'none'" in html


def test_a_decayed_edge_is_an_alert() -> None:
    """A mean return of a fifth of the reference's is beyond the bound, and the page begins with it."""
    document, html = page(forward=[0.002] * 25)
    assert document["problems"] == ["The edge decayed by 80.0%, beyond the bound of 50.0%."]
    assert "1 check failed" in text_of(html)


@pytest.mark.parametrize("trades", [0, 19])
def test_few_trades_are_not_judged(trades: int) -> None:
    """Below the minimum number of trades the edge holds, and the page states why."""
    document, html = page(forward=[-0.5] * trades)
    assert document["edge"]["holds"]
    assert f"Not enough trades to judge the edge: {trades} in the forward test" in text_of(html)


def test_currencies_are_not_added() -> None:
    """Markets of two quote currencies have an account, a figure and a bound each."""
    case = faulty_case()
    late = [*case.recorded][2]
    document = drift_json(report(market("BTC_KRW", case, late), market("ETH_BTC", case, late), forward=[]))
    assert [(account["quote"], account["bound"]) for account in document["accounts"]] == [("KRW", 1.0), ("BTC", 1.0)]
    assert render_drift_report(document).count("<svg") == 4  # each for wide screens and for phones


def test_korean_page_has_no_english_words() -> None:
    """All texts of the page and of its picture are Korean; names of markets, params and units are not words."""
    document, _ = page(forward=[0.002] * 25)
    shown = text_of(render_drift_report(document, "ko"))
    params = {*document["params"], *map(str, document["params"].values())}
    words = set(re.findall(r"[A-Za-z][A-Za-z_]+", shown))
    assert words <= {"KRW", "BTC_KRW", "Asia", "Seoul", document["strategy"]} | params
    assert "엣지가 80.0% 줄어 허용 한도 50.0%를 넘었습니다." in shown
    assert "2024-03-01 15:00 BTC_KRW 없음 진입 코드 변경" in shown


def test_sentences_of_earlier_releases_stay_english() -> None:
    """Documents without codes have their sentences in English, marked as such."""
    document, _ = page(forward=[0.002] * 25)
    del document["problem_codes"], document["edge"]["verdict_code"]
    for row in document["decisions"]["differing"]:
        del row["forward_code"], row["today_code"]
    html = render_drift_report(document, "ko")
    assert html.count('<span lang="en">The edge decayed by 80.0%, beyond the bound of 50.0%.</span>') == 2
    assert '<span lang="en">enter</span>' in html
