"""The catalog of the configured place: DATA_ROOT, or the bucket of the results with COIN_CANDLES=s3."""

from functools import lru_cache

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.candles.year_files.bucket import BucketPlace
from coin_pipeline.settings import Settings
from coin_pipeline.storage.base import CACHE, CANDLES, LOCKS
from coin_pipeline.storage.open_store import SLOW_TIMEOUTS, StoreTimeouts, open_folder
from coin_pipeline.storage.piece_cache import PieceCache


def open_catalog(settings: Settings, timeouts: StoreTimeouts = SLOW_TIMEOUTS) -> CandleCatalog:
    """Return the configured catalog. A bucket is not accessed yet: whether it is usable shows at the first request.

    Raises:
        InvalidSettings: The candles are in a bucket, and none is named.
    """
    if settings.coin_candles == "local":
        return CandleCatalog(settings.data_root)
    return CandleCatalog(settings.data_root, _bucket_place(settings, timeouts))


@lru_cache(maxsize=4)
def _bucket_place(settings: Settings, timeouts: StoreTimeouts) -> BucketPlace:
    files, locks = (open_folder(settings, folder, timeouts) for folder in (CANDLES, f"{LOCKS}/{CANDLES}"))
    cache = PieceCache(settings.data_root / CACHE / CANDLES, settings.coin_candle_cache_mib << 20)
    return BucketPlace(files, locks, cache)
