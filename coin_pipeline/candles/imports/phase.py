"""Whether candles of a file open when those of an exchange do; a first import has nothing else to compare with."""

from coin_pipeline.candles.coverage import phase_of
from coin_pipeline.candles.imports.imported_file import ImportedFile
from coin_pipeline.candles.timeframe import DAY_NS, HOUR_NS, MINUTE_NS, Timeframe, format_duration, utc
from coin_pipeline.errors import InvalidCandleFile

_ZONE_STEP_NS = 15 * MINUTE_NS
"""All time zones differ from UTC by a multiple of this."""
_UPBIT_DAY_NS = 9 * HOUR_NS
"""Time in Seoul at which Upbit's days open."""


def check_phase(source: object, file: ImportedFile, timeframe: Timeframe, tz: str | None) -> str | None:
    """Check that candles open where a time zone may put them.

    Args:
        source: Name of the file in an error message.
        file: What was read.
        timeframe: Length of the candles, which they have.
        tz: The time zone that was given, if any.

    Returns:
        A note if they open at another time than those of Upbit and Binance, else None.

    Raises:
        InvalidCandleFile: They open at no time that a zone explains, or where Upbit's days open in Seoul although
            another zone was given.
    """
    phase, _ = phase_of(file.candles.time, timeframe)
    late = (phase - timeframe.phase_ns) % timeframe.ns
    if not late:
        return None
    opens = f"row {file.rows[0]} opens at {utc(file.candles.time[0])}"
    if timeframe.ns < HOUR_NS or late % _ZONE_STEP_NS:
        reason = f"{format_duration(late)} after {timeframe} candles do on any exchange"
        remedy = "are these times of closing (--stamps close), or of the last trade?"
        raise InvalidCandleFile(source, f"{opens}, {reason}; {remedy}")
    if tz is not None and timeframe.ns >= DAY_NS and late % DAY_NS == _UPBIT_DAY_NS:
        reason = "Upbit's days open at 09:00 in Seoul, which is 00:00 UTC"
        raise InvalidCandleFile(source, f"{opens} with --tz {tz}, but {reason}; pass --tz Asia/Seoul")
    return f"{timeframe} candles open {format_duration(late)} after those of Upbit and Binance"
