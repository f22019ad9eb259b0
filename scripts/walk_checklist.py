#!/usr/bin/env python3
"""Walk the migration checklist against a running installation, and print a transcript.

Runs every command of the checklist in its order, as scripts/checklist.toml adapts it, then 'coin migrate check' for its
checkboxes. Needs Python 3.11, bash and curl, and nothing else on this machine; the token comes from COIN_TOKEN.

    scripts/walk_checklist.py                                          # 'coin up' with the settings of this folder
    scripts/walk_checklist.py --compose 'docker compose' --disruptive  # the containers of docker-compose.yml

Exits with 1 if a command or an item fails.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
COMMANDS = Path(__file__).with_name("checklist.toml")
OUTPUT_LINES, OUTPUT_COLUMNS = 14, 160
COMMAND_TIMEOUT_S = 1200
CONDITIONS = {
    "checkout": "this program is not run from a git checkout",
    "compose": "the installation does not run in containers (see --compose)",
    "disruptive": "it interrupts the service; --disruptive runs it",
    "bucket": "AWS_BUCKET_NAME is not set, so results stay under DATA_ROOT",
    "slack": "SLACK_WEBHOOK_URL is not set, or SLACK_ENABLED is false",
}
"""Why a command does not apply if the condition does not hold."""
FUNCTIONS = r"""
set -euo pipefail
inside() { ${INSIDE:-command} "$@" < /dev/null; }
coin() { inside coin "$@"; }
compose() { $COMPOSE "$@" < /dev/null; }
curl_api() {
  local header=${COIN_TOKEN:+header = \"Authorization: Bearer $COIN_TOKEN\"}
  curl -sS --max-time 90 --config - "$@" <<< "$header"
}
api() { curl_api --fail-with-body "$@" && echo; }
submit() {
  api -X POST "$BASE_URL/api/backtests/run-async" -H 'Content-Type: application/json' -d "$BODY" |
    sed -nE 's/.*"task_id":"([^"]+)".*/\1/p'
}
wait_for() {
  local status=queued deadline=$((SECONDS + 300))
  while [ "$status" = queued ] || [ "$status" = running ]; do
    [ $SECONDS -lt $deadline ] || { echo "task $1 is still $status after 300 s"; return 1; }
    sleep 0.5
    status=$(api "$BASE_URL/api/backtests/status/$1" | sed -nE 's/^\{"task_id":"[^"]*","status":"([a-z]+)".*/\1/p')
  done
  [ "$status" = completed ] || { echo "task $1: $status"; return 1; }
}
until_healthy() {
  local deadline=$((SECONDS + 300))
  until curl_api --fail -o /dev/null "$BASE_URL/health" 2> /dev/null; do
    [ $SECONDS -lt $deadline ] || { echo "not healthy after 300 s"; curl_api "$BASE_URL/health"; return 1; }
    sleep 1
  done
}
"""
INSPECTION = """
import json, sys
from coin_pipeline.errors import CoinError
from coin_pipeline.migration.inspector import Inspector
from coin_pipeline.notifications.channels import open_slack
from coin_pipeline.settings import load_settings
settings = load_settings()
try:
    body = Inspector(settings, "http://127.0.0.1").request()
except CoinError as error:
    sys.exit(f"walk_checklist: {error}")
conditions = {"bucket": bool(settings.aws_bucket_name), "slack": open_slack(settings) is not None}
print(json.dumps({"body": body, "data_root": str(settings.data_root.resolve()), "conditions": conditions}))
"""
"""Prints what a walk needs to know of the installation; the request is that of 'coin migrate check'."""
LABELS = {"pass": "done", "fail": "failed"}
"""Outcomes in the transcript, for statuses of 'coin migrate check' that have another name there."""

Outcome = Literal["done", "replaced", "manual", "n/a", "failed"]


class Command(NamedTuple):
    """Lines of the checklist and what is run for them; the fields are those of checklist.toml."""

    section: str
    original: str
    run: str = ""
    instead: str = ""
    outcome: Outcome = "done"
    needs: Sequence[str] = ()
    proves: Sequence[str] = ()

    @property
    def title(self) -> str:
        """Its first line."""
        return self.original.partition("\n")[0]


class Step(NamedTuple):
    """A command of the checklist, its outcome with the reason, and the output of what was run."""

    command: Command
    outcome: Outcome
    reason: str
    output: str = ""


class Installation(NamedTuple):
    """The installation: the environment of commands, and which conditions hold."""

    environment: Mapping[str, str]
    conditions: Collection[str] = ()

    def bash(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a script with the functions above; its output includes standard error."""
        return subprocess.run(  # noqa: S603 -- what checklist.toml has
            ["/bin/bash", "-c", FUNCTIONS + script],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_TIMEOUT_S,
            text=True,
            check=False,
        )


def read_commands() -> list[Command]:
    """Return the commands of checklist.toml."""
    entries = tomllib.loads(COMMANDS.read_text("utf-8"))["command"]
    stripped = ({**entry, **{key: entry.get(key, "").strip() for key in ("original", "run")}} for entry in entries)
    return [Command(**entry) for entry in stripped]


def inspect(options: argparse.Namespace) -> Installation:
    """Return the installation that the options name.

    Raises:
        SystemExit: It cannot be inspected, or has no candles.
    """
    inside = options.inside
    if inside is None:
        inside = f"{options.compose} exec -T -e COIN_TOKEN api" if options.compose else ""
    environment = {
        "PATH": f"{CHECKOUT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "CHECKOUT": str(CHECKOUT),
        "COMPOSE": options.compose,
        "INSIDE": inside,
        "BASE_URL": options.base_url.rstrip("/"),
        "INSIDE_URL": options.inside_url or ("http://127.0.0.1:8000" if inside else options.base_url),
        "COIN_TOKEN": os.environ.get("COIN_TOKEN", ""),
        "INSPECTION": INSPECTION,
    }
    done = Installation(environment).bash('inside python -c "$INSPECTION"')
    if done.returncode:
        raise SystemExit(done.stdout.strip())
    found = json.loads(done.stdout.splitlines()[-1])
    conditions = {
        **found["conditions"],
        "compose": bool(options.compose),
        "disruptive": options.disruptive,
        "checkout": (CHECKOUT / ".git").exists() and shutil.which("git"),
    }
    environment |= {"BODY": json.dumps(found["body"]), "DATA_ROOT": found["data_root"]}
    return Installation(environment, [name for name, holds in conditions.items() if holds])


def execute(command: Command, installation: Installation) -> Step:
    """Run a command, unless it does not apply."""
    unmet = [name for name in command.needs if name not in installation.conditions]
    if unmet:
        return Step(command, "n/a", CONDITIONS[unmet[0]])
    if not command.run:
        return Step(command, command.outcome, command.instead)
    try:
        done = installation.bash(command.run)
    except subprocess.TimeoutExpired:
        return Step(command, "failed", f"still running after {COMMAND_TIMEOUT_S} s")
    if done.returncode:
        return Step(command, "failed", f"exit code {done.returncode}", done.stdout)
    return Step(command, "replaced" if command.instead else "done", command.instead, done.stdout)


def check_items(installation: Installation, proven: Collection[str]) -> list[dict[str, Any]]:
    """Return the items of 'coin migrate check'; one that does not apply there, but was proven by a command, is done.

    Raises:
        SystemExit: The command does not work.
    """
    done = installation.bash('coin migrate check --api "$INSIDE_URL" --json 2> /dev/null || [ $? = 1 ]')
    try:
        items: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    except ValueError:
        raise SystemExit(f"'coin migrate check' does not work: {done.stdout.strip()}") from None
    for item in items:
        item["status"] = LABELS.get(item["status"], item["status"])
        if item["status"] == "n/a" and item["id"] in proven:
            item |= {"status": "done", "detail": "by the commands of this walk"}
    return items


def transcript(steps: Sequence[Step], items: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the transcript: each section with its commands, then its checkboxes."""
    for section in dict.fromkeys(item["section"] for item in items):
        checked = [item for item in items if item["section"] == section]
        yield f"\n{section} {checked[0]['title']}\n"
        for step in steps:
            if step.command.section == section:
                yield from _step_lines(step)
        for item in checked:
            yield f"  {item['status']:<8}  [{item['id']}] {item['text']}: {item['detail']}"


def _step_lines(step: Step) -> Iterator[str]:
    yield textwrap.indent(step.command.original, "  | ")
    if step.command.run and step.outcome != "n/a":
        yield textwrap.indent(step.command.run, "  $ ")
        lines = [line[:OUTPUT_COLUMNS] for line in step.output.splitlines() if line.strip()]
        if step.outcome != "failed" and len(lines) > OUTPUT_LINES:
            lines = [*lines[:OUTPUT_LINES], f"... {len(lines) - OUTPUT_LINES} more lines"]
        yield from (f"    {line}" for line in lines)
    yield f"  {step.outcome:<8}  {step.reason}".rstrip() + "\n"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    option = parser.add_argument
    option("--base-url", default="http://127.0.0.1:8000", metavar="URL", help="URL of the API (default: %(default)s)")
    option("--compose", default="", metavar="COMMAND", help="such as 'docker compose', if it runs in containers")
    option("--inside", metavar="COMMAND", help="prefix of commands in the installation (default: that of --compose)")
    option("--inside-url", metavar="URL", help="URL of the API for these commands, if it differs")
    option("--disruptive", action="store_true", help="deploy again and roll back too, which interrupts the service")
    option("--allow", action="append", default=[], metavar="ITEM", help="an item that may fail; repeatable")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk the checklist; return the exit code."""
    options = _parse(arguments)
    installation = inspect(options)
    steps: list[Step] = []
    for command in read_commands():
        steps.append(execute(command, installation))
        print(f"{steps[-1].outcome:<8}  {command.section:<4} {command.title}", file=sys.stderr, flush=True)
    proven = {item for step in steps if step.outcome in {"done", "replaced"} for item in step.command.proves}
    items = check_items(installation, proven)
    print(f"Migration checklist on {options.base_url}", *transcript(steps, items), sep="\n")
    for kind, outcomes in (
        ("commands", [step.outcome for step in steps]),
        ("items", [item["status"] for item in items]),
    ):
        counts = ", ".join(f"{count} {outcome}" for outcome, count in Counter(outcomes).most_common())
        print(f"\n{len(outcomes)} {kind}: {counts}")
    failed = [f"{step.command.section} {step.command.title}" for step in steps if step.outcome == "failed"]
    failed += [item["id"] for item in items if item["status"] == "failed" and item["id"] not in options.allow]
    if failed:
        print("\nFailed:", *failed, sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
