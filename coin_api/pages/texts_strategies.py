"""Descriptions of the built-in strategies in Korean; in English, their classes describe themselves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from coin_api.pages.forms import FormField
from coin_pipeline.languages import Language
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.builtin.volume_long_candle import VolumeLongCandle
from coin_pipeline.strategies.builtin.volume_zone_breakout import VolumeZoneBreakout

_HOLD = "진입부터 청산까지의 봉 수"


class StrategyText(NamedTuple):
    """What a strategy and its parameters mean.

    Attributes:
        paragraphs: What it does.
        params: What each parameter means, by its name.
        language: Language of these texts.
    """

    paragraphs: tuple[str, ...]
    params: Mapping[str, str]
    language: Language

    def describe(self, field: FormField) -> FormField:
        """Return the field of a parameter with its description in this language."""
        return replace(field, description=self.params.get(field.name, field.description))


KOREAN: Mapping[type[Strategy[Any]], StrategyText] = {
    VolumeLongCandle: StrategyText(
        (
            "거래량이 많고 꼬리가 짧은 장대 양봉 다음에 매수해 정해진 봉 수만큼 보유합니다.",
            (
                "거래량이 최근 vol_ma_window개 봉 평균의 vol_multiplier배 이상이고(처음에는 더 적은 봉의 평균),"
                " 시가 대비 body_pct 이상 오르고, 위아래 꼬리가 각각 그 두 배보다 짧은 봉이 신호입니다."
                " 값은 십진수로 비교합니다. 10.1에서 10.302로 오르면 0.02 상승입니다."
            ),
        ),
        {
            "vol_ma_window": "평균 거래량을 계산하는 봉 수(신호 봉 포함)",
            "vol_multiplier": "평균 거래량 대비 최소 거래량(배)",
            "body_pct": "시가에서 종가까지의 최소 상승률(시가에 대한 비율)",
            "hold_period_bars": _HOLD,
        },
        "ko",
    ),
    VolumeZoneBreakout: StrategyText(
        (
            "최근 거래량이 몰린 매물대를 가격이 상향 돌파하면 매수합니다.",
            (
                "직전 volume_window개 봉의 거래량을, 그 가격 범위를 num_bins개로 똑같이 나눈 구간에 배분합니다."
                " 맨 위 구간부터 더한 거래량이 전체의 top_percentile에 이르는 구간의 하단이 기준 가격입니다."
                " 고가가 기준 가격의 1 + breakout_buffer배 이상인 봉이 신호입니다."
                " 값은 십진수로 비교합니다. 기준 가격이 91.8이면 고가 91.8도 돌파입니다."
            ),
        ),
        {
            "volume_window": "매물대를 계산하는 봉 수(신호 봉 이전)",
            "top_percentile": "기준 가격 위에 있는 거래량의 비율",
            "breakout_buffer": "기준 가격보다 더 올라야 하는 폭(기준 가격에 대한 비율)",
            "hold_period_bars": _HOLD,
            "num_bins": "매물대를 나누는 가격 구간 수",
            "include_wicks": "꼬리를 포함한 봉 전체(true) 또는 몸통만(false) 사용",
        },
        "ko",
    ),
}
"""Texts of the built-in strategies, by their classes: one of a user may have the same name."""


def strategy_text(strategy: Strategy[Any], description: str, language: Language) -> StrategyText:
    """Return the texts of a strategy in a language if there are any, otherwise in its own words.

    Args:
        strategy: The strategy.
        description: Its own description.
        language: The preferred language.
    """
    if language == "ko" and type(strategy) in KOREAN:
        return KOREAN[type(strategy)]
    paragraphs = (" ".join(paragraph.split()).replace("``", "") for paragraph in description.split("\n\n"))
    return StrategyText(tuple(paragraphs), {}, "en")
