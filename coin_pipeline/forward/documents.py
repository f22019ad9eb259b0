"""JSON documents of forward tests, the same from the API and the command line."""

import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Connection

from coin_pipeline.candles.fields import RequestModel
from coin_pipeline.candles.symbol import quote_of
from coin_pipeline.candles.timeframe import utc
from coin_pipeline.forward import store
from coin_pipeline.forward.account import decimal_price
from coin_pipeline.forward.records import Decision, ForwardTest, SymbolState
from coin_pipeline.forward.spec import ForwardSpec
from coin_pipeline.ledger.documents import Instant
from coin_pipeline.ledger.exact_model import Amount, ExactModel, OptionalAmount
from coin_pipeline.ledger.requests import MarketFilter

_CURSOR = r"^[0-9]{1,19}:[A-Z0-9._]{3,41}$"
_LAST_NS = 2**63 - 1


def _check_cursor(text: str) -> str:
    if int(text.partition(":")[0]) > _LAST_NS:
        msg = f"{text!r:.60} is not a cursor of this list; use next_cursor of the previous page"
        raise ValueError(msg)
    return text


class DecisionQuery(RequestModel):
    """Filter and page of the decisions of a forward test."""

    symbol: MarketFilter = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Decisions to return.")] = 100
    cursor: Annotated[
        Annotated[str, Field(pattern=_CURSOR), AfterValidator(_check_cursor)] | None,
        Field(description="next_cursor of the previous page; the newest by default."),
    ] = None

    @property
    def before(self) -> tuple[int, str] | None:
        """Open of the candle, ns UTC, and market of the last decision of the previous page."""
        if self.cursor is None:
            return None
        bar_time, _, symbol = self.cursor.partition(":")
        return int(bar_time), symbol


class ForwardAccount(ExactModel):
    """The account of one market; amounts are in its quote currency."""

    symbol: str
    quote: Annotated[str, Field(description="Currency of the amounts.")]
    last_candle: Annotated[Instant | None, Field(description="Open of the last decided candle.")]
    initial_cash: Amount
    cash: Amount
    quantity: Annotated[Amount, Field(description="Open units.")]
    entry_price: Annotated[OptionalAmount, Field(description="Price at which they were bought, before slippage.")]
    opened_at: Instant | None
    equity: Annotated[Amount, Field(description="Cash and open units at the close of the last decided candle.")]
    return_pct: Annotated[float, Field(description="Change of the equity since the start, percent.")]
    failure: Annotated[str | None, Field(description="Why the next candle is not decided yet; it is tried again.")]
    failed_at: Annotated[Instant | None, Field(description="Since when it fails.")]


class ForwardDecision(BaseModel):
    """What the strategy decided at the close of a candle; the open of the next one fills it."""

    symbol: str
    candle: Annotated[Instant, Field(description="Open of the candle.")]
    open: float
    high: float
    low: float
    close: float
    volume: float
    entry: Annotated[bool, Field(description="Whether a position should be opened.")]
    exit: Annotated[bool, Field(description="Whether an open position should be closed.")]
    hold: Annotated[int | None, Field(description="Candles from the entry to the exit; null without a limit.")]
    decided_at: Instant
    late: Annotated[bool, Field(description="Whether it was made later than the fill that it decides on was due.")]
    missing: Annotated[int, Field(description="Candles since the previous decision that were not stored.")]
    code_sha256: Annotated[str, Field(description="Digest of the code of the engine and the strategy.")]
    params_sha256: Annotated[str, Field(description="Digest of the parameters.")]
    history_start: Annotated[Instant, Field(description="Open of the first candle that the strategy saw.")]
    history_sha256: Annotated[str, Field(description="Digest of all candles that it saw.")]

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """Return the document of a decision."""
        opened, high, low, close, volume = decision.candle
        return cls(
            symbol=decision.symbol,
            candle=utc(decision.bar_time),
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
            **decision.choice._asdict(),
            decided_at=decision.decided_at,
            late=decision.late,
            missing=decision.missing,
            code_sha256=decision.code_sha256,
            params_sha256=decision.params_sha256,
            history_start=utc(decision.history_start),
            history_sha256=decision.history_sha256,
        )


