"""Parameters of many points as columns, without an object per point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from coin_pipeline.engine.bars import Bools
from coin_pipeline.strategies.base import ParamsT, StrategyParams

Column: TypeAlias = npt.NDArray[Any]
"""Values of one parameter: of a numeric type if all are numbers of one type, otherwise Python objects."""

_VALUES = frozenset({"int", "float", "bool", "str", "none", "literal", "enum"})
_WRAPPERS = frozenset({"model-field", "default", "nullable"})


@dataclass(frozen=True, slots=True, eq=False)
class ParamColumns(Sequence[ParamsT], Generic[ParamsT]):
    """Valid parameters of k points; an object is built when it is accessed.

    Attributes:
        model: Class of the parameters.
        fixed: Values of the parameters that all points share; the others have their defaults.
        swept: Values of the other parameters, each of shape (k,).
        points: Number of points.
    """

    model: type[ParamsT]
    fixed: Mapping[str, Any]
    swept: Mapping[str, Column]
    points: int

    def __len__(self) -> int:
        return self.points

    @overload
    def __getitem__(self, k: int) -> ParamsT: ...
    @overload
    def __getitem__(self, k: slice) -> "ParamColumns[ParamsT]": ...
    def __getitem__(self, k: int | slice) -> "ParamsT | ParamColumns[ParamsT]":
        if isinstance(k, slice):
            swept = {name: column[k] for name, column in self.swept.items()}
            return ParamColumns(self.model, self.fixed, swept, len(range(self.points)[k]))
        number = range(self.points)[k]
        values = {name: column[number : number + 1].tolist()[0] for name, column in self.swept.items()}
        return self.model.model_validate({**self.fixed, **values})

    def column(self, name: str) -> Column:
        """Return the values of one parameter, shape (k,)."""
        if name in self.swept:
            return self.swept[name]
        return np.full(self.points, getattr(self.model.model_validate(dict(self.fixed)), name))


def column_of(points: Sequence[StrategyParams], name: str) -> Column:
    """Return one parameter of many points, shape (points,), without building an object for each if possible.

    >>> from coin_pipeline.strategies import Field
    >>> class Params(StrategyParams):
    ...     window: int = Field(10, ge=1)
    >>> column_of([Params(window=3), Params()], "window").tolist()
    [3, 10]
    """
    if isinstance(points, ParamColumns):
        return points.column(name)
    return np.array([getattr(params, name) for params in points])


def has_independent_fields(model: type[StrategyParams]) -> bool:
    """Return whether each field can be validated by itself: no validator or constructor sees several of them.

    It is read from pydantic's schema. A kind of schema that is not known here counts as one that sees several.

    >>> has_independent_fields(StrategyParams)
    True
    """
    schema: Any = model.__pydantic_core_schema__
    if schema["type"] != "model" or schema["custom_init"] or schema.get("post_init"):
        return False
    fields = schema["schema"]
    return fields["type"] == "model-fields" and all(map(_sees_only_its_value, fields["fields"].values()))


def valid_values(model: type[StrategyParams], name: str, values: Sequence[Any]) -> Bools:
    """Return which values a field accepts, shape (values,)."""
    field, valid = model.model_fields[name], np.ones(len(values), np.bool_)
    rows: Any = list[field.rebuild_annotation()]  # type: ignore[misc]
    adapter = TypeAdapter(rows, config=model.model_config)
    try:
        adapter.validate_python(list(values))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        valid[[int(item["loc"][0]) for item in details]] = False
    return valid


def _sees_only_its_value(schema: Any) -> bool:  # noqa: ANN401 -- one of pydantic's fifty kinds of schema
    kind = schema["type"]
    if kind in {"function-after", "function-before"}:
        return schema["function"]["type"] == "no-info" and _sees_only_its_value(schema["schema"])
    if kind == "union":
        return all(map(_sees_only_its_value, schema["choices"]))
    return kind in _VALUES or (kind in _WRAPPERS and _sees_only_its_value(schema["schema"]))
