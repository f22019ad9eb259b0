"""Texts of the pages about candles."""

from collections.abc import Mapping

from coin_pipeline.candles.imports.stamps import Stamps
from coin_pipeline.languages import Text

TITLE = Text("Candles", "캔들")
INTRO = Text(
    "Every stored series. Select a market to see its coverage month by month.",
    "저장된 모든 캔들 시계열입니다. 종목을 선택하면 월별 커버리지를 볼 수 있습니다.",
)
EMPTY = Text(
    "No candles are stored yet. Fetch some from an exchange or upload a file below.",
    "저장된 캔들이 없습니다. 아래에서 거래소 캔들을 수집하거나 파일을 업로드하십시오.",
)
BROKEN = Text("Series that cannot be read", "읽을 수 없는 시계열")
SYMBOL = Text("Market", "종목")
TIMEFRAME = Text("Timeframe", "주기")
PERIOD = Text("Stored period, Seoul", "저장 기간(서울)")
CANDLES = Text("Candles", "캔들 수")
PRESENT = Text("Stored", "보유율")
SOURCE = Text("Source", "출처")
IMPORTED = Text("imported", "가져오기")
COVERAGE_BAR = Text("On a common time axis, {first} to {last}", "공통 시간축 {first} ~ {last}")
BAR = Text("{first} to {last}", "{first} ~ {last}")

CALENDAR = Text("Coverage by month", "월별 커버리지")
CALENDAR_NOTE = Text(
    "Months in Seoul. The figure is the share of candles that are stored. A candle without a trade does not exist:"
    " it is missing, but known.",
    "서울 시간 기준 월입니다. 숫자는 저장된 캔들의 비율입니다. 체결이 없던 시간의 캔들은 원래 존재하지 않으므로"
    " 비어 있어도 확인된 것입니다.",
)
STORED = Text("Stored", "저장됨")
NO_TRADE = Text("No trade", "체결 없음")
NOT_FETCHED = Text("Not fetched", "미수집")
OUTSIDE = Text("outside of the series", "기간 밖")
MONTH = Text(
    "{month}: {present} of {expected} candles stored, {no_trade} without trade, {not_fetched} not fetched",
    "{month}: 캔들 {expected}개 중 {present}개 저장, 체결 없음 {no_trade}개, 미수집 {not_fetched}개",
)
MONTH_OUTSIDE = Text("{month}: outside of the series", "{month}: 기간 밖")
EXPECTED = Text("Candles expected", "예상 캔들 수")
GAPS = Text("Longest gaps", "가장 긴 공백")
GAPS_NOTE = Text("The {listed} longest of {total} gaps.", "공백 {total}개 중 긴 순서로 {listed}개입니다.")
NO_GAPS = Text("There are no gaps.", "공백이 없습니다.")
GAP_START = Text("First missing candle, Seoul", "처음 빠진 캔들(서울)")
GAP_END = Text("Next candle, Seoul", "다음 캔들(서울)")
MISSING = Text("Missing", "누락")
REASON = Text("Reason", "원인")
KINDS = {
    "no_trade": Text("no trade", "체결 없음"),
    "not_fetched": Text("not fetched", "미수집"),
    "partly_fetched": Text("partly fetched", "일부 미수집"),
}
UNREADABLE = Text("Files that cannot be read", "읽을 수 없는 파일")
BACK = Text("All candles", "전체 캔들")
DOWNLOAD = Text("Candles as JSON", "캔들 JSON")

