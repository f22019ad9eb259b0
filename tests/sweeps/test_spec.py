"""Resolution of requests to specs, and the reasons for rejection."""

import pytest

from coin_pipeline.candles.catalog import CandleCatalog
from coin_pipeline.engine.execution import Stops
from coin_pipeline.errors import CoinError, InvalidParams, InvalidSpec, SweepTooLarge, UnknownStrategy
from coin_pipeline.sweeps.plan import split_into_chunks
from coin_pipeline.sweeps.request import parse_sweep
from coin_pipeline.sweeps.resolve import resolve_sweep
from coin_pipeline.sweeps.search_space import RandomPoints, Range
from coin_pipeline.sweeps.spec import SweepSpec
from tests.sweeps.parts import point_at, registry, spec_of

KNOWN = registry()


def reasons(space: dict[str, object], **fields: object) -> str:
    """Return the message with which a sweep is rejected."""
    with pytest.raises(InvalidSpec) as refused:
        spec_of(KNOWN, space, **fields)
    return str(refused.value)


def test_space_follows_the_order_of_the_strategy() -> None:
    """The digest depends on the sweep, not on its notation."""
    spec = spec_of(KNOWN, {"stop_loss": "none,0.05", "slow": "20,10", "fast": [2, 1], "edge": "0:1:1"})
    assert [(item.name, item.param, item.values) for item in spec.space] == [
        ("fast", True, (1, 2)),
        ("slow", True, (10, 20)),
        ("edge", True, (0.0, 1.0)),
        ("stop_loss", False, (0.05, None)),
    ]
    assert all(isinstance(value, float) for value in spec.space[2].values)
    same = spec_of(KNOWN, {"edge": [0.0, 1.0], "fast": "1:2:1", "slow": [10, 20], "stop_loss": [None, 0.05]}, seed=5)
    assert same.digest == spec.digest
    assert SweepSpec.model_validate_json(spec.model_dump_json()) == spec


def test_fixed_fields_are_completed() -> None:
    """Defaults are filled in, and a point has the parameters and stops of its backtest."""
    spec = spec_of(KNOWN, {"slow": "20,30", "stop_loss": [0.05]}, params={"hold": 7}, take_profit=0.5)
    assert spec.params == {"fast": 3, "hold": 7, "edge": 0.0, "side": "above"}
    run = spec.backtest_at({"slow": 30, "stop_loss": 0.05})
    assert run.params == {"fast": 3, "slow": 30, "hold": 7, "edge": 0.0, "side": "above"}
    assert run.stops == spec.stops_at({"slow": 30, "stop_loss": 0.05}) == Stops(0.05, 0.5, None)
    assert type(run).__name__ == "BacktestSpec"


def test_ranges_take_the_type_of_the_field() -> None:
    """An integer parameter is drawn from integers, a float parameter never is."""
    spec = spec_of(KNOWN, {"fast": "1:4", "edge": "0:1"}, search="random", trials=5)
    assert [item.values for item in spec.space] == [Range(low=1, high=4), Range(low=0.0, high=1.0)]
    assert [item.values.is_integer for item in spec.space] == [True, False]


def test_every_invalid_value_is_named() -> None:
    """All names and values are reported at once, each with the accepted values."""
    message = reasons({"fast": "0:51:17", "edge": [0.5, -1, "x"], "stop_loss": "0,0.1,1.5", "side": ["above", "left"]})
    for wrong in ("fast=0: ", "fast=51: ", "edge=-1: ", "edge=x: ", "stop_loss=0: ", "stop_loss=1.5: ", "side=left: "):
        assert f"space.{wrong}" in message
    assert message.count("space.") == 7
    assert (
        "space.fast=0: input should be greater than or equal to 1, not 0; expected an integer >= 1 and <= 50" in message
    )


def test_only_twenty_invalid_values_are_listed() -> None:
    """The others are counted."""
    message = reasons({"fast": "1:1000:1"})
    assert "space.fast=51: " in message
    assert "space.fast=70: " in message
    assert "space.fast=71: " not in message
    assert message.endswith("space: 930 more values are invalid")


