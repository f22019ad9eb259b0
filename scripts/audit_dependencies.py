"""Look up every locked dependency in the vulnerability database of PyPI, with pip-audit.

Usage: python scripts/audit_dependencies.py [LOCK...]

Exit codes: 0, all were looked up and none is vulnerable; 1, some are vulnerable; 3, none that was looked up is
vulnerable, but some could not be looked up, for example because PyPI cannot be reached from here.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-docs.lock")
TIMEOUT_S = 300
VULNERABLE, NOT_AUDITED = 1, 3


def audit(lock: str) -> tuple[list[dict[str, Any]], str]:
    """Return pip-audit's entry of each dependency of a lock file, and what it printed if there is none."""
    options = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    command = [sys.executable, "-m", "pip_audit", "-r", lock, *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [], f"no answer within {TIMEOUT_S} s"
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError):
        return [], done.stderr.strip().rpartition("\n")[2]


def report(lock: str, dependencies: Iterable[dict[str, Any]], error: str = "") -> tuple[int, list[str]]:
    """Return the exit code for a lock file, and the lines to print.

    >>> report("a.lock", [{"name": "x", "version": "1", "vulns": []}])
    (0, ['a.lock: 1 dependencies audited, none is vulnerable'])
    >>> report("a.lock", [{"name": "x", "skip_reason": "not found"}])
    (3, ['a.lock: NOT AUDITED: 1 of 1 dependencies (x: not found)'])
    >>> report("a.lock", [], "no route to host")
    (3, ['a.lock: NOT AUDITED: no route to host'])
    """
    entries = list(dependencies)
    if not entries:
        return NOT_AUDITED, [f"{lock}: NOT AUDITED: {error or 'no dependencies'}"]
    vulnerable = [entry for entry in entries if entry.get("vulns")]
    skipped = [entry for entry in entries if "skip_reason" in entry]
    lines = [
        f"{lock}: {entry['name']} {entry['version']} is vulnerable: {vuln['id']}; fixed in"
        f" {', '.join(vuln['fix_versions']) or 'no version yet'}"
        for entry in vulnerable
        for vuln in entry["vulns"]
    ]
    if skipped:
        first = f"{skipped[0]['name']}: {skipped[0]['skip_reason']}"
        lines.append(f"{lock}: NOT AUDITED: {len(skipped)} of {len(entries)} dependencies ({first})")
    elif not vulnerable:
        lines.append(f"{lock}: {len(entries)} dependencies audited, none is vulnerable")
    return VULNERABLE if vulnerable else NOT_AUDITED if skipped else 0, lines


def main() -> int:
    """Audit the lock files; return the exit code."""
    codes = set()
    for lock in sys.argv[1:] or LOCKS:
        code, lines = report(Path(lock).name, *audit(lock))
        codes.add(code)
        print(*lines, sep="\n", flush=True)
    return VULNERABLE if VULNERABLE in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
