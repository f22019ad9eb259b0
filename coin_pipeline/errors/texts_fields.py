"""Texts of invalid fields of requests, and of parts of other texts."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

FIELDS: Mapping[str, ErrorText] = {
    # Parts of other texts.
    "did_you_mean": ErrorText(" (did you mean {name!r}?)", " (혹시 '{name}'입니까?)"),
    "did_you_mean_upbit": ErrorText(
        " (did you mean {name!r}? In Upbit's form the quote comes first.)",
        " (혹시 '{name}'입니까? 업비트 표기에서는 결제 통화가 앞에 옵니다.)",
    ),
    "no_months": ErrorText(" (months are not supported)", " (월봉은 지원하지 않습니다)"),
    "minutes_not_months": ErrorText(
        " ({name} is {count} min; months are not supported)", " ({count}분봉은 {name}입니다. 월봉은 지원하지 않습니다)"
    ),
    "m_is_minutes": ErrorText(
        " (m is minutes; months are not supported)", " (m은 분을 뜻합니다. 월봉은 지원하지 않습니다)"
    ),
    "problems": ErrorText("{listed}", "{listed}"),
    "separate_by_commas": ErrorText(
        "{message}, and separate them by commas", "{message} 여러 개는 쉼표로 구분하십시오."
    ),
    "of_field": ErrorText("{field}: {message}", "{field}: {message}"),
    # Any request.
    "named_more_than_once": ErrorText("named more than once: {names}", "중복된 항목이 있습니다: {names}"),
    "occurs_more_than_once": ErrorText("occurs more than once; send each key once", "같은 키가 두 번 이상 있습니다."),
    "unknown_field": ErrorText("is not a field of this request{hint}", "이 요청에 없는 항목입니다{hint}."),
    "not_a_day": ErrorText(
        "{value!r} is not a day; write YYYY-MM-DD", "날짜가 아닙니다: '{value}'. YYYY-MM-DD 형식으로 입력하십시오."
    ),
    "day_out_of_range": ErrorText(
        "{day} is not between {first} and {last}", "날짜는 {first}부터 {last}까지여야 합니다(입력값: {day})."
    ),
    "not_a_list": ErrorText(
        'must be a list of {items}, such as ["{example}"]',
        "목록이어야 합니다. 예: {example}",
        "must be a list, such as {example}",
    ),
    "empty_list": ErrorText(
        'needs at least 1 item, such as ["{example}"]',
        "하나 이상 선택하거나 입력하십시오. 예: {example}",
        "choose or enter at least 1, such as {example}",
    ),
    "end_before_start": ErrorText(
        "{end} is before {field} {start}", "종료일 {end}이(가) 시작일 {start}보다 앞섭니다. 기간을 확인하십시오."
    ),
    "start_in_future": ErrorText(
        "{start} is in the future (today is {today}); choose a day up to today",
        "시작일 {start}은(는) 미래의 날짜입니다(오늘: {today}). 오늘이나 그 이전 날짜를 입력하십시오.",
    ),
    "end_without_start": ErrorText("requires a start; give the first day too", "시작일도 입력하십시오."),
    "bound_above_bound": ErrorText(
        "{minimum} is above {upper}, which is {maximum}; no {kind} can match",
        "하한 {minimum}이(가) 상한 {maximum}보다 커서 일치하는 항목이 있을 수 없습니다.",
    ),
    "not_a_market": ErrorText(
        "{symbol!r} is not a market{hint}; write BTC_KRW or KRW-BTC",
        "마켓이 아닙니다: '{symbol}'{hint}. BTC_KRW 또는 KRW-BTC 형식으로 입력하십시오.",
    ),
    "timeframe_in_path": ErrorText(
        "belongs in the query; GET {address}", "주기는 경로가 아니라 쿼리에 지정하십시오. 예: {address}"
    ),
    "not_a_timeframe": ErrorText(
        "{timeframe!r} is not a timeframe{hint}; choose one of {known}",
        "지원하지 않는 캔들 주기입니다: '{timeframe}'{hint}. 다음 중에서 선택하십시오: {known}",
    ),
    "not_a_timezone": ErrorText(
        "{name!r} is not a time zone{hint}; write an IANA name such as Asia/Seoul or UTC",
        "시간대가 아닙니다: '{name}'{hint}. Asia/Seoul, UTC와 같은 IANA 이름으로 입력하십시오.",
    ),
    "no_name_of_a_timezone": ErrorText(
        "{value} is not the name of a time zone, such as 'Asia/Seoul' or 'UTC'",
        "시간대 이름이 아닙니다: {value}. 예: 'Asia/Seoul', 'UTC'",
    ),
    "not_an_exchange": ErrorText(
        "{name!r} is not an exchange that ccxt supports{hint}", "ccxt가 지원하지 않는 거래소입니다: '{name}'{hint}."
    ),
    "ccxt_missing": ErrorText(
        "{name!r} requires ccxt, which is not installed: pip install 'coin-pipeline[exchanges]'; or choose 'upbit',"
        " which needs nothing",
        "거래소 '{name}'에 필요한 ccxt 패키지가 서버에 없습니다. upbit를 선택하거나 운영자에게 설치를 요청하십시오.",
        "{name!r} needs the package ccxt on the server; choose upbit, or ask the operator to install it",
    ),
    # Backtests.
    "unknown_strategy": ErrorText(
        "{name!r} is not a strategy{hint}; choose one of {known}",
        "등록되지 않은 전략입니다: '{name}'{hint}. 다음 중에서 선택하십시오: {known}",
    ),
    "needs_account": ErrorText(
        "signal_close evaluates each signal independently, without an account; omit this or use next_open",
        "signal_close는 계좌 없이 신호를 각각 평가합니다. 이 항목을 비우거나 체결 방식으로 next_open을 선택하십시오.",
        "signal_close evaluates each signal independently, without an account; leave this empty or choose next_open",
    ),
    "orders_need_account": ErrorText(
        "signal_close evaluates each signal independently, without an account; use 0 or next_open",
        "signal_close는 계좌 없이 신호를 각각 평가합니다. 0을 입력하거나 체결 방식으로 next_open을 선택하십시오.",
        "signal_close evaluates each signal independently, without an account; enter 0 or choose next_open",
    ),
    "several_currencies": ErrorText(
        "one account cannot hold cash in several quote currencies: {listed}; omit this, or choose markets with one of"
        " them",
        "한 계좌에 여러 결제 통화의 현금을 둘 수 없습니다: {listed}. 이 항목을 비우거나 결제 통화가 같은 마켓만"
        " 선택하십시오.",
        "one account cannot hold cash in several quote currencies: {listed}; leave this empty, or choose markets with"
        " one of them",
    ),
    "unknown_ticks": ErrorText(
        "the ticks of {symbols} are not known; {tick_sizes} has ticks for markets in {quotes}; use none",
        "{symbols}의 호가 단위를 알 수 없습니다. {tick_sizes}에는 {quotes} 마켓의 호가 단위만 있습니다. none을"
        " 선택하십시오.",
    ),
    "samples_overflow": ErrorText(
        "the returns of {samples} overlapping samples compound beyond {limit}; use next_open, a shorter range or a"
        " shorter holding period",
        "겹치는 신호 {samples}건의 누적 수익률이 한계 {limit}배를 넘습니다. 체결 방식 next_open을 선택하거나 기간 또는"
        " 보유 기간을 줄이십시오.",
    ),
    "equity_overflow": ErrorText(
        "the equity of {account} exceeds {limit} times its initial cash, which no market allows; check the candles for"
        " impossible prices with 'coin candles check', or use a shorter range",
        "{account}의 평가 금액이 초기 자금의 {limit}배를 넘습니다. 실제 시장에서는 불가능한 값입니다. 캔들 페이지에서"
        " 비정상 가격을 확인하거나 기간을 줄이십시오.",
        "the equity of {account} exceeds {limit} times its initial cash, which no market allows; look for impossible"
        " prices on the page of candles, or choose a shorter range",
    ),
    "not_a_parameter": ErrorText(
        "is not a parameter{hint}; the parameters are {known}",
        "이 전략에 없는 파라미터입니다{hint}. 파라미터: {known}",
    ),
    "invalid_parameter": ErrorText("{message}, not {value}{accepted}", "{message} (입력값: {value}){accepted}"),
    "accepted": ErrorText(
        "; expected {kind}{bounds} (default {default})", ". 허용 값: {kind}{bounds}(기본값 {default})"
    ),
    "bounds": ErrorText(" {low} and {high}", " {low} {high}"),
    "bound": ErrorText(" {only}", " {only}"),
    "minimum": ErrorText(">= {limit}", "{limit} 이상"),
    "exclusiveMinimum": ErrorText("> {limit}", "{limit} 초과"),
    "maximum": ErrorText("<= {limit}", "{limit} 이하"),
    "exclusiveMaximum": ErrorText("< {limit}", "{limit} 미만"),
    "an_integer": ErrorText("an integer", "정수"),
    "a_number": ErrorText("a number", "숫자"),
    "true_or_false": ErrorText("true or false", "true 또는 false"),
    "a_text": ErrorText("text", "텍스트"),
    # Addresses of pages.
    "invalid_run_id": ErrorText(
        "{run_id!r} is not a run id; use only letters, digits, hyphens and underscores",
        "결과 ID가 아닙니다: '{run_id}'. 영문자, 숫자, 하이픈, 밑줄만 쓸 수 있습니다.",
    ),
    "invalid_cursor": ErrorText(
        "{token!r} is not a cursor; use next_cursor of the previous page, or omit it for the first page",
        "페이지 위치가 아닙니다: '{token}'. 목록의 첫 페이지부터 다시 여십시오.",
        "{token!r} is not a place in the list; start again on its first page",
    ),
    "results_to_compare": ErrorText(
        "names {count} different results; choose {least} to {most} in the list of results",
        "서로 다른 결과가 {count}개입니다. 결과 목록에서 {least}~{most}개를 선택하십시오.",
    ),
    "not_a_point": ErrorText(
        "{number} is not a point that this sweep evaluated; choose one from its heat map or its trials",
        "이 스윕이 계산하지 않은 지점입니다: {number}. 히트맵이나 시행 목록에서 선택하십시오.",
    ),
}
