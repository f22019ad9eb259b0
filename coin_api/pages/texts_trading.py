"""Texts of the pages about paper positions and forward tests."""

from coin_pipeline.languages import Text

POSITIONS = Text("Positions", "포지션")
POSITIONS_INTRO = Text(
    "Paper positions: open ones at the newest stored close, before the costs of closing them, and the history of closed"
    " ones.",
    "모의 포지션입니다. 보유 중인 포지션은 저장된 최근 종가로 평가하며 청산 비용은 반영하지 않습니다. 청산된 포지션은"
    " 이력에 표시합니다.",
)
NO_POSITIONS = Text(
    "There are no positions yet. Forward tests open them, and so does the form below.",
    "아직 포지션이 없습니다. 포워드 테스트나 아래 양식으로 엽니다.",
)
OPEN = Text("Open positions", "보유 포지션")
NO_OPEN = Text("No position is open.", "보유 중인 포지션이 없습니다.")
CLOSED = Text("Closed positions", "청산된 포지션")
NO_CLOSED = Text("No position has been closed.", "청산된 포지션이 없습니다.")
SUMMARY = Text("Summary", "요약")
BOOK = Text("Book", "북")
SYMBOL = Text("Market", "종목")
SIDE = Text("Side", "방향")
SIDES = {"BUY": Text("long", "롱"), "SELL": Text("short", "숏")}
QUANTITY = Text("Quantity", "수량")
ENTRY_PRICE = Text("Entry price", "진입가")
EXIT_PRICE = Text("Exit price", "청산가")
MARK_PRICE = Text("Price now", "현재가")
MARK_SOURCES = {
    "request": Text("given", "지정"),
    "candle": Text("close of {time}", "{time} 종가"),
    "entry_price": Text("entry price, no candle stored", "진입가(저장된 캔들 없음)"),
}
UNREALIZED = Text("Unrealized", "평가손익")
REALIZED = Text("Realized", "실현손익")
FEES = Text("Fees", "수수료")
OPENED = Text("Opened, Seoul", "진입 시각(서울)")
CLOSED_AT = Text("Closed, Seoul", "청산 시각(서울)")
OPEN_COUNT = Text("Open", "보유")
CLOSED_COUNT = Text("Closed", "청산")
WIN_RATE = Text("Win rate", "승률")
EXPOSURE = Text("Exposure", "평가금액")
NET = Text("Net result", "순손익")
MORE = Text("Older positions", "이전 포지션")
JOURNAL = Text("Journal", "거래 기록")
ORDER = Text("Order", "주문")
ENTRY_KINDS = {"ENTER": Text("enter", "진입"), "EXIT": Text("exit", "청산")}
ORDER_SIDES = {"BUY": Text("buy", "매수"), "SELL": Text("sell", "매도")}
PRICE = Text("Price", "가격")
EFFECTIVE_PRICE = Text("After slippage", "슬리피지 반영가")
FEE = Text("Fee", "수수료")
SLIPPAGE = Text("Slippage", "슬리피지")
EXECUTED = Text("Executed, Seoul", "체결 시각(서울)")
NOTE = Text("Note", "메모")
STATUS = Text("Status", "상태")
STATUSES = {
    "OPEN": Text("open", "보유"),
    "CLOSED": Text("closed", "청산"),
    "active": Text("active", "진행 중"),
    "stopped": Text("stopped", "중지됨"),
}
NEW_ORDER = Text("New order", "새 주문")
PLACE_ORDER = Text("Place the order", "주문하기")
CLOSE_POSITION = Text("Close the position", "포지션 청산")
COSTS = Text(
    "On paper. A fee of {fee} and slippage of {slippage} apply.",
    "모의 주문입니다. 수수료 {fee}, 슬리피지 {slippage}가 적용됩니다.",
)
SIDE_HINT = Text(
    "An order against an open position reduces it.", "보유 중인 포지션과 반대 방향의 주문은 그 포지션을 줄입니다."
)
PRICE_HINT = Text(
    "Empty: the close of the newest stored candle.", "비워 두면 저장된 가장 최근 캔들의 종가를 사용합니다."
)
NEWEST_CLOSE = Text(
    "The newest stored close of {symbol} is that of {time}, Seoul.",
    "저장된 {symbol}의 가장 최근 종가는 {time}(서울)의 가격입니다.",
)
NO_CLOSE = Text(
    "No candles of {symbol} are stored; enter a price.", "저장된 {symbol} 캔들이 없습니다. 가격을 입력하십시오."
)
QUANTITY_HINT = Text("Empty: all of it.", "비워 두면 전량을 청산합니다.")
INVALID = Text("The request was not accepted.", "요청이 접수되지 않았습니다.")
UNREACHABLE = Text(
    "The server did not respond. Check whether the page already shows the change before you repeat it.",
    "서버가 응답하지 않습니다. 다시 시도하기 전에 페이지에 이미 반영되었는지 확인하십시오.",
)
BACK_TO_POSITIONS = Text("All positions", "전체 포지션")

