"""Texts of the rows of uploaded candle files: times, numbers, and the rules for candles."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

CANDLE_ROWS: Mapping[str, ErrorText] = {
    # Parts of other texts.
    "candle_time": ErrorText("time", "시각"),
    "candle_open": ErrorText("open", "시가"),
    "candle_high": ErrorText("high", "고가"),
    "candle_low": ErrorText("low", "저가"),
    "candle_close": ErrorText("close", "종가"),
    "candle_volume": ErrorText("volume", "거래량"),
    "listed": ErrorText("{first}, {rest}", "{first}, {rest}"),
    "in_row": ErrorText("row {row}: {reason}", "{row}행: {reason}"),
    "row_number": ErrorText("row {row}", "{row}행"),
    "row_without_header": ErrorText(
        "row {row} of a file without a header, taken as {fields} (--columns names others),",
        "머리글이 없어 {fields} 순서로 읽은('열과 형식'에서 변경 가능) {row}행",
        'row {row} of a file without a header, taken as {fields} (choose others under "Columns and formats"),',
    ),
    "row_without_time": ErrorText("row {row} has no time", "{row}행에 시각이 없습니다."),
    # Times.
    "not_timestamps": ErrorText(
        "its times are of type {kind}; store timestamps",
        "시각 열의 형식이 {kind}입니다. 타임스탬프로 저장하십시오.",
    ),
    "no_times": ErrorText(
        "has times of type {kind}; write timestamps or ISO 8601 texts",
        "시각 열의 형식이 {kind}입니다. 타임스탬프나 ISO 8601 형식의 텍스트로 저장하십시오.",
    ),
    "times_out_of_range": ErrorText(
        "has times outside the years 1677 to 2262", "1677년~2262년을 벗어난 시각이 있습니다."
    ),
    "time_rounded": ErrorText(
        "row {row}: the time {time} was rounded by a spreadsheet; export it with all digits",
        "{row}행: 시각 {time}의 일부 자릿수가 스프레드시트에서 없어졌습니다. 모든 자릿수가 나오도록 다시 내보내십시오.",
    ),
    "time_not_finite": ErrorText(
        "row {row}: the time is not a finite number", "{row}행: 시각이 유한한 숫자가 아닙니다."
    ),
    "unknown_epoch": ErrorText(
        "row {row}: the time {value} {fault}; write dates as 2024-01-31 09:00, or s, ms, us or ns since 1970",
        "{row}행: 시각으로 읽을 수 없습니다: {value}({fault}). 2024-01-31 09:00 형식이나 1970년부터 센 초, 밀리초,"
        " 마이크로초, 나노초로 쓰십시오.",
    ),
    "date_in_digits": ErrorText("is a date in digits", "숫자로만 쓴 날짜"),
    "excel_day": ErrorText("is a day as Excel counts them", "엑셀의 날짜 일련번호"),
    "before_2001": ErrorText("is not an instant after 2000", "2000년 이후의 시각이 아님"),
    "several_units": ErrorText(
        "has times in several units: {one} in row {one_row} and {other} in row {other_row}; write all of them alike",
        "시각의 단위가 섞여 있습니다: {one_row}행 {one}, {other_row}행 {other}. 한 가지 단위로 쓰십시오.",
    ),
    "no_time_zone": ErrorText(
        "its times have no time zone; pass --tz UTC or --tz Asia/Seoul{hint}{closing}",
        "시각에 시간대가 없습니다. '시간대가 없는 시각의 시간대'에서 UTC나 Asia/Seoul 등을 선택하십시오{hint}."
        "{closing}",
        'its times have no time zone; choose UTC, Asia/Seoul or another under "Time zone of times without'
        ' one"{hint}{closing}',
    ),
    "zone_of_pyupbit": ErrorText(" (pyupbit writes Asia/Seoul)", " (pyupbit는 Asia/Seoul 사용)"),
    "zone_of_days": ErrorText(" (its days are usually those of UTC)", " (일봉은 보통 UTC 기준)"),
    "zone_of_yahoo": ErrorText(" (Yahoo's days of coins are those of UTC)", " (야후의 코인 일봉은 UTC 기준)"),
    "zone_of_broker": ErrorText(" (the zone of the broker's server)", " (브로커 서버의 시간대)"),
    "and_closing": ErrorText(
        ", and --stamps close, because candles seem to be stamped with the times at which they close",
        " 캔들이 끝나는 시각으로 보이므로 '캔들 시각의 의미'에서 '캔들이 끝나는 시각'도 선택하십시오.",
        ', and "Candles close at them" under "Times of the candles", as they seem to do',
    ),
    "local_time_twice": ErrorText(
        "the time {time} occurs twice in {zone}, before and after a clock change; write times in UTC or with an offset",
        "시각 {time}은(는) {zone}의 시계 변경(서머타임) 전후로 두 번 나타납니다. UTC나 오프셋이 있는 시각으로"
        " 저장하십시오.",
    ),
    "local_time_skipped": ErrorText(
        "the time {time} does not exist in {zone}: it is skipped by a clock change; write times in UTC or with an"
        " offset",
        "시각 {time}은(는) {zone}의 시계 변경(서머타임)으로 건너뛰어 존재하지 않습니다. UTC나 오프셋이 있는 시각으로"
        " 저장하십시오.",
    ),
    "time_text": ErrorText("row {row}: the time {time!r} {problem}", "{row}행의 시각 '{time}': {problem}"),
    "unknown_zone": ErrorText(
        "has an unknown zone, {zone}; write an offset such as -05:00",
        "알 수 없는 시간대입니다({zone}). -05:00과 같은 오프셋으로 쓰십시오.",
    ),
    "unreadable_time": ErrorText(
        "cannot be read; write it as 2024-01-31 09:00:00", "읽을 수 없습니다. 2024-01-31 09:00:00 형식으로 쓰십시오."
    ),
    "no_month": ErrorText(
        "names no month; write it as 2024-01-31 09:00:00",
        "월 이름을 알 수 없습니다. 2024-01-31 09:00:00 형식으로 쓰십시오.",
    ),
    "no_such_time": ErrorText(
        "does not exist; write it as 2024-01-31 09:00:00",
        "존재하지 않는 시각입니다. 2024-01-31 09:00:00 형식으로 쓰십시오.",
    ),
    "hour_of_half": ErrorText(
        "has an hour outside 1 to 12; write it as 2024-01-31 09:00:00",
        "오전·오후 시각의 시가 1~12를 벗어납니다. 2024-01-31 09:00:00 형식으로 쓰십시오.",
    ),
    "large_offset": ErrorText("has an offset of more than 14 hours", "오프셋이 14시간을 넘습니다."),
    "contradicts_dates": ErrorText(
        "contradicts --columns dates={dates}",
        "'01/02/2024 형식의 날짜'에서 선택한 순서와 맞지 않습니다.",
        'contradicts the order chosen under "Dates such as 01/02/2024"',
    ),
    "day_first_and_second": ErrorText(
        "writes the day first and second: {one} in row {one_row} and {other} in row {other_row}; write dates as"
        " 2024-01-31",
        "날짜의 일과 월 순서가 섞여 있습니다: {one_row}행 {one}, {other_row}행 {other}. 2024-01-31 형식으로 쓰십시오.",
    ),
    "unclear_dates": ErrorText(
        "has dates such as {example}, whose day and month cannot be distinguished; pass --columns dates=dmy or"
        " dates=mdy",
        "날짜의 일과 월을 구별할 수 없습니다(예: {example}). '열과 형식'의 '01/02/2024 형식의 날짜'에서 순서를"
        " 선택하십시오.",
        "has dates such as {example}, whose day and month cannot be distinguished; choose their order under"
        ' "Dates such as 01/02/2024" in "Columns and formats"',
    ),
    "some_without_zone": ErrorText(
        "has times with and without a time zone: {zoned} in row {zoned_row} and {bare} in row {bare_row}; write all of"
        " them alike",
        "시간대가 있는 시각과 없는 시각이 섞여 있습니다: {zoned_row}행 {zoned}, {bare_row}행 {bare}. 한 가지 형식으로"
        " 쓰십시오.",
    ),
    "closing_times": ErrorText(
        "its candles are stamped with the times at which they close, such as {example}; pass --stamps close to convert"
        " them, or --stamps open if they open then",
        "캔들이 끝나는 시각이 적혀 있는 것으로 보입니다(예: {example}). '캔들 시각의 의미'에서 '캔들이 끝나는 시각'을"
        " 선택하면 변환합니다. 시작하는 시각이 맞으면 '캔들이 시작하는 시각'을 선택하십시오.",
        "its candles are stamped with the times at which they close, such as {example}; choose"
        ' "Candles close at them" under "Times of the candles" to convert them, or "Candles open at them" if they do',
    ),
    "single_candle": ErrorText(
        "contains a single candle, so the length to subtract is unknown; pass its timeframe",
        "캔들이 하나뿐이라 길이를 알 수 없습니다. '주기'를 선택하십시오.",
        'contains a single candle, so the length to subtract is unknown; choose its "Timeframe"',
    ),
    "opens_late": ErrorText(
        "row {row} opens at {time:time}, {late} after {timeframe} candles do on any exchange; are these times of"
        " closing (--stamps close), or of the last trade?",
        "{row}행의 캔들이 {time:time}에 시작합니다. 거래소의 {timeframe} 캔들보다 {late} 늦습니다. 캔들이 끝나는"
        " 시각이면 '캔들 시각의 의미'에서 '캔들이 끝나는 시각'을 선택하고, 마지막 체결 시각이 아닌지 확인하십시오.",
        "row {row} opens at {time:time}, {late} after {timeframe} candles do on any exchange; are these times of"
        ' closing ("Candles close at them"), or of the last trade?',
    ),
    "opens_as_in_seoul": ErrorText(
        "row {row} opens at {time:time} with --tz {zone}, but they do open with those of Upbit in Seoul, whose days"
        " begin at 09:00, which is 00:00 UTC; pass --tz Asia/Seoul",
        "{zone} 기준으로는 {row}행의 캔들이 {time:time}에 시작하지만, 서울 시간으로 읽으면 업비트의 캔들과"
        " 일치합니다(업비트의 하루는 09:00, 즉 00:00 UTC에 시작). '시간대가 없는 시각의 시간대'에서 Asia/Seoul을"
        " 선택하십시오.",
        "with {zone}, row {row} opens at {time:time}, but in Seoul the candles open with those of Upbit, whose days"
        ' begin at 09:00, which is 00:00 UTC; choose Asia/Seoul under "Time zone of times without one"',
    ),
    "no_closed_candle": ErrorText(
        "contains no closed {timeframe} candle, the first of them opens at {first:time}; check the times and the"
        " time zone",
        "마감된 {timeframe} 캔들이 없습니다. 첫 캔들이 {first:time}에 시작합니다. 시각과 시간대를 확인하십시오.",
    ),
    "stored_at_other_times": ErrorText(
        "{count:,} stored candles from {first:time} to {last:time} equal candles of this file that open {distance}",
        "저장된 캔들 {count:,}개({first:time}~{last:time})가 이 파일에서 {distance} 시각에 시작하는 캔들과 값이"
        " 같습니다.",
    ),
    "later": ErrorText("{distance} later", "{distance} 늦은"),
    "earlier": ErrorText("{distance} earlier", "{distance} 이른"),
    "other_times_fetched": ErrorText(
        "{shifted}; they were fetched from the exchange, so the file has other times; check --tz and --stamps",
        "{shifted} 거래소에서 받은 캔들이므로 파일의 시각이 다릅니다. '시간대가 없는 시각의 시간대'와"
        " '캔들 시각의 의미'를 확인하십시오.",
        "{shifted}; they were fetched from the exchange, so the file has other times; check"
        ' "Time zone of times without one" and "Times of the candles"',
    ),
    # Numbers.
    "not_numbers": ErrorText(
        "its column {name} is of type {kind}; store numbers", "{name} 열의 형식이 {kind}입니다. 숫자로 저장하십시오."
    ),
    "inexact_number": ErrorText(
        "row {row}: {name} {value} exceeds 2^53, the largest exact float64; store it as a float",
        "{row}행: {name} {value}이(가) 정확히 저장할 수 있는 정수의 한도 2^53을 넘습니다. 실수로 저장하십시오.",
    ),
    "point_and_comma": ErrorText(
        "has numbers with a decimal point ({point}) and with a decimal comma ({comma}); write all of them alike",
        "소수점이 마침표인 숫자({point})와 쉼표인 숫자({comma})가 섞여 있습니다. 한 가지로 쓰십시오.",
    ),
    "unclear_decimal": ErrorText(
        "has numbers such as {example}, with thousands or with decimals; pass --columns decimal=point or decimal=comma",
        "숫자의 기호가 천 단위 구분인지 소수점인지 알 수 없습니다(예: {example}). '열과 형식'의 '소수점 기호'를"
        " 선택하십시오.",
        'has numbers such as {example}, with thousands or with decimals; choose the "Decimal separator" in'
        ' "Columns and formats"',
    ),
    "cell_not_a_number": ErrorText(
        "row {row}: {name} {text!r} is not a number", "{row}행: {name} 값이 숫자가 아닙니다: '{text}'"
    ),
    # The rules for candles.
    "no_candles": ErrorText("contains no candles", "캔들이 없습니다."),
    "no_trades": ErrorText(
        "contains no candles: no trade happened in any row", "캔들이 없습니다. 체결이 있는 행이 하나도 없습니다."
    ),
    "candle_repeats": ErrorText(
        "{row} at {time:time} repeats the candle before it", "{row}({time:time}): 앞의 캔들과 시각이 중복됩니다."
    ),
    "candle_earlier": ErrorText(
        "{row} at {time:time} is earlier than the candle before it",
        "{row}({time:time}): 앞의 캔들보다 이른 시각입니다.",
    ),
    "candle_violates": ErrorText("{row} at {time:time} has {violation}", "{row}({time:time}): {violation}"),
    "not_finite": ErrorText("{name} {value}, not a finite number", "{name} {value}은(는) 유한한 숫자가 아닙니다."),
    "below_zero": ErrorText("{name} {value}, below 0", "{name} {value}이(가) 0보다 작습니다."),
    "above_limit": ErrorText("{name} {value}, above {limit}", "{name} {value}이(가) 한도 {limit}보다 큽니다."),
    "not_above_zero": ErrorText("{name} {value}, not above 0", "{name} {value}이(가) 0보다 크지 않습니다."),
    "not_between": ErrorText(
        "{name} {value}, not between {low} and {high}", "{name} {value}이(가) {low}~{high} 범위를 벗어납니다."
    ),
    "above_its_high": ErrorText(
        "{name} {value} above its high {high}", "{name} {value}이(가) 고가 {high}보다 높습니다."
    ),
    "below_its_low": ErrorText("{name} {value} below its low {low}", "{name} {value}이(가) 저가 {low}보다 낮습니다."),
    "off_grid": ErrorText(
        "row {row} at {time:time} opens {late} after the grid of the others, which does not fit timeframe"
        " {timeframe}{remedy}",
        "{row}행({time:time})의 캔들이 다른 캔들의 간격보다 {late} 늦게 시작하여 주기 {timeframe}과(와) 맞지"
        " 않습니다.{remedy}",
    ),
    "off_stored_grid": ErrorText(
        "row 1 opens at {time:time}, off the grid of the stored candles, one of which opens at {stored:time}; was"
        " one of them stored with another time zone?",
        "첫 캔들이 {time:time}에 시작하여 저장된 캔들(예: {stored:time})의 간격과 맞지 않습니다. 둘 중 하나를"
        " 다른 시간대로 저장하지 않았는지 확인하십시오.",
    ),
    "may_be": ErrorText("; is it {known}?", " 주기가 {known}인지 확인하십시오."),
    "of_other_length": ErrorText(
        "{path}: {found}, so they are not {timeframe} candles{remedy}",
        "{path}: {found}. {timeframe} 캔들이 아닙니다.{remedy}",
    ),
    "none_apart": ErrorText("no two rows are {length} apart", "시각의 간격이 {length}인 행이 없습니다"),
    "most_apart": ErrorText("most rows are {length} apart", "대부분의 행의 간격이 {length}입니다"),
    "months_unsupported": ErrorText("; months are not supported", " 월봉은 지원하지 않습니다."),
    "closest_apart": ErrorText("; the closest are {length} apart", " 가장 짧은 간격은 {length}입니다."),
}
