"""Checks of this machine: settings, versions, clock, time zone, disks, DATA_ROOT."""

import ctypes
import os
import platform
import stat
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo

from packaging.requirements import Requirement
from rich.filesize import decimal

import coin_pipeline
from coin_pipeline.database.session import Session, database_time
from coin_pipeline.database.timeouts import INTERACTIVE
from coin_pipeline.defs.alerts.conditions import disks_of, read_disks
from coin_pipeline.doctor import check_texts, texts
from coin_pipeline.doctor.model import Finding, Installation
from coin_pipeline.errors import CoinError
from coin_pipeline.languages import Text
from coin_pipeline.settings import Settings, ignored_setting_notices
from coin_pipeline.storage.open_store import StoreTimeouts, new_client
from coin_pipeline.storage.s3_errors import translate_s3_errors

RECOMMENDED_FREE = 5 * 2**30
"""Free space that the migration checklist asks for, bytes."""
TOLERANCE_S, REJECTED_S = 5, 300
"""Difference of clocks that is reported, and that counts as failed: S3 rejects requests that are 15 minutes off."""
TIMEOUTS = StoreTimeouts(read_timeout_s=3, attempts=1)
"""Timeouts of checks that use a bucket."""
_DISTRIBUTION, _ZONE, _OFFSET = "coin-pipeline", "Asia/Seoul", timedelta(hours=9)
_TIME_ERROR = 5
"""Return value of adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 512
"""More than the structure that adjtimex(2) fills has on any platform."""


def settings(at: Installation) -> Finding:
    """Report settings without effect, and secrets that other users can read."""
    if unused := [notice.split()[0] for notice in ignored_setting_notices()]:
        return at.warning(texts.SETTINGS_UNUSED, texts.SETTINGS_UNUSED_ADVICE, names=", ".join(unused))
    dotenv = Path(".env")
    mode = stat.S_IMODE(dotenv.stat().st_mode) if dotenv.is_file() else 0
    if mode & 0o077:
        return at.warning(texts.SECRETS_READABLE, texts.SECRETS_READABLE_ADVICE, mode=mode)
    names = ", ".join(sorted(name.upper() for name in at.settings.model_fields_set))
    return at.ok(texts.SETTINGS_VALID, names=names) if names else at.ok(texts.SETTINGS_DEFAULT)


def versions(at: Installation) -> Finding:
    """Compare the installed packages with the versions that this one requires."""
    if wrong := list(unmet_requirements(metadata.requires(_DISTRIBUTION) or [])):
        return at.failed(texts.VERSIONS_WRONG, packages=", ".join(wrong))
    return at.ok(
        texts.VERSIONS_OK,
        coin=coin_pipeline.__version__,
        dagster=metadata.version("dagster"),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
    )


def unmet_requirements(requirements: list[str]) -> list[str]:
    """Return the requirements that the installed packages do not meet, extras aside, with what is installed.

    >>> unmet_requirements(["click>=8", "click<1 ; extra == 'dev'", "no-such-package>=2"])
    ['no-such-package>=2 (not installed)']
    """
    unmet = []
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            installed = "not installed"
        if installed == "not installed" or not requirement.specifier.contains(installed, prereleases=True):
            unmet.append(f"{requirement.name}{requirement.specifier} ({installed})")
    return unmet


def clock(at: Installation) -> Finding:
    """Compare the clock with those of the database server and of the bucket, and ask the kernel."""
    offsets = {}
    for reference, read in _references(at.settings).items():
        with suppress(CoinError):  # which the check of the server reports
            offsets[reference] = clock_offset(read)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    worst = max(offsets, key=lambda reference: abs(offsets[reference]), default=None)
    if worst and abs(offsets[worst]) > TOLERANCE_S:
        values = {"now": now, "seconds": offsets[worst], "reference": at.write(worst)}
        if abs(offsets[worst]) > REJECTED_S:
            return at.failed(texts.CLOCK_OFF, **values)
        return at.warning(texts.CLOCK_OFF, check_texts.CLOCK_ADVICE, **values)
    synchronised = is_synchronised()
    if synchronised is False and not offsets:
        return at.warning(texts.CLOCK_UNSYNCHRONISED, check_texts.CLOCK_ADVICE, now=now)
    references = ", ".join(at.write(reference) for reference in offsets)
    compared = at.write(texts.CLOCK_COMPARED, limit=TOLERANCE_S, references=references) if references else ""
    known = at.write(texts.CLOCK_SYNCHRONISED if synchronised else texts.CLOCK_UNKNOWN)
    return at.ok(texts.CLOCK_OK, now=now, compared=compared or known)


def clock_offset(read: Callable[[], datetime]) -> float:
    """Return how far the clock of this machine is ahead of another one, s, to the middle of the request."""
    before = time.time()
    other = read().timestamp()
    return (before + time.time()) / 2 - other


def is_synchronised() -> bool | None:
    """Return whether a time server keeps the clock, according to the kernel; None if it does not know."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    state = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) if adjtimex else -1
    return None if state < 0 else state != _TIME_ERROR


