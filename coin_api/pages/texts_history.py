"""Texts of the page of stored results."""

from coin_pipeline.backtest.labels import FIGURES
from coin_pipeline.languages import Text

TITLE = Text("Results", "결과")
FOUND = Text("Results: {count}", "결과 {count}건")
NONE = Text("There are no results yet.", "아직 결과가 없습니다.")
NO_MATCH = Text("No result matches; remove a filter.", "일치하는 결과가 없습니다. 필터를 줄이십시오.")
PAST_END = Text("There are no results on this page any more.", "이 페이지에는 더 이상 결과가 없습니다.")
INVALID = Text("Correct the marked filters.", "표시된 필터를 수정하십시오.")
FIRST_BACKTEST = Text("Submit a backtest", "백테스트 실행하기")
FILTER = Text("Filter", "필터 적용")
RESET = Text("Remove all filters", "필터 초기화")
ANY = Text("any", "전체")
KIND = Text("Kind", "종류")
KINDS = {"backtest": Text("Backtests", "백테스트"), "sweep": Text("Sweeps", "스윕")}
RUN = Text("Run", "실행")
STRATEGY = Text("Strategy", "전략")
SYMBOL = Text("Symbol", "종목")
SYMBOLS = Text("Symbols", "종목")
RANGE = Text("Range", "기간")
TIMEFRAME = Text("Timeframe", "주기")
PARAMS = Text("Parameters", "파라미터")
PARAMS_EXAMPLE = Text("window=20", "window=20")
MIN_RETURN = Text("Total return from, %", "총수익률 최소(%)")
MAX_RETURN = Text("Total return to, %", "총수익률 최대(%)")
MIN_SHARPE = Text("Sharpe ratio from", "샤프 지수 최소")
MAX_SHARPE = Text("Sharpe ratio to", "샤프 지수 최대")
DATE_FROM = Text("Finished from (Seoul)", "완료일 시작(서울)")
DATE_TO = Text("Finished to (Seoul)", "완료일 끝(서울)")
FINISHED = Text("Finished, Seoul", "완료(서울)")
COLUMNS = {
    "strategy": STRATEGY,
    "symbol": SYMBOLS,
    "timeframe": TIMEFRAME,
    **{name: FIGURES[name].text for name in ("total_return", "sharpe", "trades")},
}
NEXT = Text("Next page", "다음 페이지")
FIRST = Text("First page", "첫 페이지")
SWEEP = Text("sweep", "스윕")
REUSED = Text("reused", "재사용")
CHOOSE = Text("Compare", "비교")
CHOOSE_RUN = Text("Compare {run}", "{run} 비교 대상에 추가")
COMPARE = Text("Compare the chosen results (2 to 5)", "선택한 결과 비교(2~5건)")
COMPARE_HINT = Text("Choose {least} to {most} results.", "결과를 {least}~{most}건 선택하십시오.")
