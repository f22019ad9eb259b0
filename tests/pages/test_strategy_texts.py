"""Descriptions of strategies in Korean."""

from coin_api.pages.texts_strategies import KOREAN, strategy_text
from coin_pipeline.strategies import Bars, Signals, Strategy, StrategyParams
from coin_pipeline.strategies.registry import load_registry


class VolumeLongCandle(Strategy[StrategyParams]):
    """Has the name of a built-in strategy."""

    name = "volume_long_candle"
    Params = StrategyParams

    def signals(self, bars: Bars, params: StrategyParams) -> Signals:
        """Raise."""
        raise NotImplementedError


def test_every_built_in_strategy_is_described_with_its_parameters() -> None:
    """A new one, and a new parameter, need a text."""
    registry = load_registry("")
    built_in = {type(registry.get(name)): registry.get(name).Params.model_fields.keys() for name in registry.names()}
    assert {kind: text.params.keys() for kind, text in KOREAN.items()} == built_in


def test_a_strategy_of_a_user_has_its_own_words() -> None:
    """Whatever its name; a page marks them as English."""
    text = strategy_text(VolumeLongCandle(), "Does ``nothing``\nat all.\n\nEver.", "ko")
    assert (text.paragraphs, text.language) == (("Does nothing at all.", "Ever."), "en")
