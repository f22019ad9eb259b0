"""The Dagster instance of this DATA_ROOT: its home directory, dagster.yaml and workspace file."""

import logging
import uuid
from pathlib import Path

import dagster as dg

import coin_pipeline
from coin_pipeline.errors import InvalidSettings, Problem
from coin_pipeline.orchestration.code_server import code_server_target, workspace_text
from coin_pipeline.settings import Settings, set_environment
from coin_pipeline.storage.access import make_private, restrict_access
from coin_pipeline.storage.atomic import atomic_write, translate_os_errors

_log = logging.getLogger("coin.data_root")
_PACKAGE = Path(coin_pipeline.__file__).parent


def prepare_home(settings: Settings) -> Path:
    """Return Dagster's home; unless DAGSTER_HOME is set, create it with the shipped dagster.yaml.

    Withdraws the access of other users to DATA_ROOT.

    Raises:
        InvalidSettings: DAGSTER_HOME has no dagster.yaml, without which Dagster would use SQLite there.
    """
    with translate_os_errors(settings.data_root):
        if notice := restrict_access(settings.data_root):
            _log.warning(notice)
        make_private(settings.data_root / "dagster")  # also with DAGSTER_HOME: it contains the sockets
    if settings.dagster_home:
        if not (settings.dagster_home / "dagster.yaml").is_file():
            reason = f"{settings.dagster_home} has no dagster.yaml; copy this project's into it, or unset DAGSTER_HOME"
            raise InvalidSettings([Problem("DAGSTER_HOME", reason)])
        return settings.dagster_home
    home = settings.data_root / "dagster"
    target, shipped = home / "dagster.yaml", _shipped("dagster.yaml")
    with translate_os_errors(home):
        if not target.is_file() or target.read_bytes() != shipped:
            _replace(target, shipped)
    return home


def restore_home(settings: Settings) -> None:
    """Create Dagster's home and the files in it that `coin` writes again if they were deleted.

    Raises:
        InvalidSettings: DAGSTER_HOME has no dagster.yaml.
        StorageFailed: The files cannot be written.
    """
    prepare_home(settings)
    workspace_path(settings).parent.mkdir(parents=True, exist_ok=True)
    if not workspace_path(settings).is_file():
        write_workspace(settings)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance; start the database and create its tables if necessary.

    Raises:
        DatabaseUnavailable: PostgreSQL cannot be started or reached.
    """
    home = prepare_home(settings)
    # Dagster, and our storage when Dagster loads it, read these from the environment.
    set_environment({"DAGSTER_HOME": str(home), "DATA_ROOT": str(settings.data_root)})
    return dg.DagsterInstance.get()


def write_workspace(settings: Settings) -> Path:
    """Write the workspace file that points at the code server of `coin up`; return its path.

    It is written under DATA_ROOT even if DAGSTER_HOME is set, since the user may keep a workspace.yaml there.
    """
    path = workspace_path(settings)
    text = workspace_text(code_server_target(settings))
    with translate_os_errors(path):
        _replace(path, text.encode())
    return path


def workspace_path(settings: Settings) -> Path:
    """Return the path of the workspace file."""
    return settings.data_root / "dagster" / "workspace.yaml"


def _replace(path: Path, data: bytes) -> None:
    """Write a file atomically; processes in several containers may do so at once, and have the same process id."""
    atomic_write(path, data, path.with_name(f".{path.name}.{uuid.uuid4().hex}"), replace=True)


def _shipped(name: str) -> bytes:
    """Read a file from the root of a checkout, or from inside the package if it was installed from a wheel."""
    inside = _PACKAGE / name
    return (inside if inside.is_file() else _PACKAGE.parent / name).read_bytes()