def _references(settings: Settings) -> dict[Text, Callable[[], datetime]]:
    """Return the clocks of other machines that are in use; reading them may raise CoinError."""
    references: dict[Text, Callable[[], datetime]] = {}
    if settings.database_url:
        url = settings.database_url.get_secret_value()

        def read_database() -> datetime:
            with closing(Session(url, INTERACTIVE)) as session:
                return database_time(session)

        references[texts.THE_DATABASE] = read_database
    if bucket := settings.aws_bucket_name:

        def read_bucket() -> datetime:
            with translate_s3_errors(f"s3://{bucket}"):
                answer = new_client(settings, TIMEOUTS).head_bucket(Bucket=bucket)
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

        references[texts.THE_BUCKET] = read_bucket
    return references


def time_zone(at: Installation) -> Finding:
    """Check that the zone of the schedules is known; that of the machine does not matter."""
    now = datetime.now(UTC)
    try:
        seoul = now.astimezone(ZoneInfo(_ZONE))
    except (KeyError, ValueError, OSError):
        return at.failed(texts.ZONE_MISSING)
    if seoul.utcoffset() != _OFFSET:
        return at.failed(texts.ZONE_MISSING)
    local = now.astimezone().tzname()
    return at.ok(texts.ZONE_OK, local=local, seoul=f"{seoul:%Y-%m-%d %H:%M}")


def disk(at: Installation) -> Finding:
    """Check the free space of each disk in use."""
    root = at.settings.data_root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    fullest = min(read_disks(at.settings) or disks_of([existing]), key=lambda found: found.free)
    values = {"free": decimal(fullest.free), "total": decimal(fullest.total), "path": fullest.path}
    if fullest.free < at.settings.coin_alert_free_mib << 20:
        return at.failed(texts.DISK_NEEDS, **values, needed=decimal(RECOMMENDED_FREE))
    if fullest.free < RECOMMENDED_FREE:
        return at.warning(texts.DISK_NEEDS, check_texts.DISK_ADVICE, **values, needed=decimal(RECOMMENDED_FREE))
    return at.ok(texts.DISK_FREE, **values)


def data_root(at: Installation) -> Finding:
    """Check that DATA_ROOT can be written, and that other users cannot read it."""
    root = at.settings.data_root
    if not root.exists():
        return at.warning(texts.DATA_ROOT_MISSING, texts.DATA_ROOT_MISSING_ADVICE, path=root)
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return at.failed(texts.DATA_ROOT_REFUSED, path=root, user=os.geteuid())
    mode = stat.S_IMODE(root.stat().st_mode)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return at.warning(texts.DATA_ROOT_OPEN, texts.DATA_ROOT_OPEN_ADVICE, path=root, mode=mode)
    return at.ok(texts.DATA_ROOT_OK, path=root)
