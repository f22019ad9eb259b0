"""Texts of the drift report of a forward test."""

from collections.abc import Mapping

from coin_pipeline.languages import Text

DRIFT: Mapping[str, Text] = {
    "title": Text("Forward test of {strategy}, {start} to {end}", "{strategy} 포워드 테스트, {start} ~ {end}"),
    "report": Text("Forward test against its backtest", "포워드 테스트와 백테스트 비교"),
    "more_symbols": Text("and {count} more", "외 {count}개"),
    "range": Text(
        "{timeframe} candles · {start} to {end} in {timezone} · fee {fee} and slippage {slippage} per leg",
        "{timeframe} 캔들 · {start} ~ {end}, {timezone} 기준 · 매수/매도 각각 수수료 {fee}, 슬리피지 {slippage}",
    ),
    "failed_check": Text("1 check failed", "점검 1건 실패"),
    "failed_checks": Text("{count} checks failed", "점검 {count}건 실패"),
    "forward": Text("Forward test, {quote}", "포워드 테스트, {quote}"),
    "forward_note": Text("profit and loss, open positions at the last close", "손익, 보유 포지션은 마지막 종가 기준"),
    "backtest": Text("Backtest, {quote}", "백테스트, {quote}"),
    "backtest_note": Text("same period, today's candles and code", "같은 기간, 지금의 캔들과 코드"),
    "difference": Text("Difference, {quote}", "차이, {quote}"),
    "difference_note": Text("forward test less backtest", "포워드 테스트에서 백테스트를 뺀 값"),
    "unexplained": Text("Unexplained, {quote}", "원인 불명, {quote}"),
    "bound": Text("bound {bound}", "허용 한도 {bound}"),
    "equal": Text("Equal decisions", "일치하는 결정"),
    "equal_count": Text("{equal} of {total}", "{total}건 중 {equal}건"),
    "equal_note": Text("same entry, exit and hold", "진입, 청산, 보유 봉 수가 같음"),
    "without_cause": Text("Without a cause", "원인 없음"),
    "without_cause_note": Text("differing decisions", "다른 결정"),
    "late": Text("Late decisions", "지연된 결정"),
    "late_of_all": Text("Late decisions, all markets", "지연된 결정, 전체 종목"),
    "late_note": Text("at the first open after: {amount}", "이후 첫 시가 기준: {amount}"),
    "decay": Text("Decay of the edge", "엣지 감소"),
    "picture": Text("Forward test and backtest in {quote}", "포워드 테스트와 백테스트, {quote}"),
    "forward_line": Text("forward test", "포워드 테스트"),
    "backtest_line": Text("backtest of the same period", "같은 기간의 백테스트"),
    "causes": Text("Causes of the difference", "차이의 원인"),
    "causes_note": Text(
        "Starting from the backtest, each cause in turn is given to the model as the ledger had it. The change of the "
        "profit is its amount.",
        "백테스트에서 시작해 원인을 하나씩 원장에 기록된 값으로 바꿔 가며 다시 계산합니다. 그때마다 바뀐 손익이 그 "
        "원인의 금액입니다.",
    ),
    "cause": Text("Cause", "원인"),
    "count": Text("Count", "건수"),
    "amount": Text("Amount, {quote}", "금액, {quote}"),
    "sum": Text("Sum, {quote}", "누계, {quote}"),
    "candles": Text("Candles, Seoul", "캔들(서울)"),
    "backtest_row": Text("Backtest", "백테스트"),
    "unexplained_row": Text("Unexplained", "원인 불명"),
    "markets": Text("Markets", "종목"),
    "market": Text("Market", "종목"),
    "differing": Text("Differing decisions", "다른 결정"),
    "differing_note": Text(
        "{differing} of {counted} differ from those that the strategy makes today.",
        "결정 {total}건 중 {differing}건이 지금 전략이 내리는 결정과 다릅니다.",
    ),
    "first_listed": Text("The first {count} are listed.", "처음 {count}건만 표시합니다."),
    "candle": Text("Candle, Seoul", "캔들(서울)"),
    "forward_column": Text("Forward test", "포워드 테스트"),
    "today": Text("Today", "지금"),
    "no_cause": Text("none found", "찾지 못함"),
    "no_differing": Text(
        "All {total} decisions are those that the strategy makes today.",
        "결정 {total}건이 모두 지금 전략이 내리는 결정과 같습니다.",
    ),
    "late_one": Text(
        "1 decision was made after its fill was due. It is booked at that fill.",
        "결정 1건이 체결 예정 시각 이후에 내려졌습니다. 예정된 체결가로 기장했습니다.",
    ),
    "late_many": Text(
        "{count} decisions were made after their fill was due. They are booked at that fill.",
        "결정 {count}건이 체결 예정 시각 이후에 내려졌습니다. 예정된 체결가로 기장했습니다.",
    ),
    "late_orders": Text("These led to orders:", "주문으로 이어진 결정:"),
    "some_late_orders": Text(
        "These led to orders, the first {shown} of {count}:", "주문으로 이어진 결정 {count}건 중 처음 {shown}건:"
    ),
    "no_late_orders": Text("None led to an order.", "주문으로 이어진 결정은 없습니다."),
    "in_time": Text("All decisions were made in time.", "모든 결정이 제때 내려졌습니다."),
    "order": Text("Order", "주문"),
    "BUY": Text("BUY", "매수"),
    "SELL": Text("SELL", "매도"),
    "decided": Text("Decided, Seoul", "결정 시각(서울)"),
    "booked": Text("Booked at", "기장 가격"),
    "first_open": Text("First open after", "이후 첫 시가"),
    "not_yet": Text("not yet", "아직 없음"),
    "would_change": Text("Profit would have changed by", "손익 변화"),
    "edge": Text("Edge", "엣지"),
    "trades": Text("Trades", "거래"),
    "mean_return": Text("Mean net return per trade", "거래당 평균 순수익률"),
    "from": Text("From, Seoul", "시작(서울)"),
    "to": Text("To, Seoul", "끝(서울)"),
    "reference": Text("Reference backtest", "기준 백테스트"),
    "footer": Text(
        "Paper trades. The causes are substituted in a fixed order: an effect that two causes share goes to the "
        "earlier one.",
        "모의 거래입니다. 원인은 정해진 순서로 대입하므로, 두 원인이 함께 만든 영향은 앞선 원인에 포함됩니다.",
    ),
}
