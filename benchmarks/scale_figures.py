"""The figures that `make bench-scale` measures and the model of larger clusters computes with."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import format_facts, machine

LATEST = Path(__file__).with_name("latest-scale.json")


@dataclass(frozen=True)
class ScaleFigures:
    """Measurements of one sweep on one machine. Rates are in points/s over `bars` candles, times in seconds.

    Attributes:
        points: Points of the sweep.
        bars: Candles of the sweep.
        thread_rate: Rate of one thread without Ray.
        rate_1: Rate of one worker.
        rate_2: Rate of two workers together.
        first_part_s: From the start of the sweep to the first stored part, with one worker.
        overhead_s: Time of the run's process per part, which it cannot spend on another one.
        usual_s: Until the parts are stored that two workers have at a time.
        worker_lost_s: The same if a worker is killed.
        node_lost_s: The same if a node is killed.
        head_noticed_s: Until the run notices that the head was killed.
        head_started_s: Start of a new head.
        head_resumed_s: From then to the first stored part of the resumed sweep.
        trial_bytes: Memory of a trial in the table of the run.
        stored_trial_bytes: Size of a trial in the store.
        runs_1: Backtests per second submitted to one of two machines; 0 if not measured.
        runs_2: Backtests per second submitted to both.
    """

    points: int
    bars: int
    thread_rate: float
    rate_1: float
    rate_2: float
    first_part_s: float
    overhead_s: float
    usual_s: float
    worker_lost_s: float
    node_lost_s: float
    head_noticed_s: float
    head_started_s: float
    head_resumed_s: float
    trial_bytes: float
    stored_trial_bytes: float
    runs_1: float = 0.0
    runs_2: float = 0.0


def write_figures(figures: dict[str, Any], path: Path = LATEST) -> None:
    """Write figures with the machine on which they were measured."""
    values = asdict(ScaleFigures(**figures)).items()
    rounded = {name: value if isinstance(value, int) else float(f"{value:.4g}") for name, value in values}
    path.write_text(json.dumps({"machine": machine(), "figures": rounded}, indent=1) + "\n")


def read_figures(path: Path = LATEST) -> tuple[ScaleFigures, str]:
    """Return the stored figures, and the machine on which they were measured."""
    document = json.loads(path.read_text())
    return ScaleFigures(**document["figures"]), format_facts(document["machine"])
