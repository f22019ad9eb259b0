"""Texts of invalid orders and of forward tests."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

TRADING: Mapping[str, ErrorText] = {
    "not_a_json_number": ErrorText(
        "{value} is not a number; send a JSON number, or text such as '0.5'",
        "숫자가 아닙니다: {value}. 0.5와 같이 입력하십시오.",
        "{value} is not a number; write digits such as 0.5",
    ),
    "too_many_characters": ErrorText(
        "{text!r}... has {count:,} characters; at most {limit} are read",
        "{count:,}자입니다. {limit}자까지 입력할 수 있습니다.",
    ),
    "not_a_decimal": ErrorText(
        "{text!r} is not a finite decimal number; write digits such as 0.5",
        "숫자가 아닙니다: '{text}'. 0.5와 같이 입력하십시오.",
    ),
    "amount_out_of_range": ErrorText(
        "{value} is not in the range {range}",
        "{value}: {low}부터 {high}까지여야 합니다.",
        "{value} is not in the range {low} to {high}",
    ),
    "not_positive": ErrorText("{value} is not above 0", "0보다 커야 합니다(입력값: {value})."),
    "not_a_rate": ErrorText(
        "{value} is not between 0 and {limit}; it is a fraction, so 0.001 is 0.1 %",
        "0부터 {limit}까지여야 합니다(입력값: {value}). 비율이므로 0.001이 0.1 %입니다.",
    ),
    "not_a_bound": ErrorText(
        "{value} is not between -1e36 and 1e36", "-10^36부터 10^36까지여야 합니다(입력값: {value})."
    ),
    "decimals_exceeded": ErrorText(
        "{value} has more than {limit} decimals; round it",
        "소수점 아래 {limit}자리까지만 입력할 수 있습니다(입력값: {value}).",
    ),
    "not_a_side": ErrorText(
        "{value} is not a side; send BUY or SELL", "매수(BUY) 또는 매도(SELL)를 선택하십시오(입력값: {value})."
    ),
    "not_a_book": ErrorText(
        "{name!r} is not a book; use up to {limit} letters, digits, colons, dots, hyphens and underscores",
        "장부 이름이 아닙니다: '{name}'. 영문자, 숫자, 콜론, 점, 하이픈, 밑줄을 {limit}자까지 쓸 수 있습니다.",
    ),
    "nul_character": ErrorText(
        "contains a NUL character, which cannot be stored; remove it",
        "저장할 수 없는 NUL 문자가 있습니다. 삭제하십시오.",
    ),
    "not_a_market_price": ErrorText(
        "{text!r} is not MARKET:PRICE, such as BTC_KRW:51000",
        "마켓:가격 형식이 아닙니다: '{text}'. BTC_KRW:51000과 같이 입력하십시오.",
    ),
    "no_price": ErrorText(
        "is missing, and no finished candle of {symbol} is stored to take it from{hint}; send one, or fetch candles"
        " with"
        " 'coin candles get {symbol} --timeframe 1d'",
        "가격이 없고, 가격으로 쓸 {symbol}의 마감된 캔들도 저장되어 있지 않습니다{hint}. 가격을 입력하거나 캔들"
        " 페이지에서 캔들을 받으십시오.",
        "is missing, and no finished candle of {symbol} is stored to take it from{hint}; write one, or fetch candles on"
        " the page of candles",
    ),
    "no_holding": ErrorText(
        "book {book!r} holds no {symbol} to sell; buy first, or set COIN_ALLOW_SHORT=true to allow short positions",
        "장부 '{book}'에 매도할 {symbol}이(가) 없습니다. 먼저 매수하십시오. 공매도를 허용하는 것은 운영자의"
        " 설정(COIN_ALLOW_SHORT)입니다.",
        "book {book!r} holds no {symbol} to sell; buy first (short positions are a setting of the operator,"
        " COIN_ALLOW_SHORT)",
    ),
    "position_closed": ErrorText("{position} is already closed", "이미 청산된 포지션입니다."),
    "over_exit": ErrorText(
        "the position holds {held} units, fewer than the {quantity} to exit; exit at most these",
        "포지션의 보유 수량 {held}이(가) 청산할 수량 {quantity}보다 적습니다. 보유 수량까지만 청산할 수 있습니다.",
    ),
    "position_too_large": ErrorText(
        "the position would hold {quantity} units, more than {limit}; enter fewer",
        "포지션 수량이 {quantity}이(가) 되어 한도 {limit}을(를) 넘습니다. 수량을 줄이십시오.",
    ),
    "position_not_found": ErrorText(
        "position {position_id} does not exist; list positions with 'coin positions history'",
        "없는 포지션입니다: {position_id}. 포지션 목록에서 선택하십시오.",
        "position {position_id} does not exist; choose one in the list of positions",
    ),
    "forward_test_not_found": ErrorText(
        "no forward test has the id {test_id}; 'coin forward list' shows all",
        "없는 포워드 테스트입니다: {test_id}. 포워드 테스트 목록에서 선택하십시오.",
        "no forward test has the id {test_id}; choose one in the list of forward tests",
    ),
    "nothing_decided": ErrorText(
        "forward test {test_id} has no decision yet; its drift is known once its first candle has closed and is stored",
        "포워드 테스트 {test_id}에 아직 판단이 없습니다. 첫 캔들이 마감되어 저장되면 차이를 계산합니다.",
    ),
    "drift_not_found": ErrorText(
        "forward test {test_id} has no drift report yet; the job forward_drift stores one every night, and 'coin"
        " forward"
        " drift {test_id}' compares now",
        "포워드 테스트 {test_id}의 차이 보고서가 아직 없습니다. 매일 밤 작업이 저장합니다.",
        "forward test {test_id} has no drift report yet; a job stores one every night",
    ),
    "forward_test_stopped": ErrorText(
        "forward test {test_id} was stopped; start a new one instead",
        "중지된 포워드 테스트입니다: {test_id}. 새로 시작하십시오.",
    ),
}
