"""``python -m benchmarks [WORKLOAD ...]``: run the named workloads, or all of them and write ``latest.json``.

The results in ``docs/benchmarks.md`` are written with it.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks import environment, figures, report, results
from benchmarks.harness import Outcome, measure
from benchmarks.report import Figure
from benchmarks.workloads import WORKLOADS

MAX_GROWTH_MIB = 64


def main(names: Sequence[str]) -> int:
    """Measure, print the results, and return 1 if our engine failed, gave a different result or missed a target."""
    unknown = set(names) - {workload.name for workload in WORKLOADS}
    if unknown:
        print(f"unknown workload: {', '.join(sorted(unknown))}; available: {', '.join(w.name for w in WORKLOADS)}")
        return 2
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {report.format_facts(report.machine())}")
    console.print("setting up the peers' environment ...")
    missing = environment.set_up()
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for workload in WORKLOADS:
            if not names or workload.name in names:
                console.print(f"measuring {workload.name} ...")
                outcomes += measure(workload, Path(folder) / workload.name, missing)
    extra = [] if names else [sweep_memory(outcomes), *figures.measure_all()]
    console.print(report.table(outcomes))
    for line in [*report.versions(outcomes), *map(report.format_figure, extra)]:
        console.print(line)
    if not names:
        (results.FOLDER / "latest.json").write_text(json.dumps(report.records(outcomes), indent=1) + "\n")
        results.main()
    return int(not all(outcome.passed for outcome in outcomes) or any(figure.met is False for figure in extra))


def sweep_memory(outcomes: Sequence[Outcome]) -> Figure:
    """Compare the peak memory of our sweeps of 1,000 and of 10,000 points."""
    peaks = {outcome.row: outcome.peak_mib for outcome in outcomes if outcome.is_coin}
    few, many = peaks["W2-1000"], peaks["W2-10000"]
    text = (
        f"memory of a sweep: {few:.0f} MiB with 1,000 points, {many:.0f} MiB with 10,000,"
        f" limit {MAX_GROWTH_MIB} MiB more"
    )
    return Figure(text, met=0 < many <= few + MAX_GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
