"""What ops print, stored if COIN_COMPUTE_LOGS is on: in the bucket of the results, or in DATA_ROOT/dagster."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coin_pipeline.orchestration._dagster_internals import (
    ComputeLogManager,
    ConfigurableClassData,
    LocalComputeLogManager,
    NoOpComputeLogManager,
)
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.access import make_private
from coin_pipeline.storage.base import COMPUTE_LOGS
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, new_client

if TYPE_CHECKING:
    from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

_log = logging.getLogger("coin.compute_logs")


class ConfiguredComputeLogManager(NoOpComputeLogManager):
    """Class that dagster.yaml names; Dagster gets the ComputeLogManager that the settings select in its place."""

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 -- Dagster's signature
    ) -> ComputeLogManager[Any]:
        """Return a manager that stores nothing, or stores in the bucket or under DATA_ROOT."""
        settings = load_settings()
        if settings.coin_compute_logs == "off":
            return NoOpComputeLogManager(inst_data)
        folder = settings.data_root / "dagster" / COMPUTE_LOGS
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_private(folder)
        if settings.aws_bucket_name:
            return _bucket_manager(settings, settings.aws_bucket_name, str(folder), inst_data)
        return LocalComputeLogManager(str(folder), inst_data=inst_data)


def _bucket_manager(
    settings: Settings, bucket: str, folder: str, inst_data: ConfigurableClassData | None
) -> "S3ComputeLogManager":
    """Return dagster-aws's manager with the client of the results, which knows the settings' credentials.

    The import takes a quarter of a second, which only users of a bucket should pay.
    """
    from boto3.exceptions import Boto3Error  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from dagster_aws.s3.compute_log_manager import S3ComputeLogManager  # noqa: PLC0415

    class BucketComputeLogManager(S3ComputeLogManager):
        """Keeps a run from failing because its logs cannot be stored."""

        def __init__(self) -> None:
            super().__init__(bucket, folder, inst_data, COMPUTE_LOGS, region=settings.aws_region or "us-east-1")
            self._s3_session = new_client(settings, FAST_TIMEOUTS)

        def upload_to_cloud_storage(self, log_key: Sequence[str], io_type: Any, partial: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 -- Dagster's signature
            """Upload what an op has printed, or log why that is impossible."""
            try:
                super().upload_to_cloud_storage(log_key, io_type, partial)
            except (Boto3Error, BotoCoreError, ClientError) as error:
                _log.warning("the output of run %s is not stored: %s", log_key[0], error)

    return BucketComputeLogManager()
