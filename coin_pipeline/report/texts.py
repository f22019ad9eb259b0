"""Texts of the backtest report: those of its template, and those that its scripts write."""

from collections.abc import Mapping

from coin_pipeline.languages import Language, Text

PAGE: Mapping[str, Text] = {
    "report": Text("Backtest report", "백테스트 보고서"),
    "skip": Text("Skip to the figures", "수치로 건너뛰기"),
    "sections": Text("Sections", "목차"),
    "range": Text(
        "{timeframe} candles · {start} to {end}, whole days in {timezone} · fills: {fill}",
        "{timeframe} 캔들 · {start} ~ {end}, {timezone} 기준 하루 단위 · 체결: {fill}",
    ),
    "only": Text(
        "Price chart and table of trades: {symbol} only. All other charts and figures are those of the whole backtest.",
        "가격 차트와 거래 표에는 {symbol}만 표시합니다. 나머지 차트와 수치는 백테스트 전체 기준입니다.",
    ),
    "more_symbols": Text("and {count} more", "외 {count}개"),
    "next_open": Text("next open", "다음 시가"),
    "signal_close": Text("signal close", "신호 종가"),
    "warning": Text("1 warning", "경고 1건"),
    "warnings": Text("{count} warnings", "경고 {count}건"),
    "figures": Text("Key figures", "주요 수치"),
    "against_held": Text("{points} against buy and hold", "매수 후 보유 대비 {points}"),
    "symbols": Text("Symbols", "종목"),
    "symbol": Text("Symbol", "종목"),
    "shared_account": Text("one shared account", "하나의 공동 계좌"),
    "equal_shares": Text("equal shares, never rebalanced", "동일 비중, 재조정 없음"),
    "problem": Text("The charts cannot be drawn in this browser:", "이 브라우저에서는 차트를 그릴 수 없습니다:"),
    "needs_script": Text(
        "Charts and trades are drawn by the scripts of this file, which are switched off here.",
        "차트와 거래 목록은 이 파일의 스크립트가 그리는데, 지금은 스크립트가 꺼져 있습니다.",
    ),
    "picture": Text("Equity and drawdown", "자산과 낙폭"),
    "charts": Text("Charts", "차트"),
    "span": Text("Range", "기간"),
    "price": Text("Price and trades", "가격과 거래"),
    "price_chart": Text(
        "Price with trades. Left and right move, plus and minus zoom, 0 shows everything.",
        "가격과 거래. 왼쪽·오른쪽 화살표로 이동, 더하기·빼기로 확대와 축소, 0으로 전체 보기.",
    ),
    "account_chart": Text(
        "Equity, drawdown and a rolling figure. Left and right move, plus and minus zoom, 0 shows everything.",
        "자산, 낙폭, 이동 지표. 왼쪽·오른쪽 화살표로 이동, 더하기·빼기로 확대와 축소, 0으로 전체 보기.",
    ),
    "key": Text(
        "Triangles below the price are entries, those above are exits; gains are connected by solid lines, losses by "
        "dashed ones. Rising candles are hollow.",
        "가격 아래의 삼각형은 진입, 위의 삼각형은 청산입니다. 이익은 실선, 손실은 파선으로 잇습니다. 양봉은 속이 "
        "비어 있습니다.",
    ),
    "symbols_left_out": Text(
        "{count} symbols with fewer trades have no price chart in this file, for lack of space.",
        "거래가 적은 {count}개 종목은 공간이 부족해 이 파일에 가격 차트를 싣지 않았습니다.",
    ),
    "symbol_reports": Text(
        "Each has one in a report of its own, at {address} on the server, or written by this command:",
        "종목별 보고서에는 가격 차트가 있습니다. 서버의 {address} 주소에서 열거나 다음 명령으로 저장하십시오.",
    ),
    "trades_left_out": Text(
        "Trades entered after {time} are not in this file, for lack of space.",
        "{time} 이후에 진입한 거래는 공간이 부족해 이 파일에 싣지 않았습니다.",
    ),
    "all_trades": Text(
        "The report of a single symbol has more of its trades:",
        "종목 하나만 담은 보고서에는 그 종목의 거래가 더 많이 실립니다.",
    ),
    "longer": Text("Candles of a longer timeframe", "상위 주기 캔들"),
    "account_title": Text("Equity, drawdown, rolling figures", "자산, 낙폭, 이동 지표"),
    "rolling_figure": Text("Rolling figure", "이동 지표"),
    "matched": Text(
        "Strategy at the volatility of buy and hold: daily returns times {factor}",
        "매수 후 보유와 변동성을 맞춘 전략: 일간 수익률의 {factor}배",
    ),
    "rolling": Text(
        "Rolling figures are those of the daily returns of the last {days} days, annualized, risk-free rate 0; beta is "
        "against buy and hold.",
        "이동 지표는 최근 {days}일의 일간 수익률로 계산합니다(연율화, 무위험 수익률 0). 베타는 매수 후 보유 "
        "대비입니다.",
    ),
    "shaded": Text("The worst drawdowns are shaded, at most five.", "음영은 낙폭이 가장 큰 구간입니다(최대 5개)."),
    "account": Text("Account", "계좌"),
    "shared_cash": Text(
        "All symbols were traded from one cash account, which started with {start} and ended at {end}, with at most "
        "{positions} positions open at a time, each opened with {size} of the equity. The figures of each "
        "symbol below are those of the account's trades in it, taken one after another.",
        "모든 종목을 하나의 현금 계좌로 거래했습니다. 시작 금액 {start}, 최종 평가액 {end}. 동시 보유는 최대 "
        "{positions}개이며, 매번 자산의 {size}로 진입했습니다. 아래의 종목별 수치는 이 계좌가 그 종목에서 한 "
        "거래를 차례로 이은 것입니다.",
    ),
    "own_cash": Text(
        "Each symbol has an account of its own, whose positions are each opened with {size} of its equity.",
        "종목마다 별도의 계좌가 있으며, 매번 그 계좌 자산의 {size}로 진입합니다.",
    ),
    "returns": Text("Monthly and yearly returns", "월별·연도별 수익률"),
    "returns_note": Text(
        "Calendar months and years in {zone}; the first and the last may be incomplete. Buy and hold is valued at the "
        "close here and in the charts, without the costs of the final sale; the figure at the top is net of these too.",
        "{zone} 기준 달력의 월과 연도입니다. 처음과 마지막은 일부 기간일 수 있습니다. 이 표와 차트의 매수 후 보유는 "
        "마지막 매도 비용을 빼기 전의 종가 평가이며, 맨 위의 수치는 이 비용까지 뺀 값입니다.",
    ),
    "year": Text("Year", "연도"),
    "months": Text(
        "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec", "1월,2월,3월,4월,5월,6월,7월,8월,9월,10월,11월,12월"
    ),
    "whole_year": Text("Year", "연간"),
    "periods": Text("Trades and returns by period", "기간별 거래와 수익률"),
    "period": Text("Period", "기간"),
    "periods_note": Text(
        "Weeks begin on Monday. A trade belongs to the period of its exit, and is neither a win nor a loss if it "
        "returned nothing. Profit is that of these trades; return is that of the equity, open positions included.",
        "한 주는 월요일에 시작합니다. 거래는 청산 시점의 기간에 넣고, 순수익률이 0인 거래는 이익에도 손실에도 넣지 "
        "않습니다. 손익은 이 거래들의 합계이고, 수익률은 보유 중인 포지션까지 평가한 자산의 수익률입니다.",
    ),
    "wins": Text("Wins", "이익"),
    "losing": Text("Losses", "손실"),
    "profit": Text("Profit", "손익"),
    "net_return": Text("Return", "수익률"),
    "statistics": Text("Further figures", "추가 수치"),
    "distribution": Text("Distribution of returns", "수익률 분포"),
    "daily_returns": Text("Daily returns", "일간 수익률"),
    "monthly_returns": Text("Monthly returns", "월간 수익률"),
    "trade_returns": Text("Net returns of the trades", "거래별 순수익률"),
    "spread": Text(
        "Mean {mean}, median {median}; 90% are between {low} and {high}.",
        "평균 {mean}, 중앙값 {median}. 90%가 {low} ~ {high} 사이입니다.",
    ),
    "bin": Text("{low} to {high}: {count}", "{low} ~ {high}: {count}건"),
    "no_distribution": Text("There are too few returns to draw.", "그릴 수 있는 수익률이 너무 적습니다."),
    "drawdowns": Text("Worst drawdowns", "최대 낙폭 구간"),
    "depth": Text("Depth", "낙폭"),
    "peak": Text("Peak", "고점"),
    "trough": Text("Trough", "저점"),
    "recovered": Text("Recovered", "회복"),
    "days_down": Text("Days to trough", "저점까지 일수"),
    "days": Text("Days", "총 일수"),
    "not_recovered": Text("not yet", "미회복"),
    "no_drawdowns": Text("The equity never fell below its peak.", "자산이 고점 아래로 내려간 적이 없습니다."),
    "trades": Text("Trades", "거래"),
    "no_trades": Text("There were no trades.", "거래가 없습니다."),
    "no_trades_in": Text("There were no trades in {symbol}.", "{symbol} 거래가 없습니다."),
    "trades_note": Text(
        "Prices are market prices; returns are net of the costs of both legs. Times are in {zone}. The number of a "
        "trade shows it in the chart.",
        "가격은 시장 가격이고, 수익률은 진입과 청산 양쪽의 비용을 뺀 값입니다. 시각은 {zone} 기준입니다. 거래 번호를 "
        "누르면 차트에 표시됩니다.",
    ),
    "best_trade": Text("Best trade", "최고 거래"),
    "worst_trade": Text("Worst trade", "최악 거래"),
    "trade_fact": Text("{symbol}, {entry} to {exit}", "{symbol}, {entry} ~ {exit}"),
    "filter": Text("Filter", "필터"),
    "outcome": Text("Outcome", "결과"),
    "reason": Text("Exit", "청산 사유"),
    "exits": Text("Trades by exit", "청산 사유별 거래"),
    "mean_return": Text("Mean net return", "평균 순수익률"),
    "all": Text("all", "전체"),
    "gains": Text("gains", "이익"),
    "losses": Text("losses", "손실"),
    "download": Text("Download as CSV", "CSV로 내려받기"),
    "costs": Text("Costs", "비용"),
    "costs_note": Text(
        "Each of the {legs} legs of a trade costs a fee of {fee} of its value and slippage of {slippage} of the "
        "price{ticks}. "
        "Break-even: {break_even}.",
        "거래의 {legs}개 주문마다 금액의 {fee}가 수수료로, 가격의 {slippage}가 슬리피지로 듭니다{ticks}. 손익분기: "
        "{break_even}.",
    ),
    "costs_ticks": Text(
        ", which is then rounded to a tick (not at zero times the costs)",
        "(그다음 호가 단위로 반올림, 비용 0배에서는 제외)",
    ),
    "stress": Text("Costs", "비용 배수"),
    "gross_return": Text("Gross return", "비용 전 수익률"),
    "impact": Text("Cost impact", "비용 영향"),
    "break_even": Text("Break-even", "손익분기"),
    "candles": Text("Candles", "캔들"),
    "candles_note": Text(
        "Missing candles are never filled in. Times are candle opening times in {zone}. A missing candle within the "
        "fetched range had no trade; other missing candles were not fetched and may exist. Warm-up: candles before the "
        "range that the strategy read; no trade happens on them.",
        "누락된 캔들은 채우지 않습니다. 시각은 {zone} 기준 캔들 시작 시각입니다. 수집한 구간에서 누락된 캔들은 체결이 "
        "없었던 것이고, 그 밖의 누락은 수집하지 않은 것이라 실제로는 "
        "있을 수 있습니다. 워밍업은 기간 이전에 전략이 읽은 캔들이며, 여기서는 거래하지 않습니다.",
    ),
    "first": Text("First", "처음"),
    "last": Text("Last", "마지막"),
    "expected": Text("Expected", "예상"),
    "missing": Text("Missing", "누락"),
    "no_trade": Text("No trade", "체결 없음"),
    "not_fetched": Text("Not fetched", "미수집"),
    "coverage": Text("Coverage", "커버리지"),
    "known": Text("Known", "확인됨"),
    "gaps": Text("Gaps", "공백"),
    "warm_up": Text("Warm-up", "워밍업"),
    "warm_up_part": Text("{used} of {declared}", "{declared} 중 {used}"),
    "none": Text("none", "없음"),
    "verdict": Text("Verdict", "판정"),
    "complete": Text("complete", "완전함"),
    "insufficient": Text("insufficient", "부족함"),
    "verdict_gaps": Text("gaps", "공백 있음"),
    "gap": Text("{missing} missing from {start} to {end}", "{start} ~ {end}, {missing}개 누락"),
    "gaps_not_drawn": Text("{count} gaps are not drawn", "그림에 표시하지 않은 공백 {count}개"),
    "gaps_more": Text("and {count} more gaps", "외 공백 {count}개"),
    "strip": Text("Coverage of {symbol}: {ratio}", "{symbol} 커버리지: {ratio}"),
    "strip_key": Text(
        "Strips show the range of the backtest: solid where there are candles, hatched where there was no trade, "
        "open where "
        "candles were not fetched.",
        "띠는 백테스트 기간을 나타냅니다. 캔들이 있으면 채움, 체결이 없었으면 빗금, 수집하지 않았으면 빈칸입니다.",
    ),
    "checks": Text("Checks", "검사"),
    "check": Text("Check", "검사"),
    "result": Text("Result", "결과"),
    "detail": Text("Detail", "내용"),
    "passed": Text("passed", "통과"),
    "failed": Text("FAILED", "실패"),
    "check_candles": Text("candles", "캔들"),
    "check_no_look_ahead": Text("no look-ahead", "미래 참조 없음"),
    "check_tick_sizes": Text("tick sizes", "호가 단위"),
    "checks_more": Text("{count} more checks passed.", "그 밖의 검사 {count}건은 통과했습니다."),
    "reproducibility": Text("Reproducibility", "재현"),
    "reproducibility_note": Text(
        "Identical digests (SHA-256) and versions produce identical results. This command runs the backtest again and "
        "compares the result:",
        "다이제스트(SHA-256)와 버전이 같으면 결과도 같습니다. 다음 명령은 백테스트를 다시 실행하고 결과를 비교합니다.",
    ),
    "copy": Text("Copy", "복사"),
    "run": Text("Run", "실행"),
    "spec": Text("Spec", "설정"),
    "code": Text("Code", "코드"),
    "candles_of": Text("Candles of {symbol}", "{symbol} 캔들"),
    "warm_up_candles_of": Text("Warm-up candles of {symbol}", "{symbol} 워밍업 캔들"),
    "versions": Text("Versions", "버전"),
    "schema": Text("schema {version}", "스키마 {version}"),
    "executed": Text("Executed", "실행 환경"),
    "executed_at": Text(
        "{time} in {zone} on {host} ({environment}), {seconds} s", "{time}({zone}), {host} ({environment}), {seconds}초"
    ),
    "disclaimer": Text(
        "A simulation on historical candles. Past results do not indicate future results.",
        "과거 캔들로 실행한 시뮬레이션입니다. 과거의 결과가 미래의 결과를 보장하지 않습니다.",
    ),
    "charts_by": Text("Charts: {notice}", "차트: {notice}"),
}
"""Texts of the template, besides those of warnings and checks."""

