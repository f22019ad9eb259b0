"""Texts of the page of stored results."""

from coin_pipeline.languages import Text

TITLE = Text("Results", "결과")
FOUND = Text("{count} results", "결과 {count}건")
NONE = Text("There are no results yet.", "아직 결과가 없습니다.")
RUN = Text("Run", "실행")
STRATEGY = Text("Strategy", "전략")
SYMBOLS = Text("Symbols", "종목")
RANGE = Text("Range", "기간")
TIMEFRAME = Text("Timeframe", "주기")
FINISHED = Text("Finished, Seoul", "완료(서울)")
NEXT = Text("Older results", "이전 결과")
SWEEP = Text("sweep", "스윕")
REUSED = Text("reused", "재사용")
