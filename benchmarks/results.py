"""``python -m benchmarks.results``: write the stored results into ``docs/benchmarks.md``."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Outcome, evaluate_targets
from benchmarks.report import MET, format_facts
from benchmarks.work.rows import USAGE
from benchmarks.workloads import WORKLOADS, Workload

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "benchmarks.md"
BEGIN = "<!-- written by python -m benchmarks.results from benchmarks/{} -->"
END = "<!-- end -->"
COLUMNS = ("row", "coin", "ns/bar", "fastest library takes", "textbook takes", "competent takes", "targets")
WORK_COLUMNS = ("row", "wall s", "CPU s", "peak MiB", "targets", "other figures")


def main() -> None:
    """Replace the results on the page."""
    PAGE.write_text(updated(PAGE.read_text()))


def updated(page: str) -> str:
    """Return the page with the results of each file between its two marks."""
    for name, table in {"latest.json": results, "latest-work.json": work_results}.items():
        begin = BEGIN.format(name)
        before, rest = page.split(begin)
        _, after = rest.split(END, 1)
        page = f"{before}{begin}\n\n{table(json.loads((FOLDER / name).read_text()))}\n{END}{after}"
    return page


def results(records: Sequence[dict[str, Any]]) -> str:
    """Return the machine and a table of our engine's rows as Markdown."""
    lines = [f"Machine: {format_facts(records[0]['machine'])}.", ""]
    lines += [_row(COLUMNS), _row(["---"] * len(COLUMNS))]
    lines += [_row(cells) for workload in WORKLOADS for cells in _cells(workload, records)]
    return "\n".join(lines) + "\n"


def work_results(records: Sequence[dict[str, Any]]) -> str:
    """Return the machine and a table of what users run as Markdown."""
    lines = [f"Machine: {format_facts(records[0]['machine'])}.", ""]
    lines += [_row(WORK_COLUMNS), _row(["---"] * len(WORK_COLUMNS))]
    lines += [_row(_work_cells(record)) for record in records]
    return "\n".join(lines) + "\n"


def _work_cells(record: dict[str, Any]) -> list[str]:
    others = [name for name, value in record.items() if isinstance(value, int | float) and name not in USAGE]
    return [
        record["row"],
        *(f"{record[name]:,.2f}" if name in record else "" for name in USAGE),
        record["failed"] or "; ".join(f"{text}: {MET[met]}" for text, met in record["targets"].items()),
        "; ".join(f"{name} {_short(record[name])}" for name in others),
    ]


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
    return f"{_short(peer / own)}x" if peer else ""


def _short(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    main()
