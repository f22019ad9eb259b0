"""Errors that the caller can correct: HTTP 422 and exit code 2, unless noted."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coin_pipeline.errors.base import CoinError, Problem, did_you_mean
from coin_pipeline.errors.coded import Coded, coded


class InvalidInput(CoinError):
    """Invalid input that the caller can correct; `problems` names each field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        listed = [coded("of_field", field=p.field, message=p.message) if p.field else p.message for p in self.problems]
        are_coded = all(isinstance(problem.message, Coded) for problem in self.problems)
        super().__init__(coded("problems", listed=listed) if are_coded else "; ".join(listed))

    def add(self, problems: Sequence[Problem]) -> None:
        """Name further fields that are wrong."""
        InvalidInput.__init__(self, [*self.problems, *problems])


class InvalidSpec(InvalidInput):
    """One or more fields of a request are wrong."""


class SweepTooLarge(InvalidInput):
    """A sweep has more points than the limit.

    Args:
        points: Number of its points.
        limit: The limit.
        remedy: What the caller can do.
    """

    def __init__(self, points: int, limit: int, remedy: str) -> None:
        self.points, self.limit = points, limit
        super().__init__([Problem("space", coded("sweep_too_large", points=points, limit=limit, remedy=remedy))])


class ResultTooLarge(InvalidInput):
    """A run needs more memory or disk space than the limits in force allow; nothing was computed.

    Args:
        what: Description of what needs it, with its number.
        needed: Bytes that it needs at least.
        resource: Memory or disk space.
        limit: Bytes that are allowed.
        name: Name of the limit.
    """

    def __init__(self, what: str, needed: int, resource: str, limit: int, name: str) -> None:
        sizes = {"needed": -(-needed >> 20), "limit": limit >> 20}
        message = coded("result_too_large", what=what, resource=resource, name=name, **sizes)
        super().__init__([Problem("", message)])


class InvalidSymbol(InvalidInput):
    """A market symbol is neither BASE_QUOTE nor Upbit's QUOTE-BASE."""

    def __init__(self, symbol: str, hint: str = "") -> None:
        super().__init__([Problem("symbol", coded("not_a_market", symbol=symbol[:80], hint=hint))])


class InvalidTimeframe(InvalidInput):
    """A timeframe is not supported."""

    def __init__(self, timeframe: str, known: Iterable[str], hint: str = "") -> None:
        message = coded("not_a_timeframe", timeframe=timeframe[:80], hint=hint, known=", ".join(known))
        super().__init__([Problem("timeframe", message)])


class InvalidResample(InvalidInput):
    """Candles cannot be resampled to the requested timeframe."""

    def __init__(self, timeframe: object, to: object, reason: str) -> None:
        super().__init__([Problem("to", f"cannot resample {timeframe} candles to {to}; {reason}")])


class InvalidParams(InvalidInput):
    """The strategy's schema rejected its parameters; fields are `params.NAME`."""


class UnknownStrategy(InvalidInput):
    """No strategy is registered under this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        hint = did_you_mean(name, known)
        message = coded("unknown_strategy", name=name[:80], hint=hint, known=", ".join(known))
        super().__init__([Problem("strategy", message)])


class InvalidStrategyFile(InvalidInput):
    """A strategy file is missing, cannot be imported, or defines no usable strategy."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__([Problem("strategy_file", f"{path}: {reason}")])


class InvalidRunId(InvalidInput):
    """A run id contains characters that are not allowed in one."""

    def __init__(self, run_id: str) -> None:
        super().__init__([Problem("run_id", coded("invalid_run_id", run_id=run_id[:80]))])


class NoSymbolReport(InvalidInput):
    """A result has no report of this symbol.

    Args:
        run_id: The result.
        symbol: The symbol that was requested.
        known: Symbols of the result; empty if its only report is of all of them.
    """

    def __init__(self, run_id: str, symbol: str, known: Sequence[str]) -> None:
        hint = did_you_mean(symbol, known)
        message = coded("report_of_no_symbol", run_id=run_id[:80], symbol=symbol[:80], hint=hint, count=len(known))
        if not known:
            message = coded("report_of_all_symbols", run_id=run_id[:80])
        super().__init__([Problem("symbol", message)])


class EquityOverflow(InvalidInput):
    """An account grew beyond what its figures can express."""

    def __init__(self, account: str, limit: float) -> None:
        super().__init__([Problem("symbols", coded("equity_overflow", account=account, limit=f"{limit:g}"))])


class EmptyRange(InvalidInput):
    """A filter's lower bound is above its upper bound: HTTP 400."""


class InvalidSettings(InvalidInput):
    """Environment variables are malformed; fields are the names of the variables."""


class UnknownExchange(InvalidInput):
    """The exchange is unknown, or the package that it needs is not installed."""

    def __init__(self, message: str) -> None:
        super().__init__([Problem("exchange", message)])


class InvalidCandleFile(InvalidInput):
    """A candle file cannot be read, lacks columns, or needs a time zone.

    Args:
        path: Name of the file.
        reason: What is wrong with it, and what to do.
        field: The option of the import that can resolve it; `file` if only another file can.
    """

    def __init__(self, path: object, reason: str, field: str = "file") -> None:
        super().__init__([Problem(field, coded("in_file", path=path, reason=reason))])


class FileColumn(NamedTuple):
    """A column of a candle file.

    Attributes:
        key: What the option `columns` of an import calls it.
        text: Its name in the file; its first cell if the file has no header.
        field: The field of a candle that is read from it, such as `close`; None if none is.
    """

    key: str
    text: str
    field: str | None = None


class UnclearColumns(InvalidCandleFile):
    """A field of candles has no column in a file, or several may be meant.

    Args:
        path: Name of the file.
        reason: What is wrong with it, and what to do.
        columns: Its columns.
    """

    columns: tuple[FileColumn, ...] = ()

    def __init__(self, path: object, reason: str, columns: Iterable[FileColumn]) -> None:
        super().__init__(path, reason, "columns")
        self.columns = tuple(columns)


class DamagedCandleFile(InvalidCandleFile):
    """A stored file of candles is not as it was written: HTTP 502."""


class InvalidCandles(InvalidInput):
    """Rows violate the rules for candles; none of them is stored."""

    def __init__(self, source: object, count: int, first: str) -> None:
        rows = "1 invalid row" if count == 1 else f"{count} invalid rows"
        message = coded("invalid_rows", path=source, rows=rows, count=count, first=first)
        super().__init__([Problem("candles", message)])


class NoPrice(InvalidInput):
    """An order has no price, and no candle of its market is stored."""

    def __init__(self, field: str, symbol: str, hint: str = "") -> None:
        super().__init__([Problem(field, coded("no_price", symbol=symbol, hint=hint))])
