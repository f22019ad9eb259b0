"""Private Dagster classes that tests need to write records which only Dagster itself writes otherwise."""

from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.events import JobFailureData, RunFailureReason, StepMaterializationData
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._daemon import QueuedRunCoordinatorDaemon
from dagster._daemon import daemon as dagster_daemons
from dagster._daemon.types import DaemonHeartbeat

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "DaemonHeartbeat",
    "GrpcServerCodeLocationOrigin",
    "InstigatorState",
    "InstigatorStatus",
    "JobFailureData",
    "QueuedRunCoordinatorDaemon",
    "ReconstructableRepository",
    "RegisteredCodeLocationOrigin",
    "RemoteInstigatorOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "RunFailureReason",
    "StepMaterializationData",
    "dagster_daemons",
]