SCRIPT: Mapping[str, Text] = {
    "chart_strategy": Text("Strategy", "전략"),
    "chart_held": Text("Buy and hold", "매수 후 보유"),
    "chart_drawdown": Text("Drawdown", "낙폭"),
    "chart_matched": Text("Strategy, volatility matched", "전략(변동성 조정)"),
    "chart_open": Text("O", "시"),
    "chart_high": Text("H", "고"),
    "chart_low": Text("L", "저"),
    "chart_close": Text("C", "종"),
    "chart_volume": Text("Volume", "거래량"),
    "thinned": Text(
        "Thinned to {rows} of {total} rows; each bucket keeps its extremes.",
        "{total}행을 {rows}행으로 줄였습니다. 구간마다 최고와 최저는 남아 있습니다.",
    ),
    "no_chart": Text(
        "The price chart of {symbol} is not in this file, for lack of space. This command writes a report with it: "
        "{command}",
        "{symbol} 가격 차트는 공간이 부족해 이 파일에 없습니다. 다음 명령으로 이 종목의 보고서를 저장할 수 있습니다: "
        "{command}",
    ),
    "symbol_report": Text("Report of {symbol}", "{symbol} 보고서"),
    "merged": Text(
        "One candle here is {bars} bars; zoom in to see each.",
        "지금은 캔들 하나가 {bars}개 봉입니다. 확대하면 각각 보입니다.",
    ),
    "longer_none": Text("none", "없음"),
    "longer_dense": Text("Zoom in to see the candles of the longer timeframe.", "확대하면 상위 주기 캔들이 보입니다."),
    "period_hour": Text("Hour", "시간"),
    "period_day": Text("Day", "일"),
    "period_week": Text("Week", "주"),
    "period_month": Text("Month", "월"),
    "period_year": Text("Year", "연"),
    "periods_cut": Text(
        "{count} earlier periods are left out, for lack of space.",
        "이전 {count}개 기간은 공간이 부족해 싣지 않았습니다.",
    ),
    "trades_in_view": Text("Trades in view: {count}", "보이는 거래: {count}건"),
    "trades_dense": Text(
        "Trades in view: {count}; zoom in to see entries and exits.",
        "보이는 거래: {count}건. 확대하면 진입과 청산이 보입니다.",
    ),
    "trades_sampled": Text(
        "Trades in view: {count}, of which {shown} are drawn; zoom in to see all.",
        "보이는 거래 {count}건 중 {shown}건만 그렸습니다. 확대하면 모두 보입니다.",
    ),
    "span_hours": Text("{number} h", "{number}시간"),
    "span_days": Text("{number} d", "{number}일"),
    "span_months": Text("{number} mo", "{number}개월"),
    "span_years": Text("{number} y", "{number}년"),
    "span_all": Text("All", "전체"),
    "trade_number": Text("#", "#"),
    "trade_symbol": Text("Symbol", "종목"),
    "trade_entry_time": Text("Entry", "진입"),
    "trade_exit_time": Text("Exit", "청산"),
    "trade_reason": Text("Exit reason", "청산 사유"),
    "trade_entry_price": Text("Entry price", "진입 가격"),
    "trade_exit_price": Text("Exit price", "청산 가격"),
    "trade_bars_held": Text("Bars", "봉 수"),
    "trade_net_return": Text("Net return", "순수익률"),
    "trade_profit": Text("Profit", "손익"),
    "show_trade": Text("Show in the chart", "차트에서 보기"),
    "show_drawdown": Text("Show drawdown {number} in the charts", "차트에서 낙폭 {number} 보기"),
    "trades_count": Text("{count} of {rows} trades", "거래 {rows}건 중 {count}건"),
    "trades_cut": Text(
        "{count} of {rows} trades; the last of all {total} are left out for lack of space.",
        "거래 {rows}건 중 {count}건. 공간이 부족해 전체 {total}건 중 뒷부분은 싣지 않았습니다.",
    ),
    "open": Text("open", "보유 중"),
    "signal": Text("signal", "신호"),
    "hold": Text("holding period", "보유 기간 만료"),
    "stop_loss": Text("stop loss", "손절"),
    "take_profit": Text("take profit", "익절"),
    "trailing_stop": Text("trailing stop", "트레일링 스톱"),
    "end": Text("end of the range", "기간 종료"),
    "copied": Text("Copied.", "복사했습니다."),
    "selected": Text("Selected; copy it with the keyboard.", "선택했습니다. 키보드로 복사하십시오."),
}
"""Texts of the scripts in the folder `scripts`."""


class Writer:
    """Writes the texts of a template in one language: `write("days")`, `write("run", name="x")`."""

    def __init__(self, language: Language, texts: Mapping[str, Text] = PAGE) -> None:
        self._language, self._texts = language, texts

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its placeholders filled."""
        return self._texts[key].write(self._language, **values)

    def exit_reason(self, reason: str) -> str:
        """Return what the scripts call an exit reason; an unknown one as it is."""
        return SCRIPT[reason].write(self._language) if reason in SCRIPT else reason

    def get(self, key: str, default: str) -> str:
        """Return a text, or a default if there is none."""
        return self(key) if key in self._texts else default


def script_texts(language: Language) -> dict[str, str]:
    """Return the texts of the scripts in one language, with their placeholders."""
    return {key: text.pick(language) for key, text in SCRIPT.items()}
