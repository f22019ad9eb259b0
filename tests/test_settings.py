"""Settings from the environment and `.env`."""

import re
from pathlib import Path

import pytest

from coin_pipeline.data_root import find_data_root
from coin_pipeline.errors import InvalidSettings
from coin_pipeline.settings import (
    COMPOSE_VARIABLES,
    DEVELOPMENT_VARIABLES,
    Settings,
    child_environment,
    export_strategy_files,
    ignored_setting_notices,
    load_settings,
)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_need_no_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting has a default, and paths are absolute."""
    for name in ("DATA_ROOT", "ENVIRONMENT"):
        monkeypatch.delenv(name)
    settings = load_settings()
    assert settings.data_root == folder / "data"
    assert settings.environment == "development"
    assert settings.database_url is None
    assert settings.coin_strategy_files == ()


@pytest.mark.parametrize(
    ("environment", "dotenv"),
    [
        (None, None),
        ("~/here", None),
        ("here", "DATA_ROOT=there"),
        ("", 'DATA_ROOT="there"'),
        (None, "ENVIRONMENT=test"),
    ],
)
def test_data_root_is_found_without_the_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch, environment: str | None, dotenv: str | None
) -> None:
    """It is the folder that the settings name."""
    monkeypatch.delenv("DATA_ROOT")
    if environment is not None:
        monkeypatch.setenv("DATA_ROOT", environment)
    if dotenv is not None:
        (folder / ".env").write_text(dotenv)
    assert find_data_root() == load_settings().data_root


def test_the_environment_wins_over_dotenv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable in the environment overrides the one in `.env`."""
    (folder / ".env").write_text("ENVIRONMENT=production\nDAGSTER_UI_URL=http://ui\n")
    monkeypatch.setenv("ENVIRONMENT", "test")
    settings = load_settings()
    assert (settings.environment, settings.dagster_ui_url) == ("test", "http://ui")


