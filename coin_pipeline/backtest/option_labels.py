"""Labels of the options of a backtest, and their values as texts, the same wherever they are shown."""

from collections.abc import Mapping
from typing import Any

from coin_pipeline.backtest.formatting import Json, format_amount
from coin_pipeline.backtest.markets import default_cash, first_by_quote
from coin_pipeline.backtest.options import stored_options
from coin_pipeline.backtest.spec import default_position_size
from coin_pipeline.languages import Language, Text

OPTION_LABELS: Mapping[str, Text] = {
    "fill": Text("Fill", "체결 방식"),
    "fee_rate": Text("Fee rate", "수수료율"),
    "slippage_rate": Text("Slippage rate", "슬리피지율"),
    "stop_loss": Text("Stop-loss", "손절"),
    "take_profit": Text("Take-profit", "익절"),
    "trailing_stop": Text("Trailing stop", "트레일링 스톱"),
    "position_size": Text("Position size", "포지션 크기"),
    "max_positions": Text("Shared account, most open positions", "공유 계좌의 최대 보유 종목 수"),
    "initial_cash": Text("Initial cash", "초기 자금"),
    "min_order": Text("Minimum order", "최소 주문 금액"),
    "tick_sizes": Text("Tick sizes", "호가 단위"),
    "warm_up": Text("Warm-up", "워밍업"),
    "timezone": Text("Time zone", "시간대"),
}
_NONE = Text("none", "없음")
_RATES = {"fee_rate", "slippage_rate", "stop_loss", "take_profit", "trailing_stop", "position_size"}
_AMOUNTS = {"initial_cash", "min_order"}


def format_rate(fraction: float) -> str:
    """Format a configured rate with all its digits.

    >>> format_rate(0.0005)
    '0.05%'
    """
    return f"{100 * fraction:.6g}%"


def option_texts(spec: Mapping[str, Any], language: Language) -> dict[str, str]:
    """Return label and value of each option of a stored spec.

    >>> option_texts({"symbols": ["BTC_KRW", "BTC_USDT"], "initial_cash": None, "stop_loss": 0.05}, "en")
    {'Stop-loss': '5%', 'Initial cash': '10,000,000 KRW, 10,000.00 USDT', 'Warm-up': 'none', 'Time zone': 'Asia/Seoul'}
    """
    options = stored_options(spec)
    return {OPTION_LABELS[name].write(language): _write(name, options, spec, language) for name in options}


def _write(name: str, options: Json, spec: Mapping[str, Any], language: Language) -> str:
    value = options[name]
    if name in _AMOUNTS:
        markets = first_by_quote(spec["symbols"])
        return ", ".join(
            format_amount(default_cash(symbol) if value is None else value, quote) for quote, symbol in markets.items()
        )
    if name == "position_size" and value is None:  # a sweep, whose points have the default
        value = default_position_size(options.get("max_positions"))
    if value is None:
        return _NONE.write(language)
    return format_rate(value) if name in _RATES else str(value)
