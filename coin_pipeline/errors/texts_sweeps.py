"""Texts of invalid sweeps."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText

SWEEPS: Mapping[str, ErrorText] = {
    "warm_up_missing": ErrorText(
        "points need up to {counted} before their first decision, and {symbol} has {before:,} before the range and"
        " {inside:,} in it; fetch earlier candles, sweep smaller values, or set warm_up to none",
        "첫 판단 전에 캔들이 최대 {declared:,}개 필요한데, {symbol}에는 기간 전에 {before:,}개, 기간 안에"
        " {inside:,}개가 있습니다. 더 이른 캔들을 받거나, 더 작은 값을 스윕하거나, warm_up을 none으로 설정하십시오.",
    ),
    "sweep_too_large": ErrorText(
        "{points:,} points exceed the limit of {limit:,}; {remedy}",
        "지점 {points:,}개가 한도 {limit:,}개를 넘습니다. {remedy}",
    ),
    "larger_steps": ErrorText(
        "use larger steps, or a random search with fewer trials",
        "간격을 넓히거나, 무작위 탐색으로 시행 횟수를 줄이십시오.",
    ),
    "confirm_sweep": ErrorText(
        'to run it anyway, confirm with --yes on the command line or "confirm": true over HTTP',
        "그대로 실행하려면 확인란을 선택하십시오.",
        "to run it anyway, tick the box that confirms it",
    ),
    "space_value_type": ErrorText(
        "takes a list of values or text such as '5:60:5', not {value}",
        "값의 목록이나 5:60:5 같은 텍스트를 입력하십시오(입력값: {value}).",
    ),
    "nothing_swept": ErrorText(
        'needs at least 1 parameter or stop to sweep, such as {{"volume_window": "5:60:5"}}',
        "스윕할 파라미터나 손절·익절 항목을 하나 이상 선택하십시오.",
        "choose at least 1 parameter or stop to sweep",
    ),
    "grid_with_trials": ErrorText(
        "a grid tries all its points; omit this, or set search to random or optuna",
        "그리드는 모든 지점을 계산합니다. 이 항목을 비우거나 탐색 방법으로 random 또는 optuna를 선택하십시오.",
        "a grid tries all its points; leave this empty, or choose random or optuna as the search",
    ),
    "trials_missing": ErrorText(
        "{search} needs the number of points to try", "{search} 탐색에는 시행 횟수가 필요합니다."
    ),
    "sweep_shares_account": ErrorText(
        "a sweep trades each symbol from its own account, because a shared account would need all symbols at once for"
        " every point; omit this, and run the best points as backtests",
        "스윕은 심볼마다 별도 계좌로 거래합니다. 이 항목을 비우고, 가장 좋은 지점을 백테스트로 실행하십시오.",
    ),
    "too_many_colons": ErrorText(
        "{text!r} has too many colons; write lo:hi:step, lo:hi or comma-separated values",
        "콜론이 너무 많습니다: '{text}'. 최소:최대:간격, 최소:최대 또는 쉼표로 구분한 값을 입력하십시오.",
    ),
    "ends_below_start": ErrorText("{text!r} ends below its start", "끝값이 시작값보다 작습니다: '{text}'"),
    "step_not_positive": ErrorText(
        "the step of {text!r} must be above 0", "간격은 0보다 커야 합니다(입력값: '{text}')."
    ),
    "not_a_number": ErrorText("{text!r} is not a number", "숫자가 아닙니다: '{text}'"),
    "not_a_number_between": ErrorText(
        "{text!r} is not a number between {low} and {high}", "{low}부터 {high}까지의 숫자가 아닙니다: '{text}'"
    ),
    "cannot_be_swept": ErrorText(
        "cannot be swept{hint}; choose from {known}",
        "스윕할 수 없는 항목입니다{hint}. 다음 중에서 선택하십시오: {known}",
    ),
    "fixed_and_swept": ErrorText(
        "is both fixed and swept; remove one of them",
        "고정값과 스윕 값을 함께 지정했습니다. 둘 중 하나만 남기십시오.",
    ),
    "grid_without_steps": ErrorText(
        "a grid needs steps: write lo:hi:step", "그리드에는 간격이 필요합니다. 최소:최대:간격으로 입력하십시오."
    ),
    "no_values": ErrorText("has no values", "값이 없습니다."),
    "too_many_values": ErrorText(
        "has {count:,} values, the limit is {limit:,}; use larger steps",
        "값이 {count:,}개로 한도 {limit:,}개를 넘습니다. 간격을 넓히십시오.",
    ),
    "more_invalid_values": ErrorText("{more:,} more values are invalid", "잘못된 값이 {more:,}개 더 있습니다."),
    "repeated_values": ErrorText("has values more than once: {values}", "중복된 값이 있습니다: {values}"),
    "mixed_types": ErrorText("mixes values of the types {types}", "서로 다른 형식의 값이 섞여 있습니다: {types}"),
    "all_points_rejected": ErrorText(
        "the strategy rejects all {points:,} points: {reason}",
        "전략이 지점 {points:,}개를 모두 거부했습니다: {reason}",
    ),
    "points_need_warm_up": ErrorText(
        "points need up to {declared:,} candles before their first decision, and {symbol} has {before:,} before the"
        " range and {inside:,} in it; fetch earlier candles, sweep smaller values, or set warm_up to none",
        "첫 판단 전에 캔들이 최대 {declared:,}개 필요한데, {symbol}에는 기간 전에 {before:,}개, 기간 안에"
        " {inside:,}개가"
        " 있습니다. 캔들 페이지에서 이전 캔들을 받거나, 더 작은 값을 스윕하거나, warm_up을 none으로 선택하십시오.",
        "points need up to {declared:,} candles before their first decision, and {symbol} has {before:,} before the"
        " range and {inside:,} in it; fetch earlier candles on the page of candles, sweep smaller values, or choose"
        " none"
        " for warm_up",
    ),
}
