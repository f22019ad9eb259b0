"""``python -m benchmarks [WORKLOAD ...]``: those named, or every workload, and then ``latest.json`` is written."""

import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import environment, figures, report
from benchmarks.harness import Outcome, measure
from benchmarks.report import Figure
from benchmarks.workloads import WORKLOADS

LATEST = Path(__file__).parent / "latest.json"
FLAT_MIB = 64


def main(names: Sequence[str]) -> int:
    """Measure, tell, and return 1 if anything of ours failed, differs or missed its target."""
    unknown = set(names) - {workload.name for workload in WORKLOADS}
    if unknown:
        print(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(w.name for w in WORKLOADS)}")
        return 2
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {report.described(report.machine())}")
    console.print("setting up the peers' environment ...")
    missing = environment.set_up()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for workload in WORKLOADS:
            if not names or workload.name in names:
                console.print(f"measuring {workload.name} ...")
                outcomes += measure(workload, Path(folder) / workload.name, missing)
    facts = [] if names else [memory(outcomes), *figures.take()]
    console.print(report.table(outcomes))
    for line in [*report.versions(outcomes), *map(report.told, facts)]:
        console.print(line)
    if not names:
        LATEST.write_text(json.dumps(report.records(outcomes), indent=1) + "\n")
    return int(not all(one.good for one in outcomes) or any(fact.met is False for fact in facts))


def memory(outcomes: Sequence[Outcome]) -> Figure:
    """Compare the most memory that our sweeps of 1,000 and of 10,000 points held."""
    peaks = {one.row: one.peak_mib for one in outcomes if one.ours}
    few, many = peaks["W2-1000"], peaks["W2-10000"]
    text = f"memory of a sweep: {few:.0f} MiB with 1,000 points, {many:.0f} MiB with 10,000, limit {FLAT_MIB} MiB more"
    return Figure(text, met=0 < many <= few + FLAT_MIB)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
