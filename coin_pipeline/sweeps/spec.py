"""The frozen spec that a sweep request resolves to."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from coin_pipeline.backtest.request import BacktestRequest, parse_request
from coin_pipeline.backtest.spec import BacktestSpec
from coin_pipeline.engine.execution import Stops
from coin_pipeline.errors import InvalidParams, InvalidSpec, Problem, SweepTooLarge, did_you_mean
from coin_pipeline.strategies.base import StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.request import MAX_POINTS, MAX_UNCONFIRMED, Objective, Search, SweepRequest
from coin_pipeline.sweeps.search_space import (
    Dimension,
    GridPoints,
    Point,
    RandomPoints,
    Range,
    SearchPoints,
    Steps,
    Value,
    is_number,
    parse_text,
)

Choices = Steps | Range | list[Value]
STOPS = tuple(Stops.__dataclass_fields__)
"""Fields of a request that can be swept beside the strategy's params."""
MAX_VALUES = 100_000
"""Values of one name."""
_RULES = frozenset({"value_error", "assertion_error"})  # pydantic's names for what validators raise
MAX_PROBLEMS = 20
"""Wrong values that are named; of more, the number is said."""


class SweepSpec(BacktestSpec):
    """A request whose every value is valid and in order; its digest names it. ``params`` holds what is not swept."""

    space: tuple[Dimension, ...]
    search: Search
    trials: int | None
    seed: int
    objective: Objective

    def points(self) -> SearchPoints:
        """Return the points by number; optuna proposes its own, one batch after another."""
        return GridPoints(self.space) if self.trials is None else _drawn(self.model_dump_json(include=_DRAWN))

    def params_at(self, point: Point) -> dict[str, Any]:
        """Return the strategy's params at a point, not yet validated."""
        return {**self.params, **{one.name: point[one.name] for one in self.space if one.param}}

    def valid_params(self, registry: StrategyRegistry, point: Point) -> StrategyParams | None:
        """Return the strategy's params at a point; None where they break a constraint between them."""
        try:
            return registry.get(self.strategy).Params.model_validate(self.params_at(point))
        except ValidationError:
            return None

    def backtest(self, point: Point) -> BacktestSpec:
        """Return the spec of the normal run of a point, which the strategy must take."""
        own = self.model_dump(include=set(BacktestSpec.model_fields))
        stops = {one.name: point[one.name] for one in self.space if not one.param}
        return BacktestSpec(**{**own, "params": self.params_at(point), **stops})

    def stops_at(self, point: Point) -> Stops:
        """Return the stops at a point."""
        swept: dict[str, Any] = {one.name: point[one.name] for one in self.space if not one.param}
        return replace(self.stops, **swept)


class _Drawn(BaseModel):
    space: tuple[Dimension, ...]
    trials: int
    seed: int


_DRAWN = set(_Drawn.model_fields)


@lru_cache(maxsize=1)
def _drawn(said: str) -> RandomPoints:
    """Draw a sweep's points once for all its chunks in this process; as text, values of equal numbers stay apart."""
    asked = _Drawn.model_validate_json(said)
    return RandomPoints(asked.space, asked.trials, asked.seed)


def resolve_sweep(request: SweepRequest, registry: StrategyRegistry) -> SweepSpec:
    """Complete `request` with its strategy's defaults and write its space out, in the order of the strategy's params.

    A value is judged with the other params fixed or default. What only breaks a constraint between params is no wrong
    value: such points are skipped, unless that leaves none.

    Raises:
        UnknownStrategy: nobody registered the name.
        InvalidParams: the strategy's schema refuses a fixed param.
        InvalidSpec: a name that cannot be swept, or values that are refused, each named.
        SweepTooLarge: more points than are evaluated unconfirmed.
    """
    _check_fixed(request, registry)
    judges = _judges(request, registry)
    choices, problems = _choices(request, judges)
    if not problems:
        _check_size(request, choices)
    values = {name: _written_out(choices[name]) for name in judges if name in choices}
    refused = [(judges[name], value) for name in values for value in values[name] if judges[name].refuses(value)]
    if problems := [*problems, *_named(refused)]:
        raise InvalidSpec(problems)
    spec = SweepSpec(
        **request.model_dump(include=set(BacktestRequest.model_fields)),
        space=tuple(_dimension(judges[name], choices[name], values[name]) for name in values),
        search=request.search,
        trials=request.trials,
        seed=0 if request.search == "grid" else request.seed,
        objective=request.objective,
        min_coverage=request.min_coverage,
    )
    return spec.model_copy(update={"params": _unswept_params(spec, registry)})


