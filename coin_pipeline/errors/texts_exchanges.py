"""Texts of failed fetches: an exchange that does not respond, and responses that are not candles."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

EXCHANGES: Mapping[str, ErrorText] = {
    "market_unknown": ErrorText(
        "{exchange} has no market {symbol} ({reason}); check the symbol",
        "{exchange}에 없는 마켓입니다: {symbol}({reason}). 심볼을 확인하십시오.",
    ),
    "exchange_unavailable": ErrorText(
        "{exchange} {reason}; stored candles are kept, so try again later",
        "거래소 {exchange}에 연결할 수 없습니다({reason}). 저장된 캔들은 그대로입니다. 나중에 다시 시도하십시오.",
    ),
    "exchange_answer": ErrorText(
        "{exchange} was asked for {request} and returned {response}; nothing was stored",
        "거래소 {exchange}이(가) 캔들이 아닌 응답을 보냈습니다({response}). 아무것도 저장하지 않았습니다.",
    ),
    # Why an exchange is not available.
    "no_response": ErrorText(
        "does not respond ({reason}, {attempts} attempts)", "응답 없음: {reason}, {attempts}회 시도"
    ),
    "timed_out": ErrorText("{detail}", "응답 시간 초과"),
    "connection_failed": ErrorText("{detail}", "연결 실패"),
    "requests_blocked": ErrorText(
        "blocks requests from this address ({response}); the next one may be sent in {pause:,.0f} s",
        "이 서버의 요청을 차단함: {response}, {pause:,.0f}초 뒤에 다시 요청할 수 있음",
    ),
    "requests_rejected": ErrorText(
        "rejects requests from this address ({response}); the next one may be sent in {pause:,.0f} s",
        "이 서버의 요청을 거부함: {response}, {pause:,.0f}초 뒤에 다시 요청할 수 있음",
    ),
    "http_status": ErrorText("HTTP {status}: {excerpt}", "HTTP {status}: {excerpt}"),
    "empty_body": ErrorText("an empty body", "본문 없음"),
    "no_spot_market": ErrorText("no spot market {pair}", "현물 마켓 {pair} 없음"),
    # What an exchange returned instead of candles.
    "date_header": ErrorText("the Date header {date}", "Date 헤더 {date}"),
    "date_header_missing": ErrorText("the Date header 'missing'", "Date 헤더 없음"),
    "invalid_json": ErrorText("invalid JSON: {excerpt}", "잘못된 JSON: {excerpt}"),
    "not_a_candle_list": ErrorText("something other than a list: {excerpt}", "목록이 아닌 응답: {excerpt}"),
    "undecodable_body": ErrorText("a body that cannot be decoded ({detail})", "압축을 풀 수 없는 응답"),
    "number_of_candles": ErrorText("{count:,} candles", "캔들 {count:,}개"),
    "other_interval": ErrorText("with those of [{begin}, {end})", "요청하지 않은 구간 [{begin}, {end})의 캔들"),
    "candle_not_an_object": ErrorText("a candle that is not an object: {row}", "객체가 아닌 캔들: {row}"),
    "candle_with_value": ErrorText("a candle whose {name} is {value}", "{name} 값이 {value}인 캔들"),
    "candle_too_late": ErrorText(
        "a candle of {time}, which is not before {limit}", "{limit} 이전이 아닌 {time}의 캔들"
    ),
    "candle_without_number": ErrorText(
        "a candle of {time} whose {name} is {value}, not a number", "{name} 값 {value}이(가) 숫자가 아닌 {time}의 캔들"
    ),
    "candle_too_large": ErrorText("a candle of {time} whose {name} is too large", "{name} 값이 너무 큰 {time}의 캔들"),
    "candle_without_field": ErrorText("a candle without {name}: {row}", "{name}이(가) 없는 캔들: {row}"),
    "candle_incomplete": ErrorText("a candle with a missing number", "숫자가 빠진 캔들"),
    "candle_off_grid": ErrorText(
        "a candle of {time}, when no candle of that length opens", "이 주기의 캔들이 시작하지 않는 시각 {time}의 캔들"
    ),
    "impossible_candles": ErrorText("impossible candles ({reason})", "잘못된 캔들: {reason}"),
    "its_response": ErrorText("its response", "응답"),
    "candle_number": ErrorText("candle {number}", "{number}번째 캔들"),
    "none_although_before": ErrorText(
        "none, after returning one of {earliest} before", "이전에는 {earliest}의 캔들을 보냈으나 이번에는 캔들 없음"
    ),
    "older_not_kept": ErrorText(
        "none before {first} ms, although there were trades", "거래가 있었으나 {first} ms 이전의 캔들 없음"
    ),
}