@pytest.mark.parametrize(
    ("space", "fields", "reason"),
    [
        ({"fst": "1,2"}, {}, r"space.fst: cannot be swept \(did you mean 'fast'\?\); choose from fast, slow, hold"),
        ({"stop_los": "0.1"}, {}, "did you mean 'stop_loss'"),
        ({"timeframe": ["1d", "1h"]}, {}, "space.timeframe: cannot be swept"),
        ({"fast": "1,2"}, {"params": {"fast": 1}}, "space.fast: is both fixed and swept"),
        ({"stop_loss": "0.1,0.2"}, {"stop_loss": 0.1}, "space.stop_loss: is both fixed and swept"),
        ({"fast": "1:5"}, {}, "space.fast: a grid needs steps"),
        ({"fast": []}, {}, "space.fast: has no values"),
        ({"fast": "1,2,1"}, {}, "space.fast: has values more than once: 1"),
        ({"edge": [0, 0.0]}, {}, "space.edge: has values more than once: 0.0"),
        ({"fast": "2:1:1"}, {}, "space.fast: '2:1:1' ends below its start"),
        ({"fast": "0:1e9:1"}, {}, "space.fast: has 1,000,000,001 values, the limit is 100,000"),
        ({"fast": "1,2"}, {"trials": 5}, "trials: a grid tries all its points"),
        ({"fast": "1,2"}, {"search": "random"}, "trials: random needs the number of points to try"),
        ({"fast": "1,2"}, {"search": "optuna", "trials": 0}, "trials: Input should be greater than or equal to 1"),
        ({"fast": "1,2"}, {"seed": -1}, "seed: "),
        ({"fast": "1,2"}, {"objective": "sharpe"}, "objective: "),
        (
            {"fast": "1,2"},
            {"max_positions": 2},
            "max_positions: a sweep trades each symbol from its own account",
        ),
        ({"fast": [[1]]}, {}, r"^space.fast: takes a list of values or text such as '5:60:5', not \[\[1\]\]$"),
        ({"fast": {"a": 1}}, {}, r"^space.fast: takes a list of values or text such as '5:60:5', not {'a': 1}$"),
        ({"fast": 5, "slow": None}, {}, r"^space.fast: takes a list .*, not 5; space.slow: takes a list .*, not None$"),
        ({"fast": "1,2"}, {"serch": "grid"}, r"^serch: is not a field of this request \(did you mean 'search'\?\)$"),
        (
            {"fast": "1,2"},
            {"{x}": 1, "fee_rate": 9},
            r"fee_rate: Input should be less .*, not 9; {x}: is not a field of this request$",
        ),
        ({}, {}, "space: "),
        (
            {"fast": "20:30:5", "slow": "5,10"},
            {},
            "space: the strategy rejects all 6 points: fast must be below",
        ),
    ],
)
def test_invalid_space_is_rejected(space: dict[str, object], fields: dict[str, object], reason: str) -> None:
    """The message names the field and the remedy."""
    with pytest.raises(InvalidSpec, match=reason):
        spec_of(KNOWN, space, **fields)


def test_all_invalid_names_are_reported_at_once() -> None:
    """A second attempt does not reveal further errors."""
    message = reasons({"fst": "1", "slow": "5:1:1"})
    assert "space.fst: " in message
    assert "space.slow: " in message


def test_invalid_name_does_not_hide_invalid_values() -> None:
    """Names, notation and values are all reported at once."""
    message = reasons({"fst": "1", "slow": "5:1:1", "fast": "0:1:1", "edge": [2, 0.5]})
    assert [item.split(":")[0] for item in message.split("; space.")] == ["space.fst", "slow", "fast=0", "edge=2"]


def test_fixed_params_are_checked() -> None:
    """A constraint that fails with a default may hold with swept values; an out-of-range value never does."""
    assert spec_of(KNOWN, {"fast": "1:3:1"}, params={"slow": 4}).params["slow"] == 4
    assert spec_of(KNOWN, {"slow": "60,70"}, params={"fast": 40}).params["fast"] == 40
    with pytest.raises(InvalidParams, match=r"params\.slow: .*not 1;"):
        spec_of(KNOWN, {"fast": "1:3:1"}, params={"slow": 1})
    with pytest.raises(UnknownStrategy):
        spec_of(KNOWN, {"fast": "1:3:1"}, strategy="crosing")


