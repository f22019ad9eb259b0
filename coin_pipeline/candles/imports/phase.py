"""Whether candles of a file open when those of an exchange do; a first import has nothing else to compare with."""

from coin_pipeline.candles.coverage import phase_of
from coin_pipeline.candles.imports.imported_file import GIVEN_BY_USER, ImportedFile
from coin_pipeline.candles.timeframe import HOUR_NS, MINUTE_NS, SEOUL_OFFSET_NS, Timeframe, format_duration, utc
from coin_pipeline.errors import Coded, InvalidCandleFile, coded

_ZONE_STEP_NS = 15 * MINUTE_NS
"""All time zones differ from UTC by a multiple of this."""
_UTC = {"UTC", "Etc/UTC", "GMT", "Etc/GMT"}


def check_phase(source: object, file: ImportedFile, timeframe: Timeframe) -> Coded | None:
    """Check that candles open where a time zone may put them.

    Args:
        source: Name of the file in an error message.
        file: What was read.
        timeframe: Length of the candles, which they have.

    Returns:
        A note if they open at another time than those of Upbit and Binance, else None.

    Raises:
        InvalidCandleFile: They open at no time that a zone explains; or UTC was given, and they would open when those
            of an exchange do only in Seoul.
    """
    phase, _ = phase_of(file.candles.time, timeframe)
    late = (phase - timeframe.phase_ns) % timeframe.ns
    if not late:
        return None
    opens = {"row": file.rows[0], "time": utc(file.candles.time[0])}
    if timeframe.ns < HOUR_NS or late % _ZONE_STEP_NS:
        reason = coded("opens_late", **opens, late=format_duration(late), timeframe=timeframe)
        raise InvalidCandleFile(source, reason, "stamps")
    given_utc = file.zone.name in _UTC and file.zone.reason == GIVEN_BY_USER
    if given_utc and (late - SEOUL_OFFSET_NS) % timeframe.ns == 0:
        raise InvalidCandleFile(source, coded("opens_as_in_seoul", **opens, zone=file.zone.name), "tz")
    return coded("opens_after_exchanges", timeframe=timeframe, late=format_duration(late))