class _Judge(NamedTuple):
    """Says of the values of one name whether they can stand beside what is fixed.

    Attributes:
        name: What is swept.
        model: Whose field it is.
        fixed: Values of the model's other fields.
        attempt: Raises InvalidInput for a value that is refused.
    """

    name: str
    model: type[BaseModel]
    fixed: Mapping[str, Any]
    attempt: Callable[[Value], object]

    def refuses(self, value: Value) -> bool:
        """Tell whether the value is wrong by itself, not only together with others."""
        return self.name in _wrong(self.model, {**self.fixed, self.name: value})

    def reason(self, value: Value) -> str:
        """Return what is wrong with a value that is refused; slower than to tell that it is."""
        found = _problems(lambda: self.attempt(value))
        return next(each.message for each in found if self.name in each.field.split("."))

    def plain(self, values: Iterable[Value]) -> list[Any]:
        """Return values as the field's type has them: 1 is 1.0 where a float is meant."""
        field = self.model.model_fields[self.name]
        adapter = TypeAdapter[Any](field.rebuild_annotation(), config=self.model.model_config)
        return [adapter.dump_python(adapter.validate_python(value), mode="json") for value in values]


def _judges(request: SweepRequest, registry: StrategyRegistry) -> dict[str, _Judge]:
    """Return a judge for every name that can be swept; a param hides a stop of the same name."""
    params_class = registry.get(request.strategy).Params
    asked = request.model_dump(include=set(BacktestRequest.model_fields))

    def of_param(name: str) -> _Judge:
        def attempt(value: Value) -> object:
            return registry.resolve(request.strategy, {**request.params, name: value})

        return _Judge(name, params_class, request.params, attempt)

    def of_stop(name: str) -> _Judge:
        return _Judge(name, BacktestRequest, asked, lambda value: parse_request({**asked, name: value}))

    params = {name: of_param(name) for name in params_class.model_fields}
    return params | {name: of_stop(name) for name in STOPS if name not in params}


def _check_fixed(request: SweepRequest, registry: StrategyRegistry) -> None:
    """Refuse wrong params that are fixed; a constraint that they break with defaults may hold with what is swept."""
    wrong = _wrong(registry.get(request.strategy).Params, request.params)
    if wrong:
        kept = {name: value for name, value in request.params.items() if name in wrong}
        raise InvalidParams(_problems(lambda: registry.resolve(request.strategy, kept)))


