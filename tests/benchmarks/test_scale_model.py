"""The model of larger clusters agrees with what was measured, and moves as its inputs do."""

from dataclasses import replace
from itertools import pairwise

import pytest

from benchmarks import scale_model
from benchmarks.scale_figures import read_figures
from benchmarks.scale_model import WORKLOADS, Assumptions, Model, Workload

MEASURED, MACHINE = read_figures()
ON_DISK = replace(Assumptions(), put_s=0)
"""The benchmark stores on a local disk."""
MEASURED_LOAD = Workload(MEASURED.points, 1, MEASURED.bars)
CORES = (1, 10, 100, 1000, 10_000)


@pytest.mark.parametrize(("cores", "rate"), [(1, MEASURED.rate_1), (2, MEASURED.rate_2)], ids=["one", "two"])
def test_a_long_sweep_has_the_measured_rate(cores: int, rate: float) -> None:
    """The start hardly counts, and no resource but the cores is a limit, as in the benchmark."""
    load = replace(MEASURED_LOAD, points=1000 * MEASURED.points)
    estimate = Model(MEASURED, ON_DISK).one_sweep(load, cores)
    assert load.points / estimate.seconds == pytest.approx(rate, rel=0.02)
    assert next(iter(estimate.shares)) == "cores"


def test_the_first_part_takes_as_long_as_measured() -> None:
    """A sweep of one part ends when its first part is stored."""
    model = Model(MEASURED, ON_DISK)
    one_part = replace(MEASURED_LOAD, points=model.part_points(MEASURED.bars))
    assert model.one_sweep(one_part, 1).seconds == pytest.approx(MEASURED.first_part_s, rel=0.05)


def test_parts_that_take_hardly_any_time_are_limited_by_the_process_of_the_run() -> None:
    """With many cores each part costs its overhead, as measured."""
    estimate = Model(MEASURED, ON_DISK).one_sweep(MEASURED_LOAD, 10_000)
    assert next(iter(estimate.shares)) == "cores"  # one part is longer than the overhead of ten
    longer = Model(MEASURED, ON_DISK).one_sweep(replace(MEASURED_LOAD, points=100 * MEASURED.points), 10_000)
    assert next(iter(longer.shares)) == "process of the run"


@pytest.mark.parametrize("load", WORKLOADS, ids=lambda load: f"{load.points}x{load.symbols}")
def test_ten_times_the_cores_are_never_slower(load: Workload) -> None:
    """Neither with one sweep nor divided, apart from copies of the candles to more nodes."""
    model = Model(MEASURED, Assumptions())
    for estimate in (model.one_sweep, model.divided):
        seconds = [estimate(load, cores).seconds for cores in CORES]
        assert all(more <= 1.01 * fewer for fewer, more in pairwise(seconds))


@pytest.mark.parametrize("cores", CORES)
def test_more_trials_are_never_faster_or_cheaper(cores: int) -> None:
    """On any number of cores."""
    model = Model(MEASURED, Assumptions())
    estimates = [model.divided(Workload(points, 10, 525_600), cores) for points in (10, 1000, 100_000, 10_000_000)]
    assert [item.seconds for item in estimates] == sorted(item.seconds for item in estimates)
    assert [item.usd for item in estimates] == sorted(item.usd for item in estimates)


@pytest.mark.parametrize(
    ("assumption", "limit"),
    [
        ("puts_per_s=1", "object store"),
        ("put_s=10", "process of the run"),
        ("tasks_per_s=0.1", "Ray driver"),
        ("database_write_s=20", "database"),
    ],
)
def test_a_slow_resource_becomes_the_limit(assumption: str, limit: str) -> None:
    """Each one can be the limit of a sweep that cores limit otherwise."""
    load = Workload(1_000_000, 1, MEASURED.bars)
    assert next(iter(Model(MEASURED, ON_DISK).one_sweep(load, 10).shares)) == "cores"
    slow = scale_model.parse_assumptions([assumption])
    assert next(iter(Model(MEASURED, slow).one_sweep(load, 10).shares)) == limit


def test_sweeps_that_do_not_fit_are_divided() -> None:
    """A billion trials do not fit in the memory of one run, and 5,000 symbols not in that of a node."""
    model = Model(MEASURED, Assumptions())
    for load in (Workload(1_000_000_000, 1, 100_800), Workload(200_000, 5000, 525_600)):
        assert model.one_sweep(load, 1).missing
        assert not model.divided(load, 1).missing
        assert model.divided(load, 1).sweeps > 1
    assert next(iter(model.one_sweep(WORKLOADS[-1], 1).shares)) == "candles over the network"
    assert model.divided(WORKLOADS[-1], 1).shares["candles over the network"] == 0


@pytest.mark.parametrize("text", ["colour=1", "put_s=slow"])
def test_unknown_assumptions_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command names the value."""
    with pytest.raises(SystemExit):
        scale_model.main(["--assume", text])
    assert text.partition("=")[0 if "colour" in text else 2] in capsys.readouterr().err


def test_the_documentation_quotes_the_current_output() -> None:
    """Write it again with: python -m benchmarks.scale_model --write."""
    page = scale_model.PAGE.read_text()
    assert page == scale_model.updated(page, scale_model.report(MEASURED, MACHINE, Assumptions()))
