"""How many signals of a result were not traded, and why."""

from collections.abc import Mapping

from coin_pipeline.backtest.formatting import Json
from coin_pipeline.languages import Language, Text

NOT_TRADED = Text("Signals not traded", "거래하지 않은 신호")
_REASONS: Mapping[str, Text] = {
    "ignored": Text("{count} while a position was held", "포지션 보유 중 {count}건"),
    "no_slot": Text("{count} with no position free", "최대 보유 종목 수 도달 {count}건"),
    "too_small": Text(
        "{count} for lack of cash or below the minimum order", "현금 부족 또는 최소 주문 금액 미만 {count}건"
    ),
    "unfilled": Text("{count} with no next candle to fill it", "체결할 다음 캔들 없음 {count}건"),
}
_TOTAL = Text("{count}", "{count}건")


def skipped_signals(document: Json) -> dict[str, int] | None:
    """Return how many signals were not traded, by reason; the trades are all the others.

    It is None for results of the legacy platform, and those of early versions that did not count every reason.
    """
    metrics = document.get("metrics")
    if not isinstance(metrics, dict):
        return None
    parts = document["symbols"]
    if not all("no_slot" in part for part in parts):
        return None
    return {
        "ignored": metrics["ignored"],
        "no_slot": sum(part["no_slot"] for part in parts),
        "too_small": sum(part["too_small"] for part in parts),
        "unfilled": sum(len(part["unfilled_signals"]) for part in parts),
    }


def skipped_text(document: Json, language: Language) -> str | None:
    """Return how many signals were not traded, with the reasons; None if that is unknown.

    >>> part = {"no_slot": 1_000, "too_small": 0, "unfilled_signals": []}
    >>> skipped_text({"metrics": {"ignored": 20}, "symbols": [part]}, "en")
    '1,020: 20 while a position was held, 1,000 with no position free'
    """
    counts = skipped_signals(document)
    if counts is None:
        return None
    total = _TOTAL.write(language, count=f"{sum(counts.values()):,}")
    reasons = [_REASONS[name].write(language, count=f"{count:,}") for name, count in counts.items() if count]
    return ": ".join([total, ", ".join(reasons)]) if reasons else total
