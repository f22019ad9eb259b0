"""``python -m benchmarks.results``: write the results of ``latest.json`` into ``docs/benchmarks.md``."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Outcome, evaluate_targets
from benchmarks.report import MET, format_facts
from benchmarks.workloads import WORKLOADS, Workload

LATEST = Path(__file__).parent / "latest.json"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN = "<!-- written by python -m benchmarks.results from benchmarks/latest.json -->"
END = "<!-- end -->"
COLUMNS = ("row", "coin", "ns/bar", "fastest library takes", "textbook takes", "competent takes", "targets")


def main() -> None:
    """Replace the results on the page."""
    PAGE.write_text(updated(PAGE.read_text(), json.loads(LATEST.read_text())))


def updated(page: str, records: Sequence[dict[str, Any]]) -> str:
    """Return the page with the results of these records between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n\n{results(records)}\n{END}{after}"


def results(records: Sequence[dict[str, Any]]) -> str:
    """Return the machine and a table of our engine's rows as Markdown."""
    lines = [f"Machine: {format_facts(records[0]['machine'])}.", ""]
    lines += [_row(COLUMNS), _row(["---"] * len(COLUMNS))]
    lines += [_row(cells) for workload in WORKLOADS for cells in _cells(workload, records)]
    return "\n".join(lines) + "\n"


def _cells(workload: Workload, records: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    rows = {workload.name, *(variant.row for variant in workload.variants)}
    measured = [
        Outcome(record["workload"], record["engine"], record["seconds"], record["ns_per_bar"], record["equal"])
        for record in records
        if record["workload"] in rows
    ]
    outcomes = evaluate_targets(workload, measured)
    peers = {outcome.engine: outcome.seconds for outcome in outcomes if outcome.equal}
    fastest = min((name for name in workload.libraries if name in peers), key=lambda name: peers[name] or 0, default="")
    for outcome in outcomes:
        if outcome.engine not in workload.peers and outcome.seconds is not None and outcome.ns_per_bar is not None:
            ratios = [_ratio(peers.get(name), outcome.seconds) for name in (fastest, "textbook", "competent")]
            ratios[0] += f" ({fastest})" if fastest else ""
            targets = "; ".join(f"{text}: {MET[met]}" for text, met in (outcome.targets or {}).items())
            yield [
                outcome.row,
                f"{outcome.seconds * 1e3:,.3g} ms",
                f"{outcome.ns_per_bar:.2g}",
                *ratios,
                targets,
            ]


def _ratio(peer: float | None, own: float) -> str:
    return f"{peer / own:,.3g}x" if peer else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    main()