FETCH = Text("Fetch candles from an exchange", "거래소에서 캔들 수집")
FETCH_SYMBOLS = Text("Markets, separated by commas", "종목(쉼표로 구분)")
FETCH_TIMEFRAMES = Text("Timeframes", "주기")
FETCH_START = Text("First day (Seoul)", "시작일(서울)")
FETCH_START_HINT = Text(
    "Empty: continue where the stored candles end.", "비워 두면 저장된 캔들의 끝에서 이어서 수집합니다."
)
FETCH_END = Text("Last day (Seoul)", "종료일(서울)")
FETCH_END_HINT = Text("Empty: the newest closed candle.", "비워 두면 가장 최근에 마감된 캔들까지입니다.")
FETCH_EXCHANGE = Text("Exchange", "거래소")
FETCH_BUTTON = Text("Fetch", "수집 시작")
UPLOAD = Text("Upload a candle file", "캔들 파일 업로드")
UPLOAD_FILE = Text("File (CSV, JSON, XLSX, ZIP, Parquet or Feather)", "파일(CSV, JSON, XLSX, ZIP, Parquet, Feather)")
UPLOAD_ZONE = Text("Time zone of times without one", "시간대가 없는 시각의 시간대")
UPLOAD_ZONE_NONE = Text("The file names it", "파일에 있는 시간대 사용")
UPLOAD_ZONE_HINT = Text(
    "Required if the times have neither an offset nor a zone, and are not seconds since 1970.",
    "시각에 오프셋이나 시간대가 없고 유닉스 시간도 아니면 선택해야 합니다.",
)
UPLOAD_ZONES = Text("All time zones", "모든 시간대")
UPLOAD_STAMPS = Text("Times of the candles", "캔들 시각의 의미")
STAMPS: Mapping[Stamps, Text] = {
    "auto": Text("Automatic", "자동"),
    "open": Text("Candles open at them", "캔들이 시작하는 시각"),
    "close": Text("Candles close at them", "캔들이 끝나는 시각"),
}
COLUMNS = Text("Columns and formats", "열과 형식")
COLUMNS_HINT = Text(
    'Only if they are not recognized. "Check" lists the columns of the file.',
    "자동으로 인식되지 않을 때만 지정하십시오. '검사'를 누르면 파일의 열이 표시됩니다.",
)
COLUMN_FIELDS = {
    "time": Text("Time or date", "시각 또는 날짜"),
    "clock": Text("Time of day", "시각(날짜와 별도의 열)"),
    "open": Text("Open", "시가"),
    "high": Text("High", "고가"),
    "low": Text("Low", "저가"),
    "close": Text("Close", "종가"),
    "volume": Text("Volume", "거래량"),
}
AUTOMATIC = Text("Automatic", "자동")
NO_CLOCK = Text("Not in a column of its own", "별도의 열 없음")
SPELLINGS = {
    "dates": Text("Dates such as 01/02/2024", "01/02/2024 형식의 날짜"),
    "decimal": Text("Decimal separator", "소수점 기호"),
}
SPELLED = {
    "dmy": Text("Day first", "일이 먼저"),
    "mdy": Text("Month first", "월이 먼저"),
    "comma": Text("Comma", "쉼표(,)"),
    "point": Text("Point", "마침표(.)"),
}
CHECK_BUTTON = Text("Check", "검사")
UPLOAD_BUTTON = Text("Upload", "업로드")
REPLACE = Text(
    "Nothing is stored yet: this upload would overwrite stored candles between {overwritten_first} and"
    " {overwritten_last} (Seoul). {replaced} would be replaced and {removed} removed; {added} would be added.",
    "아직 저장되지 않았습니다. 업로드하면 {overwritten_first} ~ {overwritten_last}(서울)의 저장된 캔들이 변경됩니다."
    " {replaced}개가 교체되고 {removed}개가 삭제되며, {added}개가 추가됩니다.",
)
REPLACE_BUTTON = Text("Replace", "교체")
BACK_BUTTON = Text("Back", "돌아가기")
NO_SYMBOL = Text("Enter the market, such as BTC_KRW.", "종목을 입력하십시오. 예: BTC_KRW")
EDITED = Text(
    "Nothing is stored: the form was changed while it was being sent. Check or upload again.",
    "저장되지 않았습니다. 전송 중에 입력 내용이 변경되었습니다. 다시 검사하거나 업로드하십시오.",
)
CHANGED_FILE = Text(
    "The file has changed or can no longer be read; choose it again.",
    "파일이 변경되었거나 읽을 수 없습니다. 다시 선택하십시오.",
)
NO_FILE = Text("Choose a file.", "파일을 선택하십시오.")
UNKNOWN_FILE = Text("Choose a file of these formats: {suffixes}.", "지원하는 형식의 파일을 선택하십시오: {suffixes}")
REPORT = {
    "series": Text("Series", "시계열"),
    "period": Text("Candles, Seoul", "캔들 기간(서울)"),
    "layout": Text("Recognized as", "인식된 형식"),
    "columns": Text("Columns", "열"),
    "zone": Text("Time zone", "시간대"),
    "left_out": Text("Rows left out", "제외된 행"),
    "removed": Text("Misplaced candles removed", "시각이 잘못되어 삭제된 캔들"),
    "would_remove": Text("Misplaced candles that would be removed", "시각이 잘못되어 삭제될 캔들"),
    "notes": Text("Notes", "참고"),
}
"""What the form shows of the report of an upload, by the name of its slot."""
LEFT_OUT = Text("{count} {reason}", "{reason} {count}개")

SENDING = Text("Sending …", "전송 중 …")
INVALID = Text("The request is not valid.", "요청이 올바르지 않습니다.")
UNREACHABLE = Text("The server does not respond; try again.", "서버가 응답하지 않습니다. 다시 시도하십시오.")
UPLOADED = Text(
    "{added} candles added, {replaced} replaced, {removed} removed, {unchanged} unchanged.",
    "캔들 {added}개 추가, {replaced}개 교체, {removed}개 삭제, {unchanged}개 동일",
)
CHECKED = Text(
    "Nothing is stored yet. An upload adds {added} candles, replaces {replaced}, removes {removed} and leaves"
    " {unchanged} unchanged.",
    "아직 저장되지 않았습니다. 업로드하면 캔들 {added}개가 추가, {replaced}개가 교체, {removed}개가 삭제되며,"
    " {unchanged}개는 변경되지 않습니다.",
)
