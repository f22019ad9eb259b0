"""Texts of the page of a stored backtest, and of the comparison of several."""

from coin_pipeline.languages import Text
from coin_pipeline.report.texts import PAGE, SCRIPT

TITLE = Text("Backtest", "백테스트")
REPORT = Text("Open the report", "보고서 열기")
REPORT_HINT = Text(
    "Price chart with trades, monthly returns, drawdowns and all trades, in one file to share.",
    "거래가 표시된 가격 차트, 월별 수익률, 낙폭, 전체 거래 내역이 담긴 공유용 파일입니다.",
)
RESUBMIT = Text("Change and run again", "수정하여 다시 실행")
SWEEP_AROUND = Text("Sweep around it", "주변 값 스윕")
FORWARD_TEST = Text("Start a forward test", "포워드 테스트 시작")
COMPARE_WITH = Text("Compare with other results", "다른 결과와 비교")
DAGSTER_RUN = Text("Run in Dagster", "Dagster 실행 기록")
FIGURES = Text("Key figures", "주요 수치")
NO_FIGURES = Text(
    "This result is from the legacy platform and has no figures of an account.",
    "이전 플랫폼의 결과로, 계좌 수치가 없습니다.",
)
EQUITY = Text("Equity and drawdown", "자산과 낙폭")
FACTS = Text("Backtest", "백테스트 정보")
RUN = Text("Run", "실행 ID")
STRATEGY = Text("Strategy", "전략")
SYMBOLS = Text("Symbols", "종목")
PERIOD = Text("Period", "기간")
DAYS = Text("{start} to {end}, whole days in {zone}", "{start} ~ {end}, {zone} 기준 하루 단위")
TIMEFRAME = Text("Timeframe", "주기")
PARAMS = Text("Parameters", "파라미터")
FINISHED = Text("Finished", "완료")
SIGNALS = Text("Signals that could be filled", "체결 가능한 신호 수")
WARNINGS = Text("Warnings", "경고")
DOWNLOADS = Text("Downloads", "다운로드")
DOWNLOADS_HINT = Text(
    "CSV: times in {zone} with their offset. Parquet and JSON: times in UTC. Returns are fractions: 0.05 is 5%. In the"
    " document, only avg_return and max_drawdown of a symbol are percentages.",
    "CSV의 시각은 {zone} 기준이며 UTC와의 시차를 함께 적습니다. Parquet와 JSON의 시각은 UTC입니다. 수익률은"
    " 비율로 적으며 0.05가 5%입니다. 결과 문서에서 퍼센트인 항목은 종목별 avg_return과 max_drawdown뿐입니다.",
)
DOCUMENT = Text("Result document", "결과 문서")
FULL_DOCUMENT = Text("with every signal and trade", "신호와 거래 전체 포함")
TABLES = {"trades": Text("Trades", "거래"), "signals": Text("Signals", "신호"), "equity": Text("Equity", "평가자산")}
REPLAY = Text("Reproduce", "재현")
REPLAY_HINT = Text(
    "This command computes the result again and reports every difference.",
    "이 명령은 결과를 다시 계산하고 차이를 모두 보고합니다.",
)
COPY, COPIED, SELECTED = PAGE["copy"], SCRIPT["copied"], SCRIPT["selected"]

COMPARE = Text("Comparison", "비교")
COMPARE_INTRO = Text(
    "Each account starts at 1. What is the same in all results is left out of the table of inputs.",
    "모든 계좌는 1에서 시작합니다. 입력 표에는 결과마다 다른 항목만 표시합니다.",
)
CHART = Text(
    "Equity of the accounts. Left and right move, plus and minus zoom.",
    "계좌별 평가자산. 왼쪽·오른쪽 화살표로 이동하고 더하기·빼기로 확대·축소합니다.",
)
TIMES = Text("Times in {zone}.", "{zone} 기준 시각입니다.")
TIMES_OF_ZONES = Text(
    "The ranges of the results are in several time zones: {zones}. The chart shows all times in {zone}.",
    "결과마다 기간의 시간대가 다릅니다: {zones}. 차트의 시각은 모두 {zone} 기준입니다.",
)
NO_CURVE = Text("no equity is stored", "저장된 평가자산 없음")
RESULT = Text("Result", "결과")
INPUTS = Text("What differs in the inputs", "입력의 차이")
SAME = Text("the same", "동일")
DIFFERENT = Text("different", "다름")
UNKNOWN = Text("unknown", "알 수 없음")
INPUT_KINDS = {
    "spec": Text("Settings of the backtest", "백테스트 설정"),
    "candles": Text("Candles", "캔들 데이터"),
    "code": Text("Code of the engine and the strategy", "엔진·전략 코드"),
    "versions": Text("Versions of packages", "패키지 버전"),
}
INPUT = Text("Input", "입력")
NEEDS_SCRIPT = Text("The chart needs JavaScript.", "차트를 보려면 JavaScript가 필요합니다.")
