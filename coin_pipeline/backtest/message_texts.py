"""Texts of the warnings and checks of a result, by their codes.

Besides Python's formats, `{trades:#trade}` is a count with its noun, `{missing:?is|are}` a word that fits a count, and
`{objective:figure}` the label of a figure. `{median:of {objective}}` is a value with the unit of a figure.
"""

from collections.abc import Mapping

from coin_pipeline.languages import Text

_NOT_REPRODUCED = Text(
    "not checked, no decision came out again from fewer candles: ",
    "검사하지 못했습니다. 더 적은 캔들로 계산하면 같은 판단이 나오지 않습니다: ",
)
_UNCHANGED = Text(
    "signals unchanged with other later candles at {cuts} points, {decisions} of {total} decisions among them",
    "{cuts}개 지점에서 이후 캔들을 바꿔도 신호가 같습니다(판단 {total}건 중 {decisions}건 포함)",
)
_SCREENED = Text("; screened after {screened:#candle}", "; 캔들 {screened:,}개 이후를 추가로 점검했습니다")
_ROUNDED = Text(
    "; {rounding:#decision} changed only by rounding errors of later candles",
    "; 판단 {rounding:,}건은 이후 캔들의 반올림 오차로만 달라졌습니다",
)


def _join(*texts: Text) -> Text:
    return Text("".join(text.en for text in texts), "".join(text.ko for text in texts))