class ForwardSummary(BaseModel):
    """A forward test."""

    test_id: uuid.UUID
    status: Literal["active", "stopped"]
    book: Annotated[str, Field(description="Book of the ledger that has its positions.")]
    started_at: Instant
    stopped_at: Instant | None
    spec: Annotated[ForwardSpec, Field(description="What it runs; omitted fields of the request are filled in.")]
    decisions: Annotated[int, Field(description="Decided candles of all markets.")]
    late: Annotated[int, Field(description="Decisions that were made late.")]
    failing: Annotated[list[str], Field(description="Markets whose next candle could not be decided.")]

    @classmethod
    def of(cls, connection: Connection, test: ForwardTest) -> Self:
        """Return the summary of a test."""
        return cls(**_summary(connection, test, store.symbol_states(connection, test.test_id)))


class ForwardTestList(BaseModel):
    """All forward tests, the newest first."""

    count: int
    items: list[ForwardSummary]


class ForwardTestDocument(ForwardSummary):
    """A forward test with its accounts and a page of its decisions, the newest first."""

    accounts: list[ForwardAccount]
    items: Annotated[list[ForwardDecision], Field(description="Decisions of this page.")]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last one.")]


def list_documents(connection: Connection) -> ForwardTestList:
    """Return all forward tests."""
    tests = [ForwardSummary.of(connection, test) for test in store.list_tests(connection)]
    return ForwardTestList(count=len(tests), items=tests)


def describe(connection: Connection, test_id: uuid.UUID, query: DecisionQuery) -> ForwardTestDocument:
    """Return a forward test with a page of its decisions.

    Raises:
        ForwardTestNotFound: No test has this id.
    """
    test = store.get_test(connection, test_id)
    states = store.symbol_states(connection, test_id)
    last = store.last_decisions(connection, test_id)
    found = store.read_decisions(connection, test_id, symbol=query.symbol, before=query.before, limit=query.limit + 1)
    page = found[: query.limit]
    more = f"{page[-1].bar_time}:{page[-1].symbol}" if len(found) > query.limit else None
    accounts = [_account(test, states[symbol], last.get(symbol)) for symbol in test.spec.symbols]
    items = [ForwardDecision.of(decision) for decision in page]
    return ForwardTestDocument(**_summary(connection, test, states), accounts=accounts, items=items, next_cursor=more)


def _summary(connection: Connection, test: ForwardTest, states: dict[str, SymbolState]) -> dict[str, Any]:
    decisions, late = store.count_decisions(connection, test.test_id)
    return {
        "test_id": test.test_id,
        "status": "active" if test.stopped_at is None else "stopped",
        "book": test.book,
        "started_at": test.started_at,
        "stopped_at": test.stopped_at,
        "spec": test.spec,
        "decisions": decisions,
        "late": late,
        "failing": [symbol for symbol, state in states.items() if state.failure],
    }


def _account(test: ForwardTest, state: SymbolState, last: Decision | None) -> ForwardAccount:
    initial = decimal_price(test.spec.account_spec.sizing_of(state.symbol).initial_cash)
    equity = state.account.equity(last.candle[3]) if last else state.account.cash
    trade = state.account.trade
    return ForwardAccount(
        symbol=state.symbol,
        quote=quote_of(state.symbol),
        last_candle=None if state.last_bar is None else utc(state.last_bar),
        initial_cash=initial,
        cash=state.account.cash,
        quantity=trade.quantity if trade else Decimal(0),
        entry_price=decimal_price(trade.entry_price) if trade else None,
        opened_at=utc(trade.entry_time) if trade else None,
        equity=equity,
        return_pct=float(100 * (equity / initial - 1)),
        failure=state.failure,
        failed_at=state.failed_at,
    )