def test_field_validator_is_a_constraint(candles: CandleCatalog) -> None:
    """Violating points are skipped and counted, whether the other field is swept, fixed or default."""
    planned = split_into_chunks(candles, KNOWN, spec_of(KNOWN, {"fast": "5,20", "slow": "2:22:10"}, strategy="ruled"))
    assert (planned.points, planned.skipped) == (3, 3)
    planned = split_into_chunks(candles, KNOWN, spec_of(KNOWN, {"fast": "5:15:1"}, strategy="ruled"))
    assert (planned.points, planned.skipped) == (5, 6)
    planned = split_into_chunks(
        candles, KNOWN, spec_of(KNOWN, {"slow": "30:60:10"}, strategy="ruled", params={"fast": 40})
    )
    assert (planned.points, planned.skipped) == (2, 2)
    message = reasons({"fast": "5,20", "slow": "2,101"}, strategy="ruled")
    assert message.startswith("space.slow=101: input should be less than or equal to 100, not 101;")
    with pytest.raises(InvalidParams, match=r"^params\.slow: .*not 101;[^;]*$"):
        spec_of(KNOWN, {"fast": "1:3:1"}, strategy="ruled", params={"slow": 101})
    message = reasons({"fast": "20,30"}, strategy="ruled", params={"slow": 10})
    assert message.startswith("space: the strategy rejects all 2 points: slow must be above fast, not 10;")


LARGE = {"fast": "1:50:1", "slow": "51:100:1", "hold": "1:50:1"}


def test_large_sweep_needs_confirmation() -> None:
    """The message contains the number, the limit and both ways to confirm."""
    with pytest.raises(SweepTooLarge, match=r"125,000 points exceed the limit of 100,000; .*--yes .*\"confirm\": true"):
        spec_of(KNOWN, LARGE)
    assert len(spec_of(KNOWN, LARGE, confirm=True).points()) == 125_000
    with pytest.raises(SweepTooLarge, match="100,001 points"):
        spec_of(KNOWN, {"edge": "0:1"}, search="random", trials=100_001)


def test_sweep_size_is_limited() -> None:
    """Confirmation does not help beyond the limit."""
    with pytest.raises(SweepTooLarge, match="125,000,000 points exceed the limit of 10,000,000; use larger steps"):
        spec_of(KNOWN, {**LARGE, "edge": "0:0.999:0.001"}, confirm=True)


def test_overlapping_samples_can_be_swept() -> None:
    """This is the event study of the legacy platform."""
    assert spec_of(KNOWN, {"fast": "1,2"}, fill="signal_close").fill == "signal_close"


def test_param_hides_stop_of_the_same_name() -> None:
    """The swept value is the strategy's own integer parameter."""
    spec = spec_of(KNOWN, {"stop_loss": [3, 2]}, strategy="named_like_columns")
    assert [(item.param, item.values) for item in spec.space] == [(True, (2, 3))]
    assert spec.stops_at({"stop_loss": 2}) == Stops()


def test_column_has_one_type() -> None:
    """A parameter that accepts numbers and texts is swept over one or the other."""
    assert spec_of(KNOWN, {"kind": [2, 1]}, strategy="named_like_columns").space[0].values == (1, 2)
    with pytest.raises(InvalidSpec, match="kind: mixes values of the types number and str"):
        spec_of(KNOWN, {"kind": "1,auto"}, strategy="named_like_columns")


def test_invalid_requests_name_their_fields() -> None:
    """This covers the fields of a backtest and those of a sweep."""
    with pytest.raises(CoinError, match=r"end_date: .*; space: "):
        parse_sweep(
            {"strategy": "crossing", "symbols": ["AAA_KRW"], "start_date": "2024-01-01", "end_date": "2023-01-01"}
        )


def test_points_are_drawn_once_for_all_chunks() -> None:
    """Each chunk has its own spec from JSON; other values, trials or seeds yield other points."""
    spec = spec_of(KNOWN, {"edge": "0:1", "hold": [1, 2]}, search="random", trials=50, seed=1)
    copies = [SweepSpec.model_validate_json(spec.model_dump_json()) for _ in range(3)]
    assert len({id(copy.points()) for copy in copies}) == 1
    drawn = [point_at(spec.points(), number) for number in range(50)]
    assert drawn == [point_at(RandomPoints(spec.space, 50, 1), number) for number in range(50)]
    assert point_at(spec.model_copy(update={"seed": 2}).points(), 0) != drawn[0]
    whole = tuple(
        item.model_copy(update={"values": (1.0, 2.0)}) if item.name == "hold" else item for item in spec.space
    )
    first = point_at(spec.model_copy(update={"space": whole}).points(), 0)
    assert first is not None
    assert isinstance(first["hold"], float)


def test_default_request_is_a_grid() -> None:
    """A minimal request needs no confirmation and no trials."""
    request = parse_sweep({**DAYS, "space": {"fast": "1,2"}})
    assert (request.search, request.trials, request.objective, request.confirm) == ("grid", None, "total_return", False)
    assert resolve_sweep(request, KNOWN).seed == 0


DAYS = {"strategy": "crossing", "symbols": ["AAA_KRW"], "start_date": "2024-01-01", "end_date": "2024-02-01"}