def _wrong(model: type[BaseModel], values: Mapping[str, Any]) -> set[str]:
    """Return the fields whose values have the wrong type or are out of range, or that there are not.

    What a validator of the model or of a field raises is a rule of its own, which mostly looks at other fields too: it
    may hold at other points.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return {str(each["loc"][0]) for each in found if each["loc"] and each["type"] not in _RULES}
    return set()


def _problems(attempt: Callable[[], object]) -> Sequence[Problem]:
    try:
        attempt()
    except (InvalidParams, InvalidSpec) as error:
        return error.problems
    return ()


def _choices(request: SweepRequest, judges: Mapping[str, _Judge]) -> tuple[dict[str, Choices], list[Problem]]:
    """Read what is to be tried of each name, without writing it out, and what is wrong with names and writings."""
    problems: list[Problem] = []
    choices: dict[str, Choices] = {}
    for name, written in request.space.items():
        try:
            _check_name(request, name, judges)
            read = parse_text(written) if isinstance(written, str) else written
            _check_choices(request.search, read)
            choices[name] = read
        except ValueError as error:
            problems.append(Problem(f"space.{name[:80]}", str(error)))
    return choices, problems


def _check_name(request: SweepRequest, name: str, judges: Mapping[str, _Judge]) -> None:
    if name not in judges:
        raise ValueError(f"cannot be swept{did_you_mean(name, judges)}; what can is {', '.join(judges)}")
    if name in request.params or (judges[name].model is BacktestRequest and getattr(request, name) is not None):
        raise ValueError("is both fixed and swept; leave one of them out")


def _check_choices(search: Search, choices: Choices) -> None:
    if isinstance(choices, Range):
        if search == "grid":
            raise ValueError("a grid needs steps: write lo:hi:step")
        return
    count = choices.count if isinstance(choices, Steps) else len(choices)
    if not count:
        raise ValueError("has no values")
    if count > MAX_VALUES:
        raise ValueError(f"has {count:,} values, the limit is {MAX_VALUES:,}; use larger steps")


def _check_size(request: SweepRequest, choices: Mapping[str, Choices]) -> None:
    finite = [each for each in choices.values() if not isinstance(each, Range)]
    points = request.trials or math.prod(each.count if isinstance(each, Steps) else len(each) for each in finite)
    if points > MAX_POINTS:
        raise SweepTooLarge(points, MAX_POINTS, "use larger steps, or a random search with fewer trials")
    if points > MAX_UNCONFIRMED and not request.confirm:
        raise SweepTooLarge(
            points,
            MAX_UNCONFIRMED,
            'to run it anyway, confirm with --yes on the command line or "confirm": true over HTTP',
        )


def _written_out(choices: Choices) -> Sequence[Value]:
    """Return the values, or the ends of a range."""
    if isinstance(choices, Range):
        return [choices.low, choices.high]
    return choices.numbers() if isinstance(choices, Steps) else choices


def _named(refused: Sequence[tuple[_Judge, Value]]) -> list[Problem]:
    """Name each wrong value, up to a number of them."""
    named = [Problem(f"space.{judge.name}={value}", judge.reason(value)) for judge, value in refused[:MAX_PROBLEMS]]
    more = len(refused) - len(named)
    return [*named, *([Problem("space", f"{more:,} more values are refused")] if more else [])]


def _dimension(judge: _Judge, choices: Choices, written: Sequence[Value]) -> Dimension:
    values = judge.plain(written)
    param = judge.model is not BacktestRequest
    if isinstance(choices, Range):
        return Dimension(name=judge.name, param=param, values=Range(low=values[0], high=values[1]))
    if twice := [value for value, times in Counter(values).items() if times > 1]:
        raise InvalidSpec([Problem(f"space.{judge.name}", f"has values more than once: {', '.join(map(str, twice))}")])
    kinds = {"number" if is_number(value) else type(value).__name__ for value in values if value is not None}
    if len(kinds) > 1:
        raise InvalidSpec([Problem(f"space.{judge.name}", f"mixes values of the types {' and '.join(sorted(kinds))}")])
    return Dimension(
        name=judge.name, param=param, values=tuple(sorted(values, key=lambda value: (value is None, value)))
    )


def _unswept_params(spec: SweepSpec, registry: StrategyRegistry) -> dict[str, Any]:
    """Return the params of the first point that the strategy takes, without those that are swept."""
    swept = {one.name for one in spec.space if one.param}
    points = spec.points()
    valid = (spec.valid_params(registry, point) for number in range(len(points)) if (point := points.point_at(number)))
    params = next((params for params in valid if params is not None), None)
    if params is None:
        (problem, *_) = _problems(lambda: registry.resolve(spec.strategy, spec.params_at(points.point_at(0) or {})))
        raise InvalidSpec(
            [Problem("space", f"the strategy refuses each of the {len(points):,} points: {problem.message}")]
        )
    return {name: value for name, value in params.model_dump(mode="json").items() if name not in swept}
