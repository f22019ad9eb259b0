"""What ops print, stored if COIN_COMPUTE_LOGS is on: in the bucket of the results, or in DATA_ROOT/dagster."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from coin_pipeline.orchestration._dagster_internals import (
    CapturedLogContext,
    ComputeLogManager,
    ConfigurableClassData,
    LocalComputeLogManager,
    NoOpComputeLogManager,
    redirect_stream,
)
from coin_pipeline.settings import Settings, load_settings
from coin_pipeline.storage.access import make_private
from coin_pipeline.storage.base import COMPUTE_LOGS
from coin_pipeline.storage.open_store import FAST_TIMEOUTS, new_client

if TYPE_CHECKING:
    from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

MAX_OUTPUT_BYTES = 50_000_000
"""Longest stored output of an op per stream, bytes; dagster-aws has the same limit for uploads."""
_FLUSH_S = 5.0
"""Longest wait for the copy at the end of an op; a process that the op left behind may keep it open."""
# Copying takes a process of its own: compiled code can block all threads of this one. The excess is read and dropped.
_COPY = """trap '' INT
head -c "$1" | tee -a "$2"
[ "$(head -c 1 | wc -c)" -eq 0 ] || echo "[output beyond $1 bytes is not stored]" >> "$2"
exec cat > /dev/null"""
_log = logging.getLogger("coin.compute_logs")


class BoundedComputeLogManager(LocalComputeLogManager):
    """Stores the beginning of what each op prints under DATA_ROOT, so that printing without end fills no disk.

    Args:
        folder: Where the files are stored.
        limit: Longest output per op and stream, bytes.
        inst_data: Dagster's configuration of the class.
    """

    def __init__(
        self, folder: str, limit: int = MAX_OUTPUT_BYTES, inst_data: ConfigurableClassData | None = None
    ) -> None:
        super().__init__(folder, inst_data=inst_data)
        self._limit = limit

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Store what is printed meanwhile; it still reaches the streams, up to the limit."""
        output, errors = (Path(self.get_captured_local_path(log_key, extension)) for extension in ("out", "err"))
        with _copying(sys.stdout, output, self._limit), _copying(sys.stderr, errors, self._limit):
            yield CapturedLogContext(log_key)
        Path(self.get_captured_local_path(log_key, "complete")).touch()


@contextmanager
def _copying(stream: TextIO, path: Path, limit: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    command = ["/bin/sh", "-c", _COPY, "sh", str(limit), str(path)]
    reader, writer = os.pipe()
    process = subprocess.Popen(command, stdin=reader, stdout=stream)  # noqa: S603 -- no text of a user in it
    os.close(reader)
    try:
        with os.fdopen(writer, "wb") as pipe, redirect_stream(pipe, stream):
            yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_FLUSH_S)


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
        return BoundedComputeLogManager(str(folder), inst_data=inst_data)


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
            self._local_manager = BoundedComputeLogManager(folder)  # where the output is until it is uploaded

        def upload_to_cloud_storage(self, log_key: Sequence[str], io_type: Any, partial: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 -- Dagster's signature
            """Upload what an op has printed, or log why that is impossible."""
            try:
                super().upload_to_cloud_storage(log_key, io_type, partial)
            except (Boto3Error, BotoCoreError, ClientError) as error:
                _log.warning("the output of run %s is not stored: %s", log_key[0], error)

    return BucketComputeLogManager()
