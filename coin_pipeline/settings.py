"""Every setting, read once from the environment and `.env`: the only reader of os.environ in the project."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from coin_pipeline.errors import InvalidSettings, Problem, did_you_mean, format_validation_message

# A migrating user's .env holds these; saying that they do nothing here beats refusing to start or silent neglect.
IGNORED_SETTINGS = frozenset(
    {
        "BACKUP_RETENTION_DAYS",
        "EMAIL_ENABLED",
        "SLACK_ENABLED",
        "SLACK_WEBHOOK_URL",
        "SMTP_FROM_ADDR",
        "SMTP_HOST",
        "SMTP_PASSWORD",
        "SMTP_PORT",
        "SMTP_USER",
    }
)

_SHAPES = {
    "coin_code_server": (r"[A-Za-z0-9.-]+:\d{1,5}", "must be host:port, such as 127.0.0.1:4266"),
    "aws_bucket_name": (
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "must be 3 to 63 lower-case letters, digits, dots and hyphens, such as backtest-bucket",
    ),
    "aws_region": (r"[a-z0-9-]+", "must be the name of a region, such as ap-northeast-2"),
    "aws_endpoint_url": (
        r"https?://[^\s@]+",
        "must begin with http:// or https:// and hold no user or password, such as http://127.0.0.1:8333",
    ),
    "coin_upbit_url": (r"https?://[^\s@?#]+", "must begin with http:// or https://, such as https://api.upbit.com"),
}
_CHOICES = {
    "enable_scheduler": "true or false",
    "scheduler_hour": "an hour, 0 to 23",
    "scheduler_minute": "a minute, 0 to 59",
}
# What the older platform collected.
DAILY_SYMBOLS = tuple(f"KRW-{base}" for base in ("BTC", "ETH", "XRP", "SOL", "XLM", "ADA", "DOGE", "BCH", "NEAR"))
DAILY_TIMEFRAMES = ("1m", "5m", "1h", "1d", "1w")
Listed = Annotated[tuple[str, ...], NoDecode]


def available_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """What the environment says; immutable."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    data_root: Path = Field(Path("data"), description="Candles, results, database and logs live below this folder.")
    environment: Literal["development", "production", "test"] = Field(
        "development", description="Written into each result's metadata."
    )
    database_url: SecretStr | None = Field(
        None, description="An outside PostgreSQL, postgresql://user:password@host:port/name; none: the embedded server."
    )
    dagster_home: Path | None = Field(None, description="Folder of dagster.yaml; none: DATA_ROOT/dagster, kept by us.")
    dagster_ui_url: str = Field("http://127.0.0.1:3000", description="Where people open the Dagster UI.")
    coin_code_server: str = Field("127.0.0.1:4266", description="host:port of Dagster's code location.")
    coin_max_queued: int = Field(1000, ge=1, description="So many runs may wait; a submission beyond them is refused.")
    coin_async: Literal["on", "off"] = Field(
        "on", description="off: run-async and sweeps are refused; 'coin migrate rollback' does so without a restart."
    )
    coin_upbit_url: str = Field(
        "https://api.upbit.com", description="Where Upbit's REST API, or a mirror of it, answers."
    )
    coin_strategy_files: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description=f"Strategies of your own: .py files, separated by {os.pathsep!r}."
    )

    aws_bucket_name: str | None = Field(None, description="Results lie in this bucket of S3; none: below DATA_ROOT.")
    aws_region: str | None = Field(None, description="Region of the bucket.")
    aws_endpoint_url: str | None = Field(None, description="A server that speaks S3's protocol; none: AWS.")
    aws_access_key_id: SecretStr | None = Field(
        None, description="With the next, whom S3 takes us for; none: AWS's own ways."
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="The secret of that access key.")
    aws_session_token: SecretStr | None = Field(None, description="The token of temporary credentials.")
    coin_s3_path_style: bool = Field(
        default=False,
        description="Name the bucket in the path instead of the host; most servers other than AWS need it.",
    )
    task_result_ttl_days: int = Field(7, ge=1, le=36_500, description="Tasks are kept so long after they ended.")
    coin_run_history_days: int = Field(
        30, ge=1, le=36_500, description="Records of runs other than tasks are kept so long after they ended."
    )

    enable_scheduler: bool = Field(
        default=False, description="Collect candles every day; off, so that nothing speaks to an exchange unasked."
    )
    scheduler_hour: int = Field(9, ge=0, le=23, description="When candles are collected, in Asia/Seoul.")
    scheduler_minute: int = Field(0, ge=0, le=59, description="The minute of that hour.")
    scheduler_symbols: Listed = Field(DAILY_SYMBOLS, description="Markets that are collected, separated by commas.")
    scheduler_timeframes: Listed = Field(
        DAILY_TIMEFRAMES, description="Lengths of candles that are collected, separated by commas."
    )
    coin_max_upload_mib: int = Field(64, ge=1, description="How large a candle file may be that the API takes.")

    coin_launcher: Literal["warm", "dagster"] = Field(
        "warm", description="Who starts runs: the worker pool, or Dagster's default launcher."
    )
    coin_workers: int = Field(
        default_factory=lambda: available_cpus() + 1,
        ge=1,
        le=256,
        description="Backtests that the worker pool runs at a time; none: cores and one, as each waits for the disk.",
    )
    coin_pool_room: int = Field(
        12, ge=1, le=1000, description="Backtests, waiting and running, that skip Dagster's queue."
    )
    coin_run_memory_mib: int = Field(
        8192, ge=64, description="How much memory a run may ask for before it fails, of a worker of the pool."
    )
    coin_max_run_seconds: int = Field(21_600, ge=1, description="How long a run may take before it is ended.")

    @field_validator("coin_strategy_files", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part).absolute() for part in value.split(os.pathsep) if part)
        return value

    @field_validator("scheduler_symbols", "scheduler_timeframes", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return value

    @field_validator(*_CHOICES, mode="wrap")
    @classmethod
    def _chosen(cls, value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return validate(value)
        except ValidationError:
            msg = f"{value!r:.60} is not one of its values; write {_CHOICES[info.field_name or '']}"
            raise ValueError(msg) from None

    @field_validator(*_SHAPES)
    @classmethod
    def _shaped(cls, value: str | None, info: ValidationInfo) -> str | None:
        shape, says = _SHAPES[info.field_name or ""]
        if value is not None and not re.fullmatch(shape, value):
            raise ValueError(says)  # without the value, which may hold a password
        return value

    @field_validator("data_root", "dagster_home")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgresql+psycopg2://")):
            msg = "must begin with postgresql://"
            raise ValueError(msg)
        return value


def load_settings() -> Settings:
    """Read the environment and `.env` of the current folder.

    Raises:
        InvalidSettings: a value is malformed, or `.env` holds a name that no setting has.
    """
    dotenv = Path(".env")
    return _settings(frozenset(os.environ.items()), Path.cwd(), dotenv.read_bytes() if dotenv.is_file() else b"")


@lru_cache(maxsize=1)
def _settings(*_read: object) -> Settings:
    """Return what `load_settings` does: the same as the last time if what is read is the same."""
    known = {name.upper() for name in Settings.model_fields} | IGNORED_SETTINGS
    unknown = [
        Problem(
            name,
            f"is not a setting{did_you_mean(name.upper(), known, cutoff=0.7)}; remove it or put a # before it"
            " (.env.sample lists all)",
        )
        for name in _dotenv()
        if name.upper() not in known and not name.upper().startswith("REDIS_")
    ]
    if unknown:
        raise InvalidSettings(unknown)
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSettings(
            [
                Problem(str(e["loc"][0]).upper(), format_validation_message(e["msg"]))
                for e in error.errors(include_input=False)
            ]
        ) from None


def ignored_setting_notices() -> list[str]:
    """Return one sentence for each variable that is set but does nothing in this version."""
    names = sorted({name.upper() for name in (*os.environ, *_dotenv())})
    redis = [f"{name} is no longer used: Dagster replaces Redis" for name in names if name.startswith("REDIS_")]
    return redis + [f"{name} has no effect in this version" for name in names if name in IGNORED_SETTINGS]


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment for a program started by us: ours, with what we decided made explicit."""
    explicit = {
        "DATA_ROOT": str(settings.data_root),
        "DAGSTER_UI_URL": settings.dagster_ui_url,
        "COIN_CODE_SERVER": settings.coin_code_server,
        "PYTHONUNBUFFERED": "1",
        # Several processes run beside each other, so none of them takes all cores for linear algebra.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return inherited_environment(explicit)


def inherited_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with `extra` in it."""
    return {**os.environ, **extra}


def set_environment(values: Mapping[str, str]) -> None:
    """Set variables for this process and for the libraries in it that read the environment themselves."""
    os.environ.update(values)


def export_strategy_files(files: Sequence[Path]) -> None:
    """Add strategy files to those of the settings, for this process and for what it starts."""
    if files:
        each_once = dict.fromkeys(str(file.absolute()) for file in (*load_settings().coin_strategy_files, *files))
        set_environment({"COIN_STRATEGY_FILES": os.pathsep.join(each_once)})


def _dotenv() -> Mapping[str, str | None]:
    return dotenv_values(".env") if Path(".env").is_file() else {}
