"""Resolution of a sweep request: validation of every value in its space against the strategy and the request."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from coin_pipeline.backtest.markets import resolve_cash
from coin_pipeline.backtest.request import BacktestRequest, parse_request
from coin_pipeline.engine.execution import Stops
from coin_pipeline.errors import InvalidParams, InvalidSpec, Problem, SweepTooLarge, coded, did_you_mean
from coin_pipeline.strategies.base import StrategyParams
from coin_pipeline.strategies.registry import StrategyRegistry
from coin_pipeline.sweeps.point_survey import BLOCK
from coin_pipeline.sweeps.request import MAX_POINTS, MAX_UNCONFIRMED, Search, SweepRequest
from coin_pipeline.sweeps.search_space import Dimension, Range, Steps, Value, is_number, parse_text
from coin_pipeline.sweeps.spec import SweepSpec

Choices = Steps | Range | list[Value]
STOPS = tuple(Stops.__dataclass_fields__)
"""Request fields that can be swept in addition to the strategy's parameters."""
MAX_VALUES = 100_000
"""Values of one dimension."""
_CONSTRAINTS = frozenset({"value_error", "assertion_error"})  # pydantic's types for errors raised by validators
MAX_PROBLEMS = 20
"""Invalid values that are listed; any others are only counted."""


def resolve_sweep(request: SweepRequest, registry: StrategyRegistry) -> SweepSpec:
    """Complete a request with its strategy's defaults, and expand its space in the order of the strategy's parameters.

    Each value is validated with the other parameters at their fixed or default values. A value that only violates a
    constraint between parameters is valid: such points are skipped, unless no other points are left.

    Raises:
        UnknownStrategy: The strategy is not registered.
        InvalidParams: The strategy's schema rejects a fixed parameter.
        InvalidSpec: A name cannot be swept, values are invalid, or a market has no known tick sizes; each is named.
        SweepTooLarge: The sweep has more points than may run without confirmation, or at all.
    """
    cash = resolve_cash(request)
    check_fixed(registry, request.strategy, request.params)
    validators = _validators(request, registry)
    choices, problems = _parse_space(request, validators)
    if not problems:
        _check_size(request, choices)
    values = {name: _expand(choices[name]) for name in validators if name in choices}
    invalid = [
        (validators[name], value) for name in values for value in values[name] if not validators[name].accepts(value)
    ]
    if problems := [*problems, *_value_problems(invalid)]:
        raise InvalidSpec(problems)
    spec = SweepSpec(
        **{**request.model_dump(include=set(BacktestRequest.model_fields)), "initial_cash": cash},
        space=tuple(_dimension(validators[name], choices[name], values[name]) for name in values),
        search=request.search,
        trials=request.trials,
        seed=0 if request.search == "grid" else request.seed,
        objective=request.objective,
        min_coverage=request.min_coverage,
    )
    return spec.model_copy(update={"params": _unswept_params(spec, registry)})


class _Validator(NamedTuple):
    """Validates the values of one swept name against the fixed fields.

    Attributes:
        name: The swept name.
        model: The model that has this field.
        fixed: Values of the model's other fields.
        attempt: Raises InvalidInput for an invalid value.
    """

    name: str
    model: type[BaseModel]
    fixed: Mapping[str, Any]
    attempt: Callable[[Value], object]

    def accepts(self, value: Value) -> bool:
        """Return whether the value itself is valid, whatever constraints it violates together with others."""
        return self.name not in _invalid_fields(self.model, {**self.fixed, self.name: value})

    def reason(self, value: Value) -> str:
        """Return why a value is invalid; slower than `accepts`."""
        problems = _problems(lambda: self.attempt(value))
        return next(problem.message for problem in problems if self.name in problem.field.split("."))

    def coerce(self, values: Iterable[Value]) -> list[Any]:
        """Return values in the type of the field, such as 1.0 for 1 in a float field."""
        field = self.model.model_fields[self.name]
        adapter = TypeAdapter[Any](field.rebuild_annotation(), config=self.model.model_config)
        return [adapter.dump_python(adapter.validate_python(value), mode="json") for value in values]


def _validators(request: SweepRequest, registry: StrategyRegistry) -> dict[str, _Validator]:
    """Return a validator for every name that can be swept; a parameter hides a stop of the same name."""
    params_class = registry.get(request.strategy).Params
    fields = request.model_dump(include=set(BacktestRequest.model_fields))

    def for_param(name: str) -> _Validator:
        def attempt(value: Value) -> object:
            return registry.resolve(request.strategy, {**request.params, name: value})

        return _Validator(name, params_class, request.params, attempt)

    def for_stop(name: str) -> _Validator:
        return _Validator(name, BacktestRequest, fields, lambda value: parse_request({**fields, name: value}))

    params = {name: for_param(name) for name in params_class.model_fields}
    return params | {name: for_stop(name) for name in STOPS if name not in params}


def check_fixed(registry: StrategyRegistry, strategy: str, params: Mapping[str, Any]) -> None:
    """Reject invalid fixed parameters; a constraint that fails with the defaults may hold with swept values.

    Raises:
        UnknownStrategy: The strategy is not registered.
        InvalidParams: The strategy's schema rejects a parameter.
    """
    invalid = _invalid_fields(registry.get(strategy).Params, params)
    if invalid:
        rejected = {name: value for name, value in params.items() if name in invalid}
        raise InvalidParams(_problems(lambda: registry.resolve(strategy, rejected)))


