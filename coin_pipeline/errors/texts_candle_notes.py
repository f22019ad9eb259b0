"""Texts of the report of an uploaded candle file: notes, its time zone, and the rows that are left out."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

CANDLE_NOTES: Mapping[str, ErrorText] = {
    "volume_in_money": ErrorText(
        "the volume of this source is an amount of money, not of coins",
        "이 출처의 거래량은 코인 수량이 아니라 거래 금액입니다.",
    ),
    "volume_in_ticks": ErrorText("the volume counts price changes", "거래량이 가격 변동 횟수입니다."),
    "volumes_rounded": ErrorText(
        "volumes are rounded, such as {example}", "반올림된 거래량이 있습니다(예: {example})."
    ),
    "adj_close_ignored": ErrorText("Adj Close is ignored", "수정 종가 열(Adj Close)은 사용하지 않습니다."),
    "name_of_other_market": ErrorText(
        "its name contains {named}, not {symbol}", "파일 이름에 {symbol}이(가) 아니라 {named}이(가) 있습니다."
    ),
    "opens_after_exchanges": ErrorText(
        "{timeframe} candles open {late} after those of Upbit and Binance",
        "{timeframe} 캔들이 업비트와 바이낸스의 캔들보다 {late} 늦게 시작합니다.",
    ),
    "prices_of_other_level": ErrorText(
        "its prices are about {new}, but about {stored} in the stored candles of about the same time; if it is of"
        " another market or quote currency, store it under that market; if its numbers are misread, pass --columns"
        " decimal=point or decimal=comma",
        "가격이 약 {new}인데 같은 시기의 저장된 캔들은 약 {stored}입니다. 다른 종목이나 다른 결제 통화의 파일이면 해당"
        " 종목으로 올리십시오. 숫자를 잘못 읽었으면 '열과 형식'의 '소수점 기호'를 선택하십시오.",
        "its prices are about {new}, but about {stored} in the stored candles of about the same time; if it is of"
        " another market or quote currency, upload it to that market; if its numbers are misread, choose the"
        ' "Decimal separator" in "Columns and formats"',
    ),
    "zone_not_used": ErrorText(
        "--tz {tz} is not used, because the zone is known: {zone}",
        "시간대를 이미 알 수 있어 선택한 {tz}을(를) 사용하지 않았습니다: {zone}",
        "{tz} is not used, because the time zone is known: {zone}",
    ),
    # How the time zone is known.
    "zone": ErrorText("{name} ({reason})", "{name}({reason})"),
    "zone_given": ErrorText("given by --tz", "양식에서 선택", "chosen in the form"),
    "zone_offsets": ErrorText("each time has an offset", "시각마다 오프셋이 있음"),
    "zone_in_times": ErrorText("the times have a zone", "시각에 시간대가 있음"),
    "zone_epoch": ErrorText("{unit} since 1970", "유닉스 시간"),
    "zone_of_column": ErrorText("the name of the column {column}", "열 이름 {column}"),
    "zone_of_layout": ErrorText("times of {layout}", "{layout}의 시각"),
    "zone_of_days": ErrorText(
        "days that start at {hour:02}:00 without a zone, as {layout} writes them",
        "{layout} 형식: 시간대 없이 {hour:02}:00에 시작하는 날",
    ),
    # Layouts whose names are not the same in both languages.
    "layout_by_name": ErrorText("columns by name", "열 이름으로 인식"),
    "layout_list": ErrorText("list of candles ({origins})", "캔들 목록({origins})"),
    "layout_upbit": ErrorText("Upbit", "업비트"),
    "layout_binance": ErrorText("Binance Vision", "바이낸스 Vision"),
    "layout_yahoo": ErrorText("Yahoo Finance", "야후 파이낸스"),
    # Rows that are left out.
    "row_blank": ErrorText("blank", "빈 행"),
    "row_comment": ErrorText("comment", "주석"),
    "row_total": ErrorText("total below the candles", "캔들 아래의 합계"),
    "row_header": ErrorText("repeated header", "반복된 머리글"),
    "row_no_trade": ErrorText("no trade happened", "체결 없음"),
    "row_open": ErrorText("still open ({time:time})", "아직 마감되지 않음({time:time})"),
    "row_in_future": ErrorText("in the future (from {time:time})", "미래 시각({time:time}부터)"),
}
