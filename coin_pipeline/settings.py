"""All settings, read from the environment and `.env`. Of them, only `data_root` is also read by another module."""

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from coin_pipeline.data_root import DEFAULT
from coin_pipeline.errors import InvalidSettings, Problem, did_you_mean, validation_message
from coin_pipeline.origins import LEGACY_VARIABLES, parse_hosts, parse_origins

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "must be 3 to 63 lower-case letters, digits, dots and hyphens"

_FORMATS = {
    "coin_code_server": (
        r"unix:/.+|[A-Za-z0-9.-]+:\d{1,5}",
        "must be unix: and the path of a socket, or host:port, such as 127.0.0.1:4266",
    ),
    "coin_ray_address": (r"auto|[A-Za-z0-9.-]+:\d{1,5}", "must be auto or host:port, such as 10.0.0.5:6379"),
    "aws_bucket_name": (_BUCKET[0], f"{_BUCKET[1]}, such as backtest-bucket"),
    "coin_archive_bucket": (_BUCKET[0], f"{_BUCKET[1]}, such as backtest-archive"),
    "aws_region": (r"[a-z0-9-]+", "must be a region name, such as ap-northeast-2"),
    "aws_endpoint_url": (
        r"https?://[^\s@]+",
        "must begin with http:// or https:// and contain no user or password, such as http://127.0.0.1:8333",
    ),
    "coin_upbit_url": (r"https?://[^\s@?#]+", "must begin with http:// or https://, such as https://api.upbit.com"),
}
_CHOICES = {
    "coin_allow_short": "true or false",
    "coin_rate_limit": "a number of requests per second, such as 50; 0 for no limit",
    "coin_allow_private_webhooks": "true or false",
    "email_enabled": "true or false",
    "enable_scheduler": "true or false",
    "scheduler_hour": "an hour, 0 to 23",
    "scheduler_minute": "a minute, 0 to 59",
    "slack_enabled": "true or false",
    "smtp_port": "a port, such as 587",
}
# The markets and timeframes that the legacy platform collected.
DAILY_SYMBOLS = tuple(f"KRW-{base}" for base in ("BTC", "ETH", "XRP", "SOL", "XLM", "ADA", "DOGE", "BCH", "NEAR"))
DAILY_TIMEFRAMES = ("1m", "5m", "1h", "1d", "1w")
COMPOSE_VARIABLES = frozenset({"API_PORT", "COIN_PUBLISH", "ENV_FILE", "POSTGRES_PASSWORD", "UI_PORT", "WORKER_MEMORY"})
"""Variables of `.env` that docker-compose.yml reads, besides Compose's own."""
DEVELOPMENT_VARIABLES = frozenset(
    {
        "COIN_ALERT_KILLS",
        "COIN_BOMBS",
        "COIN_BOMB_SEED",
        "COIN_CHAOS_KILLS",
        "COIN_FUZZ_CASES",
        "COIN_FUZZ_DATABASE",
        "COIN_FUZZ_SECONDS",
        "COIN_GROWTH_RUNS",
        "COIN_LEDGER_STEPS",
        "COIN_LOAD_SECONDS",
        "COIN_MARKET_DATA",
        "COIN_TEST_COMPOSE",
        "COIN_TEST_DATABASE",
        "COIN_TEST_LAUNCHER",
    }
)
"""Variables of the tests and benchmarks, which the platforms that they start inherit."""
_SERVICE_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_\w+)=.*|\w+_PORT=(tcp|udp|sctp)://.*")
"""A variable that Kubernetes sets for a service whose name may begin with "coin", with its value."""
LEGACY_PREFIXES: Mapping[str, str] = {
    "REDIS_": "Dagster replaces Redis",
    "RQ_": "Dagster's queue and the worker pool replace RQ: COIN_WORKERS, COIN_MAX_QUEUED, COIN_MAX_RUN_SECONDS",
    "CORS_": "the origins of COIN_ALLOWED_ORIGINS may use all methods and headers",
    "UVICORN_": "'coin up' and 'coin serve' start the servers: COIN_BIND, --api-port, --ui-port",
    "GUNICORN_": "'coin up' and 'coin serve' start the servers: COIN_BIND, --api-port, --ui-port",
    "VITE_": "web clients read it when they are built",
    "REACT_APP_": "web clients read it when they are built",
    "NEXT_PUBLIC_": "web clients read it when they are built",
}
"""What replaces the variables of the legacy platform and of its libraries, by prefix."""
LEGACY_NAMES: Mapping[str, str] = {
    "LOG_LEVEL": "each process logs what an operator needs; COIN_LOG_FORMAT sets the format",
    "LOG_FORMAT": "COIN_LOG_FORMAT replaces it",
    "LOG_FILE": "logs are in DATA_ROOT/logs",
    "LOG_DIR": "logs are in DATA_ROOT/logs",
    "QUEUE_NAME": "Dagster has one queue of runs",
    "JOB_TIMEOUT": "COIN_MAX_RUN_SECONDS replaces it",
    "WORKER_COUNT": "COIN_WORKERS replaces it",
    "WORKERS": "COIN_WORKERS replaces it",
    "API_HOST": "COIN_BIND replaces it",
    "HOST": "COIN_BIND replaces it",
    "PORT": "'coin up --api-port' replaces it",
    "DEBUG": "there is no such mode",
    "RELOAD": "there is no such mode",
    "TZ": "schedules and days are in Asia/Seoul",
    "PYTHONPATH": "the installed package is used",
    "PYTHONUNBUFFERED": "it is always set",
}
"""The same for single variables. Those in the environment may be of other programs, so only those of `.env` count."""
CommaSeparated = Annotated[tuple[str, ...], NoDecode]


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """The settings of the platform; immutable.

    Every field is read from the variable of the same name in upper case; the environment wins over `.env`.
    """

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    data_root: Path = Field(
        Path(DEFAULT), description="Root folder of candles, results, the embedded database and logs."
    )
    environment: Literal["development", "production", "test"] = Field(
        "development", description="Name of the environment, recorded in each result's metadata."
    )
    database_url: SecretStr | None = Field(
        None,
        description="URL of an external PostgreSQL, postgresql://user:password@host:port/name; defaults to the embedded"
        " server.",
    )
    dagster_home: Path | None = Field(
        None, description="Folder that contains dagster.yaml; defaults to DATA_ROOT/dagster, which coin manages."
    )
    dagster_ui_url: str = Field(
        "http://127.0.0.1:3000",
        description="Public URL of the Dagster UI, which links begin with; defaults to that of 'coin up'.",
    )
    coin_api_url: str = Field(
        "http://127.0.0.1:8000", description="URL at which 'coin doctor' and 'coin migrate check' reach the API."
    )
    coin_public_url: str = Field(
        "http://127.0.0.1:8000",
        description="Public URL of the API, which links to reports begin with; defaults to that of 'coin up'.",
    )
    coin_ui_url: str = Field("http://127.0.0.1:3000", description="URL at which 'coin doctor' reaches the Dagster UI.")
    coin_code_server: str | None = Field(
        None,
        description="Address of the Dagster code server, unix:PATH or host:port; defaults to a socket in"
        " DATA_ROOT/dagster.",
    )
    coin_max_queued: int = Field(
        12_500, ge=1, description="Largest number of queued runs; further submissions are rejected."
    )
    coin_trusted_proxies: CommaSeparated = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For header names the client of a request.",
    )
    coin_async: Literal["on", "off"] = Field(
        "on",
        description="Set to off to reject run-async and sweep submissions; 'coin migrate rollback' does so without a"
        " restart.",
    )
    coin_upbit_url: str = Field("https://api.upbit.com", description="Base URL of Upbit's REST API or of a mirror.")
    coin_strategy_files: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description=f"Custom strategy files (.py), separated by {os.pathsep!r}."
    )

    coin_allow_short: bool = Field(
        default=False, description="Let a SELL order of the paper ledger open a short position."
    )

    aws_bucket_name: str | None = Field(
        None, description="S3 bucket that stores the results; defaults to local storage under DATA_ROOT."
    )
    coin_candles: Literal["local", "s3"] = Field(
        "local",
        description="Where candles are stored: local for DATA_ROOT, s3 for the folder candles of the bucket"
        " AWS_BUCKET_NAME.",
    )
    coin_candle_cache_mib: int = Field(
        4096,
        ge=0,
        description="Size of the copies of candles in a bucket that are kept in DATA_ROOT/cache, MiB; 0 for none.",
    )
    coin_archive_bucket: str | None = Field(
        None,
        description="S3 bucket to which 'coin results archive' moves old results from DATA_ROOT; on the same server and"
        " with the same credentials as AWS_BUCKET_NAME, in whose place it is set.",
    )
    aws_region: str | None = Field(None, description="AWS region of the bucket.")
    aws_endpoint_url: str | None = Field(None, description="URL of an S3-compatible server; defaults to AWS.")
    aws_access_key_id: SecretStr | None = Field(
        None, description="AWS access key ID; defaults to the AWS credential chain."
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="AWS secret access key.")
    aws_session_token: SecretStr | None = Field(None, description="AWS session token of temporary credentials.")
    coin_s3_path_style: bool = Field(
        default=False,
        description="Use path-style bucket URLs instead of virtual hosts, as most servers other than AWS need.",
    )
    task_result_ttl_days: int = Field(7, ge=1, le=36_500, description="Days to keep a task after it ended.")
    coin_run_history_days: int = Field(
        30, ge=1, le=36_500, description="Days to keep the records of other runs after they ended."
    )

    enable_scheduler: bool = Field(
        default=False,
        description="Collect candles every day; off by default, so that no exchange is contacted unasked.",
    )
    scheduler_hour: int = Field(9, ge=0, le=23, description="Hour of the daily collection, Asia/Seoul.")
    scheduler_minute: int = Field(0, ge=0, le=59, description="Minute of the daily collection.")
    scheduler_symbols: CommaSeparated = Field(DAILY_SYMBOLS, description="Markets to collect, separated by commas.")
    scheduler_timeframes: CommaSeparated = Field(
        DAILY_TIMEFRAMES, description="Timeframes to collect, separated by commas."
    )
    coin_allowed_hosts: CommaSeparated = Field(
        (), description="Host names, besides localhost, under which browsers may reach the API and the Dagster UI."
    )
    coin_allowed_origins: CommaSeparated = Field(
        (),
        validation_alias=AliasChoices("coin_allowed_origins", *(name.lower() for name in LEGACY_VARIABLES)),
        description="Origins of other web pages that may use the API and the Dagster UI, separated by commas.",
    )
    coin_max_connections: int = Field(
        512, ge=8, le=10_000, description="Open connections to the API, and to the Dagster UI."
    )
    coin_max_upload_mib: int = Field(64, ge=1, description="Largest candle file that the API accepts, MiB.")
    coin_import_memory_mib: int = Field(
        320, ge=64, le=1 << 20, description="Memory that reading one candle file may take, MiB."
    )
    coin_import_seconds: int = Field(
        9, ge=1, le=86_400, description="CPU time that reading one candle file may take, seconds."
    )

    coin_bind: str = Field(
        "127.0.0.1",
        description="Address on which the API and the Dagster UI listen; any address but loopback requires tokens.",
    )
    coin_published_at: str | None = Field(
        None,
        description="Address of the host at which a container publishes the ports, in place of COIN_BIND for the rule"
        " that requires tokens; docker-compose.yml sets it. Outside the image one on loopback has no effect.",
    )
    coin_auth: Literal["auto", "on"] = Field(
        "auto",
        description="Requests need a token: on, or auto for only when other machines can reach the servers.",
    )
    coin_rate_limit: float = Field(
        100, ge=0, le=100_000, description="Requests per second that one token may send on average; 0 for no limit."
    )
    coin_audit_days: int = Field(
        365, ge=1, le=36_500, description="Days to keep the entries of the audit log ('coin audit list')."
    )
    coin_token: SecretStr | None = Field(
        None, description="Token with which the commands of this machine call the API, if it requires one; a secret."
    )
    coin_log_format: Literal["text", "json"] = Field("text", description="Format of the logs of all processes.")
    coin_compute_logs: Literal["on", "off"] = Field(
        "off", description="Store what the ops of runs print, in the S3 bucket or under DATA_ROOT."
    )

    coin_launcher: Literal["warm", "dagster"] = Field(
        "warm", description="Run launcher: warm for the worker pool, dagster for Dagster's default launcher."
    )
    coin_sweep_engine: Literal["local", "ray"] = Field(
        "local", description="Where sweeps are evaluated: on this machine, or on a Ray cluster that it is a node of."
    )
    coin_ray_address: str = Field(
        "auto",
        description="Address of the head of the Ray cluster, HOST:PORT; defaults to the cluster of this machine.",
    )
    coin_workers: int = Field(
        default_factory=lambda: available_cpus() + 1,
        ge=1,
        le=256,
        description="Backtests that the worker pool runs concurrently; defaults to the number of CPUs plus one, since"
        " each run waits for the disk at times.",
    )
    coin_pool_room: int = Field(
        12,
        ge=1,
        le=1000,
        description="Largest number of interactive backtests, waiting or running, that bypass Dagster's queue.",
    )
    coin_run_memory_mib: int = Field(8192, ge=64, description="Memory limit of a run in the worker pool, MiB.")
    coin_max_run_seconds: int = Field(21_600, ge=1, description="Time limit of a run, seconds.")
    coin_stall_seconds: int = Field(900, ge=1, description="Seconds without progress after which a run is ended.")
    coin_lease_seconds: float = Field(
        6.0, ge=1, le=600, description="Seconds without a heartbeat after which a run counts as lost."
    )
    coin_monitor_seconds: float = Field(
        5.0, ge=0.1, le=60, description="Seconds between two checks for lost runs and unanswered tasks."
    )

    slack_webhook_url: SecretStr | None = Field(
        None, description="Incoming webhook of the Slack channel that receives alerts; a secret."
    )
    slack_enabled: bool = Field(default=True, description="Set to false to send no alerts to Slack.")
    smtp_host: str | None = Field(None, description="Mail server that alerts are sent through.")
    smtp_port: int = Field(587, ge=1, le=65_535, description="Port of the mail server.")
    smtp_security: Literal["auto", "starttls", "tls", "none"] = Field(
        "auto", description="Encryption of the connection to the mail server; auto is tls on port 465, else starttls."
    )
    smtp_user: str | None = Field(None, description="User name at the mail server.")
    smtp_password: SecretStr | None = Field(None, description="Password at the mail server.")
    smtp_from_addr: str | None = Field(None, description="Sender of alerts; defaults to SMTP_USER.")
    email_to: CommaSeparated = Field(
        (), description="Recipients of alerts by mail, separated by commas; defaults to the sender."
    )
    email_enabled: bool = Field(default=True, description="Set to false to send no alerts by mail.")
    coin_allow_private_webhooks: bool = Field(
        default=False, description="Allow webhooks at private addresses and over plain HTTP."
    )
    coin_alert_language: Literal["en", "ko"] = Field("en", description="Language of alerts.")
    coin_alert_free_mib: int = Field(
        1024, ge=0, description="Free space of a disk below which an alert is sent, MiB; 0 for never."
    )

    coin_backup_location: str | None = Field(
        None, description="Folder, or s3://bucket/prefix, that stores backups; defaults to DATA_ROOT/backups."
    )
    coin_backup_key: SecretStr | None = Field(
        None, description="age secret key with which backups are encrypted; 'coin backup key' creates one."
    )
    coin_backup_schedule: Literal["on", "off"] = Field(
        "on", description="Back up every night, prove the backup by restoring it, and remove old ones."
    )
    backup_retention_days: int = Field(7, ge=1, le=36_500, description="Days to keep backups.")

    coin_log_mib: int = Field(10, ge=1, le=10_000, description="Size at which the log of a process is rotated, MiB.")
    coin_log_files: int = Field(
        5, ge=2, le=1000, description="Number of log files kept for each process, the current one included."
    )

    @field_validator("coin_strategy_files", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part).absolute() for part in value.split(os.pathsep) if part)
        return value

    @field_validator("scheduler_symbols", "scheduler_timeframes", "coin_trusted_proxies", "email_to", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return value

    @field_validator("coin_allowed_hosts", mode="before")
    @classmethod
    def _parse_hosts(cls, value: object) -> object:
        return parse_hosts(value) if isinstance(value, str) else value

    @field_validator("coin_allowed_origins", mode="before")
    @classmethod
    def _parse_origins(cls, value: object) -> object:
        return parse_origins(value) if isinstance(value, str) else value

    @field_validator("coin_trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                msg = f"{network!r:.60} is not an address or a network; use for example 10.0.0.1 or 10.0.0.0/8"
                raise ValueError(msg) from None
        return value

    @field_validator("coin_bind", "coin_published_at")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        address = "127.0.0.1" if value == "localhost" else value.strip("[]")
        try:
            return str(ipaddress.ip_address(address))
        except ValueError:
            msg = f"{value!r:.60} is not an address; use for example 127.0.0.1, or 0.0.0.0 for all of this machine's"
            raise ValueError(msg) from None

    @field_validator(*_CHOICES, mode="wrap")
    @classmethod
    def _check_choice(cls, value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return validate(value)
        except ValidationError:
            msg = f"{value!r:.60} is not a valid value; use {_CHOICES[info.field_name or '']}"
            raise ValueError(msg) from None

    @field_validator(*_FORMATS)
    @classmethod
    def _check_format(cls, value: str | None, info: ValidationInfo) -> str | None:
        pattern, message = _FORMATS[info.field_name or ""]
        if value is not None and not re.fullmatch(pattern, value):
            raise ValueError(message)  # without the value, which may contain a password
        return value

    @field_validator("data_root", "dagster_home")
    @classmethod
    def _make_absolute(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _require_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgresql+psycopg2://")):
            msg = "must begin with postgresql://"
            raise ValueError(msg)
        return value


_SETTING_NAMES = frozenset(name.upper() for name in Settings.model_fields) | frozenset(LEGACY_VARIABLES)


def load_settings() -> Settings:
    """Return the settings from the environment and from `.env` in the current folder.

    Raises:
        InvalidSettings: A value is malformed, or a name is unknown: any in `.env`, and one that begins with COIN_ in
            the environment, where all others may be of other programs.
    """
    dotenv = Path(".env")
    return _settings(frozenset(os.environ.items()), Path.cwd(), dotenv.read_bytes() if dotenv.is_file() else b"")


@lru_cache(maxsize=1)
def _settings(*_sources: object) -> Settings:
    """Return the settings, cached for as long as their sources are unchanged."""
    unknown = [Problem(name, _unknown_reason(name, remedy)) for name, remedy in _unknown_names().items()]
    if unknown:
        raise InvalidSettings(unknown)
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSettings(
            [
                Problem(_variable(str(e["loc"][0]).upper()), validation_message(e, with_value=False))
                for e in error.errors(include_input=False)
            ]
        ) from None


def _unknown_names() -> Mapping[str, str]:
    """Return what to do about each variable that is not a setting, by name.

    A misspelled setting in the environment must not be silent either: containers get their settings there, and
    COIN_AUHT=on would leave tokens off.
    """
    own = (name for name, value in os.environ.items() if _is_own(name.upper(), value))
    names = dict.fromkeys(own, "unset it") | dict.fromkeys(_dotenv(), "remove it or comment it out")
    return {name: remedy for name, remedy in names.items() if not is_accepted(name.upper())}


def _is_own(name: str, value: str) -> bool:
    """Return whether a variable of the environment can only be of the platform.

    >>> _is_own("COIN_AUHT", "on"), _is_own("COIN_LOAD_SECONDS", "60"), _is_own("AWS_PROFILE", "x")
    (True, False, False)
    >>> _is_own("COIN_API_SERVICE_HOST", "10.0.0.1"), _is_own("COIN_API_PORT", "tcp://10.0.0.1:8000")
    (False, False)
    """
    is_ours = value and name.startswith("COIN_") and name not in DEVELOPMENT_VARIABLES
    return bool(is_ours) and not _SERVICE_LINK.fullmatch(f"{name}={value}")


def _unknown_reason(name: str, remedy: str) -> str:
    suggestion = did_you_mean(name.upper(), _SETTING_NAMES, cutoff=0.7)
    return f"is not a setting{suggestion}; {remedy} (.env.sample lists all settings)"


def _variable(name: str) -> str:
    """Return the name under which a setting is set."""
    names = (name, *LEGACY_VARIABLES) if name == "COIN_ALLOWED_ORIGINS" else ()
    present = {variable.upper() for variable in (*os.environ, *_dotenv())}
    return next((variable for variable in names if variable in present), name)


def is_accepted(name: str) -> bool:
    """Return whether `.env` may contain a variable: a setting, or one of the legacy platform or of Compose.

    >>> [is_accepted(name) for name in ("COIN_WORKERS", "RQ_QUEUE", "COIN_PUBLISH", "COIN_WORKER", "DATA_ROT")]
    [True, True, True, False, False]
    """
    own = name in _SETTING_NAMES or name in COMPOSE_VARIABLES or name.startswith("COMPOSE_")
    return own or legacy_reason(name) is not None


def legacy_reason(name: str) -> str | None:
    """Return what replaces a variable of the legacy platform, or None if it is not one or is still read.

    >>> legacy_reason("REDIS_HOST")
    'Dagster replaces Redis'
    """
    if name in LEGACY_VARIABLES:
        return None
    by_prefix = next((reason for prefix, reason in LEGACY_PREFIXES.items() if name.startswith(prefix)), None)
    return by_prefix or LEGACY_NAMES.get(name)


def ignored_setting_notices() -> list[str]:
    """Return a sentence for each variable of the legacy platform that is set, and has no effect in this version."""
    dotenv = {name.upper() for name in _dotenv()}
    environment = {name.upper() for name in os.environ if name.upper() not in LEGACY_NAMES}
    names = sorted(dotenv | environment)
    return [f"{name} is no longer used: {reason}" for name in names if (reason := legacy_reason(name))]


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment for child programs: this process's, with the resolved settings made explicit."""
    explicit = {
        "DATA_ROOT": str(settings.data_root),
        "DAGSTER_UI_URL": settings.dagster_ui_url,
        "COIN_PUBLIC_URL": settings.coin_public_url,
        "COIN_CODE_SERVER": settings.coin_code_server or "",
        "PYTHONUNBUFFERED": "1",
        # Many processes run at once, so none of them may use every core for linear algebra.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return inherited_environment(explicit)


def inherited_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, updated with `extra`."""
    return {**os.environ, **extra}


def set_environment(values: Mapping[str, str]) -> None:
    """Set environment variables, for libraries in this process that read them directly."""
    os.environ.update(values)


def export_strategy_files(files: Sequence[Path]) -> None:
    """Add strategy files to the configured ones, for this process and the programs that it starts."""
    if files:
        unique = dict.fromkeys(str(file.absolute()) for file in (*load_settings().coin_strategy_files, *files))
        set_environment({"COIN_STRATEGY_FILES": os.pathsep.join(unique)})


def _dotenv() -> Mapping[str, str | None]:
    return dotenv_values(".env") if Path(".env").is_file() else {}
