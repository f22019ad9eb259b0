"""Texts of all errors that pages can show, by their codes."""

from collections.abc import Mapping

from coin_pipeline.errors.error_text import ErrorText
from coin_pipeline.errors.texts_candle_files import CANDLE_FILES
from coin_pipeline.errors.texts_candle_notes import CANDLE_NOTES
from coin_pipeline.errors.texts_candle_rows import CANDLE_ROWS
from coin_pipeline.errors.texts_candles import CANDLES
from coin_pipeline.errors.texts_exchanges import EXCHANGES
from coin_pipeline.errors.texts_fields import FIELDS
from coin_pipeline.errors.texts_pydantic import PYDANTIC
from coin_pipeline.errors.texts_sweeps import SWEEPS
from coin_pipeline.errors.texts_tasks import TASKS
from coin_pipeline.errors.texts_trading import TRADING

ERRORS: Mapping[str, ErrorText] = {
    **FIELDS, **PYDANTIC, **SWEEPS, **TRADING, **TASKS, **EXCHANGES, **CANDLES, **CANDLE_FILES,
    **CANDLE_NOTES, **CANDLE_ROWS,
}  # fmt: skip
