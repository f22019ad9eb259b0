"""Every command of the documentation has a form that its program accepts.

`tests/e2e` executes those that need a platform; this checks all of them, in every language, without running any.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import click
import jsonschema
import pytest

from coin_api.app import create_app
from coin_pipeline.cli.app import coin
from coin_pipeline.settings import load_settings
from tests.conftest import ROOT
from tests.docs.shell_blocks import ShellBlock, commands, pages, shell_blocks
from tests.fakes import FakeOrchestrator

if TYPE_CHECKING:
    from collections.abc import Callable

EXECUTED = {"docs/migration.md", "docs/ko/migration.md"}
"""Pages whose blocks tests/e2e/test_migration.py executes in order, as scripts that depend on each other's output."""
BLOCKS = [block for block in shell_blocks() if block.page not in EXECUTED]
TOOLS = {
    *("apt-get", "basename", "cat", "cmp", "cp", "createdb", "df", "dirname", "exec", "git", "grep", "head", "install"),
    *(
        "journalctl",
        "kill",
        "ls",
        "md5sum",
        "mkdir",
        "chmod",
        "chown",
        "openapi-python-client",
        "openssl",
        "pip",
        "promtool",
    ),
    *(
        "psql",
        "ray",
        "sed",
        "sleep",
        "sort",
        "tail",
        "tee",
        "trap",
        "useradd",
        "systemctl",
        "systemd-analyze",
        "python",
        "python3",
    ),
}
"""Programs of others, whose arguments are not checked."""
API_PORTS = {8000, None}
CURL_VALUES = {
    "-X",
    "-H",
    "-d",
    "-o",
    "-w",
    "-m",
    "-u",
    "--max-time",
    "--data",
    "--data-binary",
    "--cacert",
    "--config",
}
"""Options of curl that a value follows."""
UNDOCUMENTED = {"/", "/docs", "/openapi.json"}
"""Paths that the OpenAPI document of the API does not list."""
Command, Document = list[str], dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    """The OpenAPI document."""
    return create_app(load_settings(), lambda _: FakeOrchestrator()).openapi()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_commands_are_accepted_by_their_programs(
    block: ShellBlock, document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subcommands, options, routes, request bodies, make targets, services and scripts exist."""
    monkeypatch.chdir(tmp_path)
    for command in commands(block):
        assert (problem := problem_of(command, document)) is None, f"{block.place}: {' '.join(command)}: {problem}"


def problem_of(command: Command, document: Document) -> str | None:
    """Return why a command does not work; None if it does."""
    program, *arguments = command
    name = program.rpartition("/")[2]
    checks: dict[str, Callable[[], str | None]] = {
        "sudo": lambda: problem_of([word for word in arguments if not word.startswith("-")], document),
        "coin": lambda: _coin_problem(arguments),
        "curl": lambda: _curl_problem(arguments, document),
        "make": lambda: _make_problem(arguments),
        "docker-compose": lambda: _compose_problem(arguments, document),
        "docker": lambda: _compose_problem(arguments[1:], document),
        "kubectl": lambda: problem_of(inside, document) if (inside := _after("--", arguments)) else None,
    }
    if name in checks:
        return checks[name]()
    if "/" in program and not program.startswith("/"):
        return (
            None if (ROOT / program).is_file() or program.startswith(".venv/bin/") else "no such file in the repository"
        )
    return None if name in TOOLS else "a program that is not in TOOLS"


def _after(mark: str, arguments: Command) -> Command:
    """Return what follows a mark; nothing without one."""
    return arguments[arguments.index(mark) + 1 :] if mark in arguments else []


def _coin_problem(arguments: Command) -> str | None:
    for argument in arguments:
        if re.fullmatch(r"[\w-]+\.\w+|downloads/", argument):  # a file of the reader
            Path(argument).mkdir() if argument.endswith("/") else Path(argument).touch()
    try:
        _parse(coin, "coin", arguments, None)
    except click.exceptions.Exit:  # --help, --version
        return None
    except click.ClickException as error:
        return error.format_message()
    return None


def _parse(command: click.Command, name: str, arguments: Command, parent: click.Context | None) -> None:
    """Parse arguments as click does before it invokes a command."""
    with command.make_context(name, list(arguments), parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            found, child, remaining = command.resolve_command(context, rest)
            assert child
            _parse(child, str(found), remaining, context)


def _curl_problem(arguments: Command, document: Document) -> str | None:
    options: dict[str, str] = {}
    urls = []
    rest = iter(arguments)
    for argument in rest:
        if argument in CURL_VALUES:
            options[argument] = next(rest)
        elif not argument.startswith("-"):
            urls.append(argument)
    (url,) = urls
    if urlsplit(url).port not in API_PORTS:
        return None
    body = options.get("-d") or options.get("--data")
    method = options.get("-X") or ("POST" if body else "GET")
    return _request_problem(document, method, url, body)


def _request_problem(document: dict[str, Any], method: str, url: str, body: str | None) -> str | None:
    parts = urlsplit(url)
    path = parts.path or "/"
    if path in UNDOCUMENTED:
        return None
    operations = [
        operations[method.lower()]
        for template, operations in sorted(document["paths"].items())
        if method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    if not operations:
        return f"no route for {method} {path}"
    known = {
        parameter["name"]
        for operation in operations
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    if unknown := parse_qs(parts.query).keys() - known:
        return f"unknown query parameters {unknown}"
    if body and not body.startswith("@"):
        schema = operations[0]["requestBody"]["content"]["application/json"]["schema"]
        validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
        return next((error.message for error in validator.iter_errors(json.loads(body))), None)
    return None


def _make_problem(arguments: Command) -> str | None:
    targets = [argument for argument in arguments if "=" not in argument and not argument.startswith("-")]
    makefile = (ROOT / "Makefile").read_text()
    missing = [
        target
        for target in targets
        if target != ".venv/.installed" and not re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)
    ]
    return f"no target {missing}" if missing else None


def _compose_problem(arguments: Command, document: Document) -> str | None:
    services = set(re.findall(r"^  ([a-z0-9-]+):$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE))
    rest = [argument for argument in arguments if argument not in {"-T", "--rm", "-it", "-d"}]
    if rest[:1] and rest[0] in {"exec", "run"}:
        _, service, *inner = rest
        return problem_of(inner, document) if service in services else f"no service {service}"
    return None


TRANSLATED = [page for page in sorted(ROOT.glob("docs/ko/*.md")) if page.name != "migration.md"]


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.stem)
def test_both_languages_have_the_same_commands(page: Path) -> None:
    """A translation instructs its readers exactly as the original does; only comments differ."""
    korean, english = f"docs/ko/{page.name}", f"docs/{page.name}"
    per_page = [[commands(block) for block in BLOCKS if block.page == name] for name in (korean, english)]
    assert per_page[0] == per_page[1]


def test_documented_settings_exist() -> None:
    """A name that starts with COIN_ is a setting, or a variable of the tests and benchmarks."""
    settings = {name.upper() for name in type(load_settings()).model_fields}
    code = "\n".join(path.read_text() for folder in ("tests", "benchmarks") for path in ROOT.glob(f"{folder}/**/*.py"))
    code += (ROOT / "Makefile").read_text() + "".join(path.read_text() for path in ROOT.glob("docker-compose.yml"))
    for page in pages():
        for name in set(re.findall(r"\bCOIN_[A-Z0-9_]*[A-Z0-9]\b", page.read_text())) - settings:
            assert name in code, f"{page.name} names {name}, which is not a setting"


@pytest.mark.parametrize(
    "command",
    [
        ["coin", "backtest", "volume_zone_breakout", "--strat", "2024-01-01"],
        ["coin", "backup", "runn"],
        ["curl", "http://127.0.0.1:8000/api/backtest/latest"],
        ["curl", "-d", '{"strategy": 5}', "http://127.0.0.1:8000/api/backtests/run"],
        ["curl", "http://127.0.0.1:8000/api/backtests/history?limits=5"],
        ["make", "benchmark"],
        ["scripts/back-up.sh", "all"],
        ["coim", "up"],
    ],
)
def test_a_wrong_command_is_noticed(command: Command, document: Document) -> None:
    """One mistake each: option, subcommand, route, body, parameter, target, script, program."""
    assert problem_of(command, document)