def test_unknown_name_in_dotenv_is_rejected_with_suggestion(folder: Path) -> None:
    """A typo in `.env` is an error that suggests the closest setting."""
    (folder / ".env").write_text("DATA_ROT=/tmp\n")
    with pytest.raises(InvalidSettings, match=r"DATA_ROT: is not a setting \(did you mean 'DATA_ROOT'\?\)"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "prod"),
        ("DATABASE_URL", "mysql://user:secret@host/db"),
        ("COIN_CODE_SERVER", "nowhere"),
        ("COIN_MAX_QUEUED", "0"),
        ("AWS_ENDPOINT_URL", "http://user:secret@127.0.0.1:8333"),
    ],
)
def test_malformed_value_names_its_variable_and_hides_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The message names the variable and never contains a password."""
    assert folder.is_dir()
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=name) as caught:
        load_settings()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_ENDPOINT_URL", "127.0.0.1:8333", "must begin with http:// or https://"),
        ("AWS_BUCKET_NAME", "Bad_Bucket", "lower-case letters, digits, dots and hyphens, such as backtest-bucket"),
        ("AWS_REGION", "Seoul", "such as ap-northeast-2"),
        ("COIN_CODE_SERVER", "nowhere", "must be unix: and the path of a socket, or host:port"),
        ("COIN_UPBIT_URL", "api.upbit.com", "must begin with http:// or https://, such as https://api.upbit.com"),
    ],
)
def test_malformed_value_is_described_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    """The message describes the format with an example, not with a regular expression."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert message in str(caught.value)
    assert "pattern" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ENABLE_SCHEDULER", "perhaps", "ENABLE_SCHEDULER: 'perhaps' is not a valid value; use true or false"),
        ("SCHEDULER_HOUR", "24", "SCHEDULER_HOUR: '24' is not a valid value; use an hour, 0 to 23"),
        ("SCHEDULER_MINUTE", "half", "SCHEDULER_MINUTE: 'half' is not a valid value; use a minute, 0 to 59"),
        ("COIN_MAX_UPLOAD_MIB", "0", "COIN_MAX_UPLOAD_MIB: Input should be greater than or equal to 1"),
    ],
)
def test_scheduler_settings_are_validated(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    """A wrong value is an error that lists the valid ones."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=message):
        load_settings()


def test_lists_are_comma_separated(folder: Path) -> None:
    """Spaces are optional, the legacy platform's spellings are accepted, and the scheduler is off by default."""
    (folder / ".env").write_text("SCHEDULER_SYMBOLS=KRW-BTC, ETH_KRW,\nSCHEDULER_TIMEFRAMES=1D,1m\n")
    settings = load_settings()
    assert settings.scheduler_symbols == ("KRW-BTC", "ETH_KRW")
    assert settings.scheduler_timeframes == ("1D", "1m")
    assert (settings.enable_scheduler, settings.scheduler_hour, settings.scheduler_minute) == (False, 9, 0)


def test_foreign_name_gets_no_suggestion(folder: Path) -> None:
    """A name that resembles no setting gets a remedy but no suggestion."""
    (folder / ".env").write_text("KAFKA_BROKERS=default\n")
    with pytest.raises(InvalidSettings, match="KAFKA_BROKERS: is not a setting; remove it or comment it out"):
        load_settings()


def test_legacy_settings_are_reported_not_rejected(folder: Path) -> None:
    """Each variable that only the legacy platform used is reported in one sentence with what replaces it."""
    names = ("REDIS_HOST", "RQ_QUEUE", "LOG_LEVEL", "CORS_ALLOW_METHODS", "TZ", "UVICORN_WORKERS")
    (folder / ".env").write_text("".join(f"{name}=1\n" for name in names))
    assert isinstance(load_settings(), Settings)
    notices = ignored_setting_notices()
    assert [notice.split()[0] for notice in notices] == sorted(names)
    assert notices[2] == "REDIS_HOST is no longer used: Dagster replaces Redis"


def test_variables_of_other_programs_are_not_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG_LEVEL and TZ in the environment are of other programs; REDIS_HOST is of the legacy platform only."""
    assert folder.is_dir()
    for name in ("LOG_LEVEL", "TZ", "REDIS_HOST"):
        monkeypatch.setenv(name, "UTC")
    assert [notice.split()[0] for notice in ignored_setting_notices()] == ["REDIS_HOST"]


@pytest.mark.parametrize("name", ["COIN_AUHT", "coin_auht", "COIN_UNKNOWN"])
def test_unknown_name_of_the_platform_in_the_environment_is_rejected(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Containers have their settings there, and a misspelled COIN_AUTH=on would leave tokens off."""
    assert folder.is_dir()
    monkeypatch.setenv(name, "on")
    with pytest.raises(InvalidSettings, match=rf"{name}: is not a setting.*; unset it"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COIN_AUHT", ""),
        ("AWS_BUCKET", "other"),
        ("COIN_PUBLISH", "127.0.0.1"),
        ("COIN_SERVICE_HOST", "10.0.0.1"),
        ("COIN_API_SERVICE_PORT_HTTP", "8000"),
        ("COIN_API_PORT", "tcp://10.0.0.1:8000"),
        ("COIN_API_PORT_8000_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_other_names_in_the_environment_are_accepted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Empty ones, those of other programs and of Compose, and those that Kubernetes sets for services."""
    assert folder.is_dir()
    monkeypatch.setenv(name, value)
    load_settings()


def test_variables_of_tests_and_benchmarks_are_accepted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platforms that they start inherit them; a new one has to be declared."""
    read = re.compile(r'environ(?:\.get\(|\[)"(COIN_\w+)"|"(COIN_\w+)" not in os\.environ')
    sources = [path for name in ("benchmarks", "scripts", "tests") for path in (ROOT / name).rglob("*.py")]
    found = {name for path in sources for pair in read.findall(path.read_text()) for name in pair if name}
    known = {field.upper() for field in Settings.model_fields}
    assert found - known <= DEVELOPMENT_VARIABLES
    assert folder.is_dir()
    for name in DEVELOPMENT_VARIABLES:
        monkeypatch.setenv(name, "1")
    load_settings()


@pytest.mark.parametrize("name", ["COIN_WORKER", "COIN_UNKNOWN", "LOG_LEVELS", "SMTP_FROM", "TASK_RESULT_TTL"])
def test_unknown_names_next_to_accepted_ones_stop_the_start(folder: Path, name: str) -> None:
    """A misspelled setting is not taken for one of the legacy platform."""
    (folder / ".env").write_text(f"REDIS_HOST=localhost\n{name}=1\n")
    with pytest.raises(InvalidSettings, match=f"{name}: is not a setting"):
        load_settings()


def test_strategy_files_are_passed_to_child_programs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files from the command line are added to those of the environment, as absolute paths."""
    monkeypatch.setenv("COIN_STRATEGY_FILES", "/one.py")
    for _ in range(2):  # duplicates are removed
        export_strategy_files([Path("two.py")])
    settings = load_settings()
    assert settings.coin_strategy_files == (Path("/one.py"), folder / "two.py")
    assert child_environment(settings)["COIN_STRATEGY_FILES"] == f"/one.py:{folder / 'two.py'}"


def test_command_line_strategy_files_keep_those_of_dotenv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy file for one command does not replace those of `.env`."""
    monkeypatch.delenv("COIN_STRATEGY_FILES", raising=False)
    (folder / ".env").write_text("COIN_STRATEGY_FILES=one.py\n")
    monkeypatch.setenv("COIN_STRATEGY_FILES", "")
    export_strategy_files([Path("two.py")])
    assert load_settings().coin_strategy_files == (folder / "one.py", folder / "two.py")


def test_env_sample_lists_every_setting_and_loads(folder: Path) -> None:
    """`.env.sample` contains every setting, and is valid when uncommented."""
    sample = (ROOT / ".env.sample").read_text()
    for field in Settings.model_fields:
        assert f"#{field.upper()}=" in sample
    lines = [line[1:] for line in sample.splitlines() if line.startswith("#") and "=" in line and " " not in line]
    (folder / ".env").write_text("\n".join(lines))
    load_settings()


def test_variables_of_docker_compose_are_accepted(folder: Path) -> None:
    """One `.env` serves Compose and `coin up`; they are those of the file that are not settings."""
    compose = (ROOT / "docker-compose.yml").read_text()
    names = set(re.findall(r"\$\{([A-Z0-9_]+)", compose)) - {field.upper() for field in Settings.model_fields}
    assert names == COMPOSE_VARIABLES
    (folder / ".env").write_text("".join(f"{name}=x\n" for name in (*names, "COMPOSE_PROFILES")))
    load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COIN_ALLOWED_ORIGINS", "http://localhost:5173, HTTPS://Client.example/"),
        ("CORS_ORIGINS", "http://localhost:5173,https://client.example"),
        ("CORS_ALLOW_ORIGINS", '["http://localhost:5173", "https://client.example"]'),
        ("CORS_ALLOWED_ORIGINS", "http://localhost:5173,https://client.example"),
        ("BACKEND_CORS_ORIGINS", '["http://localhost:5173","https://client.example"]'),
    ],
)
def test_origins_are_read_under_the_names_of_legacy_settings(folder: Path, name: str, value: str) -> None:
    """As a list with commas or as JSON; a web client that was configured so keeps working."""
    (folder / ".env").write_text(f"{name}={value}\n")
    assert load_settings().coin_allowed_origins == ("http://localhost:5173", "https://client.example")
    assert ignored_setting_notices() == []


def test_own_name_of_origins_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a legacy one."""
    monkeypatch.setenv("CORS_ORIGINS", "http://old.example")
    monkeypatch.setenv("COIN_ALLOWED_ORIGINS", "http://new.example")
    assert load_settings().coin_allowed_origins == ("http://new.example",)


def test_other_cors_settings_are_reported_as_unused(folder: Path) -> None:
    """Methods, headers and credentials are always allowed to the listed origins."""
    (folder / ".env").write_text("CORS_ALLOW_METHODS=*\nCORS_ALLOW_CREDENTIALS=true\n")
    assert load_settings().coin_allowed_origins == ()
    assert [notice.split()[0] for notice in ignored_setting_notices()] == [
        "CORS_ALLOW_CREDENTIALS",
        "CORS_ALLOW_METHODS",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COIN_ALLOWED_ORIGINS", "*"),
        ("CORS_ORIGINS", '["*"]'),
        ("COIN_ALLOWED_ORIGINS", "localhost:5173"),
        ("COIN_ALLOWED_ORIGINS", "http://localhost:5173/app"),
        ("COIN_ALLOWED_ORIGINS", "null"),
        ("COIN_ALLOWED_ORIGINS", "http://localhost:5173;http://localhost:5174"),
        ("COIN_ALLOWED_HOSTS", "*"),
        ("COIN_ALLOWED_HOSTS", "https://coin.example"),
        ("COIN_ALLOWED_HOSTS", "coin.example:8000"),
    ],
)
def test_wildcards_and_malformed_origins_are_rejected(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The message names the variable that is set, and what to list."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=rf"{name}: .* is not .*; list ") as caught:
        load_settings()
    assert "such as" in str(caught.value)