FORWARD = Text("Forward tests", "포워드 테스트")
FORWARD_INTRO = Text(
    "Strategies that trade on paper as candles close.", "캔들이 마감될 때마다 모의로 거래하는 전략입니다."
)
NO_FORWARD = Text(
    "No forward test has been started.",
    "시작된 포워드 테스트가 없습니다.",
)
NEW_FORWARD = Text("New forward test", "새 포워드 테스트")
FORWARD_START = Text(
    "A test starts with the candle that closes next, and trades until it is stopped.",
    "다음에 마감되는 캔들부터 시작해 중지할 때까지 거래합니다.",
)
START = Text("Start the forward test", "포워드 테스트 시작")
START_HELP = Text(
    "Empty: from the next candle on. Decisions on candles that have closed before are recorded as late.",
    "비워 두면 다음 캔들부터 시작합니다. 이미 마감된 캔들에 대한 결정은 지연으로 기록됩니다.",
)
STOP = Text("Stop the forward test", "포워드 테스트 중지")
STOP_NOTE = Text(
    "A stopped test cannot be continued. Its decisions and positions stay.",
    "중지한 테스트는 다시 시작할 수 없습니다. 결정과 포지션은 남습니다.",
)
STOP_CLOSE = Text(
    "Sell open positions at the close of the last decided candle",
    "보유 포지션을 마지막 결정 캔들의 종가에 매도",
)
STRATEGY = Text("Strategy", "전략")
SYMBOLS = Text("Markets", "종목")
AND_MORE = Text("{symbols} and {count} more", "{symbols} 외 {count}개")
TIMEFRAME = Text("Timeframe", "주기")
STARTED = Text("Started, Seoul", "시작(서울)")
STOPPED = Text("Stopped, Seoul", "중지(서울)")
DECISIONS = Text("Decisions", "결정")
LATE = Text("Late", "지연")
LATE_HINT = Text("made after their fill was due", "체결 예정 시각 이후에 내려진 결정")
FAILING = Text("Failing markets", "오류 종목")
FAILURES = Text("Markets whose next candle cannot be decided yet", "다음 캔들을 아직 결정하지 못한 종목")
ACCOUNTS = Text("Accounts", "계좌")
EQUITY = Text("Equity", "평가자산")
RETURN = Text("Return", "수익률")
CASH = Text("Cash", "현금")
LAST_CANDLE = Text("Last decided candle, Seoul", "마지막 결정 캔들(서울)")
NONE_YET = Text("none yet", "없음")
PROFIT = Text("Profit against its backtest", "백테스트 대비 손익")
PROFIT_NOTE = Text("From the drift report of the last night.", "지난밤 드리프트 보고서 기준입니다.")
NO_DRIFT = Text(
    "The drift report appears after the first night with decisions.",
    "드리프트 보고서는 결정이 기록된 첫날 밤 이후에 표시됩니다.",
)
DRIFT_REPORT = Text("Drift report", "드리프트 보고서")
BOOK_POSITIONS = Text("Positions of this test", "이 테스트의 포지션")
PARAMS = Text("Parameters", "파라미터")
LATEST_DECISIONS = Text("Latest decisions", "최근 결정")
CANDLE = Text("Candle, Seoul", "캔들(서울)")
CLOSE = Text("Close", "종가")
DECISION = Text("Decision", "결정")
ENTER = Text("enter", "진입")
EXIT = Text("exit", "청산")
ENTER_AND_EXIT = Text("enter and exit", "진입·청산")
NOTHING = Text("nothing", "없음")
DECIDED = Text("Decided, Seoul", "결정 시각(서울)")
ON_TIME = Text("on time", "정시")
WAS_LATE = Text("late", "지연")
OLDER = Text("Older decisions", "이전 결정")
BACK_TO_FORWARD = Text("All forward tests", "전체 포워드 테스트")
