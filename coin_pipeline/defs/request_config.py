"""Dagster config classes generated from request models, so that the Launchpad has exactly the fields of a request."""

from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from coin_pipeline.candles.fields import PlainField, RequestModel, plain_fields


def request_config(model: type[RequestModel], **defaults: object) -> type[dg.Config]:
    """Return a config class with the fields of a request: the same names, defaults and descriptions.

    Dagster checks shapes at launch; the request model checks the values when the run begins. Dates are strings, since
    Dagster's config has no dates.

    Args:
        model: The request model.
        defaults: Defaults that differ from the model's, by field.
    """
    fields: Any = {field.name: _config_field(field, defaults) for field in plain_fields(model)}
    return create_model(model.__name__, __base__=dg.Config, **fields)


def _config_field(field: PlainField, defaults: dict[str, object]) -> tuple[Any, Any]:
    plain: Any = str if field.type is date else field.type
    if field.required:
        return plain, Field(description=field.description)
    default = defaults.get(field.name, field.default)
    return (plain | None if default is None else plain), Field(default=default, description=field.description)
