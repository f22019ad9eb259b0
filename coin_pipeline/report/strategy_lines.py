"""Lines that the strategy of a backtest plots, computed from its candles when its report is built."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from coin_pipeline.backtest.candle_source import CandleSource
from coin_pipeline.backtest.fingerprint import code_digest
from coin_pipeline.backtest.formatting import Json
from coin_pipeline.backtest.request import parse_request
from coin_pipeline.backtest.spec import complete_stored_spec, resolve
from coin_pipeline.backtest.warm_up import WarmUp, read_warm_bars
from coin_pipeline.engine.bars import Bars
from coin_pipeline.errors import CoinError
from coin_pipeline.languages import Language, Text
from coin_pipeline.strategies.base import Strategy
from coin_pipeline.strategies.isolation import isolated
from coin_pipeline.strategies.loader import run_plot
from coin_pipeline.strategies.plot import PlotLine
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.strategies.state import is_built_in

CODE_CHANGED = Text(
    "The code of the strategy or the engine has changed since this backtest, so its levels are not drawn.",
    "백테스트 이후 전략이나 엔진의 코드가 바뀌어, 진입 판단에 쓰인 기준선을 그리지 않습니다.",
)
FAILED = Text(
    "The levels that the strategy decided by cannot be drawn: {error}",
    "전략의 진입 판단에 쓰인 기준선을 그릴 수 없습니다: {error}",
)
OF_A_USER = Text(
    "The API does not run the code of a user's strategy. Its levels are drawn by 'coin results report {run_id}';"
    " Signals(plot=...) stores them with the result.",
    "API는 사용자 전략의 코드를 실행하지 않습니다. 기준선은 'coin results report {run_id}'로 그리거나,"
    " Signals(plot=...)으로 결과와 함께 저장하십시오.",
)


class StrategyLines(NamedTuple):
    """Lines of one symbol by label, one value per bar of the range, and why they are missing if they are."""

    lines: Mapping[str, PlotLine] = {}
    missing: str | None = None


LinesOf: TypeAlias = Callable[[str, Bars], StrategyLines]
"""Returns the lines of a symbol on its bars in the range of the backtest."""


def no_lines(symbol: str, bars: Bars) -> StrategyLines:  # noqa: ARG001 -- a `LinesOf`
    """Return no lines, and no reason."""
    return StrategyLines()


def strategy_lines(
    document: Json,
    candles: CandleSource,
    load: Callable[[], StrategyRegistry],
    language: Language = "en",
    *,
    user_code: bool = False,
) -> LinesOf:
    """Return the function that plots the strategy of a backtest, on the candles and with the code of that backtest.

    Args:
        document: Result document of schema 1.2.0.
        candles: Where its candles are stored.
        load: Returns the registered strategies.
        language: Language of the reasons why lines are missing.
        user_code: Whether to call strategies that are not built in, in this process. Their code may not return, may
            end the process, and keeps its state: one call at a time.
    """
    try:
        registry = load()
        strategy = registry.get(document["strategy"])
        if type(strategy).plot is Strategy.plot:
            return no_lines
        if not (user_code or is_built_in(strategy)):
            return _missing(OF_A_USER.write(language, run_id=document["run_id"]))
        if "spec" not in document or code_digest(strategy) != document["fingerprint"].get("code"):
            return _missing(CODE_CHANGED.write(language))
        return _Plot(document, candles, registry, language)
    except CoinError as error:
        return _missing(FAILED.write(language, error=error))


def _missing(reason: str) -> LinesOf:
    return lambda symbol, bars: StrategyLines(missing=reason)  # noqa: ARG005 -- a `LinesOf`


class _Plot:
    """A `LinesOf` that calls the strategy, after the same warm-up as in the backtest."""

    def __init__(self, document: Json, candles: CandleSource, registry: StrategyRegistry, language: Language) -> None:
        self._spec = resolve(parse_request(complete_stored_spec(document["spec"])), registry)
        self._strategy = registry.get(self._spec.strategy)
        self._params = registry.resolve(self._spec.strategy, self._spec.params)
        self._warm_ups = {part["symbol"]: part["candles"].get("warm_up") for part in document["symbols"]}
        self._candles, self._language = candles, language

    def __call__(self, symbol: str, bars: Bars) -> StrategyLines:
        try:
            return StrategyLines(self._lines(symbol, bars))
        except CoinError as error:
            return StrategyLines(missing=FAILED.write(self._language, error=error))

    def _lines(self, symbol: str, bars: Bars) -> dict[str, PlotLine]:
        stored = self._warm_ups[symbol]
        warm_up = WarmUp.model_validate(stored) if stored else None
        warm = read_warm_bars(self._candles, self._spec, symbol, bars, warm_up)
        with isolated(self._strategy, warm.bars, symbol, self._params):
            lines = run_plot(self._strategy, warm.bars, self._params, symbol)
        return {label: line._replace(values=line.values[warm.start :]) for label, line in lines.items()}
