"""URLs that links on the terminal begin with."""

from typing import TYPE_CHECKING

from coin_pipeline.storage.data_root_lock import PlatformUrls, announced_urls

if TYPE_CHECKING:
    from coin_pipeline.settings import Settings


def public_urls(settings: "Settings", served: PlatformUrls | None = None) -> PlatformUrls:
    """Return the public URLs of the API and the Dagster UI: those that are set, else those of `coin up`.

    Args:
        settings: The settings of this process.
        served: Where the platform is served; by default, where the last one on DATA_ROOT was.
    """
    served = served or announced_urls(settings.data_root) or PlatformUrls("", "")
    set_names = settings.model_fields_set
    api = served.api if served.api and "coin_public_url" not in set_names else settings.coin_public_url
    ui = served.ui if served.ui and "dagster_ui_url" not in set_names else settings.dagster_ui_url
    return PlatformUrls(api.rstrip("/"), ui.rstrip("/"))
