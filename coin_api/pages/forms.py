"""Form fields from the JSON schema of a request model or of a strategy's parameters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from coin_pipeline.strategies.registry import format_bounds, numeric_limits

Json = dict[str, Any]
Kind = Literal["text", "integer", "number", "date", "choice", "switch", "json"]
_KINDS: dict[str | None, Kind] = {"integer": "integer", "number": "number", "string": "text", "boolean": "switch"}


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form.

    Attributes:
        path: Where its value is in the request body, as errors name it: `fee_rate`, `params.volume_window`.
        name: The last part of the path.
        kind: The control that it is edited with; `json` is text in JSON, for types without a control of their own.
        required: Whether the request is invalid without it.
        default: Value of a request without it; None if there is none.
        choices: Values of a `choice`.
        low: Smallest number, None if there is none.
        high: Largest number, None if there is none.
        bounds: Both as text, such as `> 0`.
        description: What it means, in the words of the model.
    """

    path: str
    name: str
    kind: Kind
    required: bool
    default: Any
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    bounds: tuple[str, ...]
    description: str


def form_fields(schema: Json, prefix: str = "", leave_out: Sequence[str] = ()) -> Iterator[FormField]:
    """Yield the fields of an object's JSON schema in their order.

    Args:
        schema: The schema, with its `$defs`.
        prefix: What precedes the names in a path, such as `params.`.
        leave_out: Names of properties without a field.

    >>> from pydantic import BaseModel, Field
    >>> class Order(BaseModel):
    ...     size: float | None = Field(None, gt=0, description="Fraction of the equity.")
    ...     levels: list[int] = []
    >>> [(field.path, field.kind, field.bounds) for field in form_fields(Order.model_json_schema(), "order.")]
    [('order.size', 'number', ('> 0',)), ('order.levels', 'json', ())]
    """
    for name, stated in schema.get("properties", {}).items():
        if name in leave_out:
            continue
        accepted = _accepted(stated, schema.get("$defs", {}))
        low, high = numeric_limits(accepted)
        yield FormField(
            path=prefix + name,
            name=name,
            kind=_kind(accepted),
            required=name in schema.get("required", ()),
            default=stated.get("default"),
            choices=tuple(accepted.get("enum", ())),
            low=low,
            high=high,
            bounds=tuple(format_bounds(accepted)),
            description=stated.get("description", ""),
        )


def _accepted(stated: Json, definitions: Json) -> Json:
    """Return the schema of the values that a property accepts besides null; an empty one if there are several."""
    options = [option for option in stated.get("anyOf", [stated]) if option.get("type") != "null"]
    if len(options) != 1:
        return {}
    reference = options[0].get("$ref", "").rpartition("/")[2]
    accepted: Json = definitions.get(reference, {}) if reference else options[0]
    return {} if accepted.get("type") == "boolean" and "anyOf" in stated else accepted  # a switch has two positions


def _kind(accepted: Json) -> Kind:
    choices = accepted.get("enum")
    if choices:
        return "choice" if all(isinstance(choice, str) for choice in choices) else "json"
    if accepted.get("format") == "date":
        return "date"
    return _KINDS.get(accepted.get("type"), "json")
