"""Texts of the first page."""

from coin_pipeline.languages import Text

TITLE = Text("Overview", "개요")
HEALTHY = Text("All services respond.", "모든 서비스가 정상입니다.")
PROBLEMS = Text("What does not work", "작동하지 않는 항목")
NO_CANDLES = Text(
    "There are no candles yet. Fetch some from an exchange or upload a file; then run a backtest on them.",
    "아직 캔들이 없습니다. 거래소에서 수집하거나 파일을 업로드한 뒤 백테스트를 실행하십시오.",
)
GET_CANDLES = Text("Get candles", "캔들 가져오기")
BACKTEST = Text("New backtest", "새 백테스트")
SWEEP = Text("New sweep", "새 스윕")
FORWARD = Text("New forward test", "새 포워드 테스트")
ACTIVE = Text("Active tasks", "진행 중인 작업")
NO_ACTIVE = Text("No task is queued or running.", "대기 중이거나 실행 중인 작업이 없습니다.")
ALL_TASKS = Text("All tasks", "모든 작업")
RESULTS = Text("Newest results", "최근 결과")
NO_RESULTS = Text("There are no results yet.", "아직 결과가 없습니다.")
ALL_RESULTS = Text("All results", "모든 결과")
CANDLES = Text("Candles", "캔들")
STORED = Text(
    "Markets: {markets}; series: {series}. The newest candle opened at {newest} (Seoul).",
    "종목 {markets}개, 시계열 {series}개. 최신 캔들의 시작 시각은 {newest}(서울)입니다.",
)
ALL_CANDLES = Text("All candles", "전체 캔들")
UNKNOWN = Text("Not known while a service is down.", "서비스가 응답하지 않아 알 수 없습니다.")