def _invalid_fields(model: type[BaseModel], values: Mapping[str, Any]) -> set[str]:
    """Return the fields that are unknown or whose values have the wrong type or are out of range.

    Errors raised by the model's own validators are ignored: such a constraint usually involves other fields, and may
    hold at other points.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return {str(item["loc"][0]) for item in details if item["loc"] and item["type"] not in _CONSTRAINTS}
    return set()


def _problems(attempt: Callable[[], object]) -> Sequence[Problem]:
    try:
        attempt()
    except (InvalidParams, InvalidSpec) as error:
        return error.problems
    return ()


def _parse_space(
    request: SweepRequest, validators: Mapping[str, _Validator]
) -> tuple[dict[str, Choices], list[Problem]]:
    """Return the choices of each name, not yet expanded, and the problems with names and notation."""
    problems: list[Problem] = []
    choices: dict[str, Choices] = {}
    for name, notation in request.space.items():
        try:
            _check_name(request, name, validators)
            parsed = parse_text(notation) if isinstance(notation, str) else notation
            _check_choices(request.search, parsed)
            choices[name] = parsed
        except ValueError as error:
            problems.append(Problem(f"space.{name[:80]}", error.args[0]))
    return choices, problems


def _check_name(request: SweepRequest, name: str, validators: Mapping[str, _Validator]) -> None:
    if name not in validators:
        hint = did_you_mean(name, validators)
        raise ValueError(coded("cannot_be_swept", hint=hint, known=", ".join(validators)))
    if name in request.params or (validators[name].model is BacktestRequest and getattr(request, name) is not None):
        raise ValueError(coded("fixed_and_swept"))


def _check_choices(search: Search, choices: Choices) -> None:
    if isinstance(choices, Range):
        if search == "grid":
            raise ValueError(coded("grid_without_steps"))
        return
    count = choices.count if isinstance(choices, Steps) else len(choices)
    if not count:
        raise ValueError(coded("no_values"))
    if count > MAX_VALUES:
        raise ValueError(coded("too_many_values", count=count, limit=MAX_VALUES))


def _check_size(request: SweepRequest, choices: Mapping[str, Choices]) -> None:
    finite = [item for item in choices.values() if not isinstance(item, Range)]
    points = request.trials or math.prod(item.count if isinstance(item, Steps) else len(item) for item in finite)
    if points > MAX_POINTS:
        raise SweepTooLarge(points, MAX_POINTS, coded("larger_steps"))
    if points > MAX_UNCONFIRMED and not request.confirm:
        raise SweepTooLarge(points, MAX_UNCONFIRMED, coded("confirm_sweep"))


def _expand(choices: Choices) -> Sequence[Value]:
    """Return all values, or the ends of a range."""
    if isinstance(choices, Range):
        return [choices.low, choices.high]
    return choices.numbers() if isinstance(choices, Steps) else choices


def _value_problems(invalid: Sequence[tuple[_Validator, Value]]) -> list[Problem]:
    """Return a problem for each of the first invalid values, and one that counts the others."""
    listed = [
        Problem(f"space.{validator.name}={value}", validator.reason(value))
        for validator, value in invalid[:MAX_PROBLEMS]
    ]
    more = len(invalid) - len(listed)
    return [*listed, *([Problem("space", coded("more_invalid_values", more=more))] if more else [])]


def _dimension(validator: _Validator, choices: Choices, expanded: Sequence[Value]) -> Dimension:
    values = validator.coerce(expanded)
    param = validator.model is not BacktestRequest
    if isinstance(choices, Range):
        return Dimension(name=validator.name, param=param, values=Range(low=values[0], high=values[1]))
    field = f"space.{validator.name}"
    if repeated := [value for value, count in Counter(values).items() if count > 1]:
        raise InvalidSpec([Problem(field, coded("repeated_values", values=", ".join(map(str, repeated))))])
    kinds = {"number" if is_number(value) else type(value).__name__ for value in values if value is not None}
    if len(kinds) > 1:
        raise InvalidSpec([Problem(field, coded("mixed_types", types=" and ".join(sorted(kinds))))])
    ordered = tuple(sorted(values, key=lambda value: (value is None, value)))
    return Dimension(name=validator.name, param=param, values=ordered)


def _unswept_params(spec: SweepSpec, registry: StrategyRegistry) -> dict[str, Any]:
    """Return the parameters of the first valid point, without those that are swept."""
    swept = {dim.name for dim in spec.space if dim.param}
    points = spec.points()
    params = _first_valid(spec, registry)
    if params is None:
        first = spec.params_at(points.columns(0, 1).point(0))
        (problem, *_) = _problems(lambda: registry.resolve(spec.strategy, first))
        message = coded("all_points_rejected", points=len(points), reason=problem.message)
        raise InvalidSpec([Problem("space", message)])
    return {name: value for name, value in params.model_dump(mode="json").items() if name not in swept}


def _first_valid(spec: SweepSpec, registry: StrategyRegistry) -> StrategyParams | None:
    """Return the parameters of the first valid point, which is usually the first one."""
    points, first, size = spec.points(), 0, 1
    while first < len(points):
        valid = spec.valid_points(registry, points.columns(first, min(first + size, len(points))))
        if valid:
            return valid.params[0]
        first, size = first + size, BLOCK
    return None