_NEEDS_WARM_UP = Text(
    "{symbol}: the strategy needs {declared:#candle} before the range to warm up, and {missing:,} of them"
    " {missing:?is|are} not stored; ",
    "{symbol}: 전략의 워밍업에 기간 이전 캔들 {declared:,}개가 필요한데 {missing:,}개가 저장되어 있지 않습니다. ",
)
_TICKS = Text(
    "{share} of {prices:,} prices are prices that the market quoted on their day",
    "가격 {prices:,}개 중 {share}가 그날의 호가 단위에 맞습니다",
)
MESSAGES: Mapping[str, Text] = {
    # Warnings about the whole result.
    "few_trades": Text(
        "only {trades:#trade}: figures from fewer than {limit} may be luck",
        "거래가 {trades:,}건뿐입니다. {limit}건 미만으로 계산한 수치는 우연일 수 있습니다.",
    ),
    "volatility_drag": Text(
        "the mean trade returned {expectancy:+.2%}, but the account {total_return:+.2%}:"
        " returns compound, so a loss weighs more than a gain of the same size (volatility drag)",
        "거래당 평균 수익률은 {expectancy:+.2%}인데 계좌 수익률은 {total_return:+.2%}입니다."
        " 수익률은 복리로 누적되므로 같은 크기라도 손실의 영향이 이익보다 큽니다(변동성 손실).",
    ),
    "one_trade": Text(
        "all of the profit comes from one trade: {symbol}, entered {entered}, returned {net_return:+.2%};"
        " without it the result is {return_without:+.2%}",
        "이익이 모두 거래 1건에서 나왔습니다: {symbol}, {entered} 진입, 수익률 {net_return:+.2%}."
        " 이 거래를 빼면 수익률은 {return_without:+.2%}입니다.",
    ),
    "short_range": Text(
        "the range has {days:#day}: its annualized figures (CAGR, volatility, Sharpe ratio, Sortino ratio) extrapolate"
        " less than {limit} days to a year and mean little",
        "기간이 {days:,}일입니다. {limit}일 미만을 1년으로 환산한 연율 수치(CAGR, 변동성, 샤프 지수, 소르티노 지수)는"
        " 의미가 거의 없습니다.",
    ),
    "implausible": Text(
        "implausible: {figures}: look for a strategy that knows the future in a way the checks miss, wrong candles, or"
        " costs that are too low",
        "비현실적인 수치입니다: {figures}. 검사에서 드러나지 않은 미래 참조, 잘못된 캔들, 지나치게 낮은 비용이 없는지"
        " 확인하십시오.",
    ),
    "sharpe": Text("a Sharpe ratio of {value:.1f}, above {limit:g}", "샤프 지수 {value:.1f}({limit:g} 초과)"),
    "win_rate": Text(
        "a win rate of {value:.1%} over {trades:,} trades, above {limit:.0%}",
        "거래 {trades:,}건의 승률 {value:.1%}({limit:.0%} 초과)",
    ),
    "profit_factor": Text(
        "a profit factor of {value:.1f} over {trades:,} trades, above {limit:g}",
        "거래 {trades:,}건의 손익비 {value:.1f}({limit:g} 초과)",
    ),
    "loses_without_costs": Text(
        "the trades lose even without costs: the gross return is {gross_return:+.2%}",
        "비용이 없어도 손실입니다. 비용 전 수익률은 {gross_return:+.2%}입니다.",
    ),
    "gone_at_twice_the_costs": Text(
        "the profit is gone at twice the costs; it breaks even at {break_even_rate:.4%} a leg",
        "비용이 2배가 되면 이익이 사라집니다. 손익분기는 주문당 {break_even_rate:.4%}입니다.",
    ),
    "highest_param": Text(
        "{name}={value} is the highest value that the strategy takes",
        "{name}={value}: 전략이 허용하는 최댓값입니다.",
    ),
    "lowest_param": Text(
        "{name}={value} is the lowest value that the strategy takes",
        "{name}={value}: 전략이 허용하는 최솟값입니다.",
    ),
    # Warnings about a symbol.
    "check_failed": Text("{symbol}: {name}: {detail}", "{symbol}: {detail}"),
    "range_not_over": Text(
        "{symbol}: the range ends at {closed_until}, when the last closed candle ends; later candles do not exist yet",
        "{symbol}: 기간이 마지막으로 마감된 캔들이 끝나는 {closed_until}까지입니다. 이후 캔들은 아직 없습니다.",
    ),
    "missing_candles": Text(
        "{symbol}: {missing} of {expected} candles ({share:.2%}) are missing, in {gaps:#gap};"
        " the first candle is at {first}, the last at {last}",
        "{symbol}: 캔들 {expected}개 중 {missing}개({share:.2%})가 없습니다(공백 {gaps:,}개)."
        " 첫 캔들은 {first}, 마지막 캔들은 {last}입니다.",
    ),
    "late_first_decision": _join(
        _NEEDS_WARM_UP,
        Text("its first decision is possible at {first_decision}", "첫 판단은 {first_decision}부터 가능합니다."),
    ),
    "no_decision": _join(
        _NEEDS_WARM_UP,
        Text("the range is too short for a decision", "기간이 짧아 한 번도 판단할 수 없습니다."),
    ),
    "not_settled": Text(
        "{symbol}: decisions were still changing with a warm-up of {used:#candle}, the most that is stored or tried;"
        " an earlier start of the candles may change the result",
        "{symbol}: 저장되었거나 시도한 최대 워밍업인 캔들 {used:,}개에서도 판단이 계속 달라졌습니다."
        " 더 이전 캔들을 저장하면 결과가 달라질 수 있습니다.",
    ),
    "never_traded": Text("{symbol}: the strategy never traded", "{symbol}: 전략이 한 번도 거래하지 않았습니다."),
    "open_position": Text(
        "{symbol}: the last position was still open and is valued at the last close",
        "{symbol}: 마지막 포지션이 청산되지 않아 마지막 종가로 평가했습니다.",
    ),
    "too_small": Text(
        "{symbol}: {count:#signal} not traded, for lack of cash or below the minimum order",
        "{symbol}: 현금이 부족하거나 최소 주문 금액보다 작아 신호 {count:,}건을 거래하지 않았습니다.",
    ),
    "not_filled": Text(
        "{symbol}: the signal of {timestamp} cannot be filled: {reason}",
        "{symbol}: {timestamp}의 신호는 체결할 수 없습니다. 백테스트 기간에 다음 캔들이 없어 체결할 시가가 없습니다.",
    ),
    "below_minimum_order": Text(
        "{symbol}: {below:,} of {orders:#order} spent less than Upbit's minimum of {minimum}; min_order skips them",
        "{symbol}: 주문 {orders:,}건 중 {below:,}건의 금액이 업비트 최소 주문 금액 {minimum}보다 작습니다."
        " min_order를 설정하면 제외됩니다.",
    ),
    # Details of checks.
    "candles_valid": Text(
        "{present} candles in order, prices consistent", "캔들 {present}개가 시간순이며 가격에 모순이 없습니다"
    ),
    "look_ahead_unchanged": _UNCHANGED,
    "look_ahead_unchanged_screened": _join(_UNCHANGED, _SCREENED),
    "look_ahead_unchanged_rounded": _join(_UNCHANGED, _ROUNDED),
    "look_ahead_unchanged_screened_rounded": _join(_UNCHANGED, _SCREENED, _ROUNDED),
    "look_ahead_rounding": Text(
        "not checked: {rounding:#decision} changed only by rounding errors of later candles, which is too many; round"
        " indicators before comparing them",
        "검사하지 못했습니다. 이후 캔들의 반올림 오차로만 달라진 판단이 {rounding:,}건으로 너무 많습니다. 지표를"
        " 비교하기 전에 반올림하십시오.",
    ),
    "look_ahead_failure": _join(_NOT_REPRODUCED, Text("{failure}", "{failure}")),
    "look_ahead_too_far": _join(
        _NOT_REPRODUCED, Text("the strategy looks back too far for that", "전략이 너무 먼 과거까지 봅니다.")
    ),
    "ticks_fit": _TICKS,
    "ticks_differ": Text(
        f"only {_TICKS.en}; the first that is not is {{price}} on {{day}}: these ticks may not fit the candles",
        f"{_TICKS.ko}. 맞지 않는 첫 가격은 {{day}}의 {{price}}입니다. 이 호가 단위가 캔들에 맞지 않을 수 있습니다",
    ),
    # Warnings about a sweep.
    "evaluated_from": Text(
        "all points are evaluated from {start} instead of {requested}: they need up to {declared:#candle} before the"
        " first decision, and fewer are stored before the range",
        "모든 포인트를 {requested}이 아니라 {start}부터 평가했습니다. 첫 판단 전에 캔들이 최대 {declared:,}개 필요한데"
        " 기간 이전에 저장된 캔들이 부족합니다.",
    ),
    "no_best_point": Text(
        "the {objective:figure} is undefined at every point, so there is no best one",
        "모든 포인트에서 목표 지표({objective:figure})를 계산할 수 없어 최적 포인트가 없습니다.",
    ),
    "biased": Text(
        "the best of {points:,} points is biased upwards: part of its {objective:figure} is luck, so expect less",
        "포인트 {points:,}개 중 최고를 고른 것이라 상향 편향이 있습니다. 목표 지표({objective:figure})의 일부는"
        " 운이므로 실제로는 더 낮게 예상하십시오.",
    ),
    "no_profit": Text("even the best point made no profit", "최적 포인트에서도 이익이 나지 않았습니다."),
    "too_many_neighbours": Text(
        "the grid has too many neighbours to look for a plateau; sweep fewer dimensions at once",
        "격자의 이웃이 너무 많아 안정 구간을 찾지 않았습니다. 한 번에 스윕할 차원을 줄이십시오.",
    ),
    "few_trades_at_best": Text(
        "only {trades:#trade} at the best point: fewer than {limit} may be luck",
        "최적 포인트의 거래가 {trades:,}건뿐입니다. {limit}건 미만은 우연일 수 있습니다.",
    ),
    "lowest_swept": Text(
        "{name}={value} is at the lowest value swept: the best may be below it",
        "{name}={value}: 스윕한 값 중 최솟값입니다. 최적값이 그 아래에 있을 수 있습니다.",
    ),
    "highest_swept": Text(
        "{name}={value} is at the highest value swept: the best may be above it",
        "{name}={value}: 스윕한 값 중 최댓값입니다. 최적값이 그 위에 있을 수 있습니다.",
    ),
    "isolated": Text(
        "the best point is isolated: its {objective:figure} is {reached:of {objective}}, but the median of the {size}"
        " points around it is {median:of {objective}}; a small change loses most of it",
        "최적 포인트가 고립되어 있습니다. 목표 지표({objective:figure})는 {reached:of {objective}}이지만"
        " 이웃 {size}개의 중앙값은 {median:of {objective}}입니다. 값을 조금만 바꿔도 대부분 사라집니다.",
    ),
    "isolated_undefined": Text(
        "the best point is isolated: its {objective:figure} is {reached:of {objective}}, but the median of the {size}"
        " points around it is undefined; a small change loses most of it",
        "최적 포인트가 고립되어 있습니다. 목표 지표({objective:figure})는 {reached:of {objective}}이지만"
        " 이웃 {size}개의 중앙값은 계산할 수 없습니다. 값을 조금만 바꿔도 대부분 사라집니다.",
    ),
    # Drift of a forward test.
    "drift_unexplained": Text(
        "{residual:+.6g} {quote} of the difference are unexplained; the bound is {bound:g}.",
        "차이 중 {residual:+.6g} {quote}의 원인을 찾지 못했습니다. 허용 한도는 {bound:g}입니다.",
    ),
    "drift_without_cause": Text(
        "{decisions} decisions differ without a cause, the first of {symbol}.",
        "원인 없이 다른 결정이 {decisions:,}건 있습니다. 첫 번째는 {symbol}입니다.",
    ),
    "edge_not_judged": Text(
        "Not enough trades to judge the edge: {forward} in the forward test, {reference} in the reference;"
        " {needed} of each are needed.",
        "거래가 부족해 엣지를 판정할 수 없습니다. 포워드 테스트 {forward:,}건, 기준 백테스트 {reference:,}건이며, 각각"
        " {needed:,}건이 필요합니다.",
    ),
    "edge_without_gain": Text(
        "The reference has no gain per trade that could decay: its mean is {mean:+.4%}.",
        "기준 백테스트의 거래당 평균 수익률이 {mean:+.4%}로, 줄어들 이익이 없습니다.",
    ),
    "edge_holds": Text(
        "The edge decayed by {decay:.1%}, within the bound of {bound:.1%}.",
        "엣지가 {decay:.1%} 줄었으며, 허용 한도 {bound:.1%} 이내입니다.",
    ),
    "edge_decayed": Text(
        "The edge decayed by {decay:.1%}, beyond the bound of {bound:.1%}.",
        "엣지가 {decay:.1%} 줄어 허용 한도 {bound:.1%}를 넘었습니다.",
    ),
    "decision_missing": Text("not stored", "저장되지 않음"),
    "decision_nothing": Text("nothing", "없음"),
    "decision_exit": Text("exit", "청산"),
    "decision_enter": Text("enter", "진입"),
    "decision_enter_and_hold": Text("enter, hold {hold}", "진입, {hold}봉 보유"),
    "decision_exit_enter": Text("exit and enter", "청산 후 진입"),
    "decision_exit_enter_and_hold": Text("exit and enter, hold {hold}", "청산 후 진입, {hold}봉 보유"),
}
"""Every sentence by its code."""
