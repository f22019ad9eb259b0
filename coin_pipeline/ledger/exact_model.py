"""Documents with amounts: a JSON number, as on the legacy platform, and the same figure as text with all its digits."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from coin_pipeline.ledger.amounts import plain

_NUMBER = PlainSerializer(float, return_type=float, when_used="json")
_OPTIONAL_NUMBER = PlainSerializer(
    lambda amount: None if amount is None else float(amount), return_type=float | None, when_used="json"
)
Amount = Annotated[Decimal, _NUMBER]
OptionalAmount = Annotated[Decimal | None, _OPTIONAL_NUMBER]


class ExactModel(BaseModel):
    """Base of documents with amounts: each is followed by its text, `NAME_exact`."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _add_exact(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document, texts = {}, _names_of_texts(type(self))
        for name, value in serialize(self).items():
            document[name] = value
            if (text := texts.get(name)) is not None:
                amount = getattr(self, name)
                document[text] = None if amount is None else plain(amount)
        return document

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the fields and of their texts."""
        schema = handler({name: part for name, part in core.items() if name != "serialization"})
        fields = handler.resolve_ref_schema(schema)
        properties: dict[str, Any] = {}
        texts = _names_of_texts(cls)
        for name, field in fields["properties"].items():
            properties[name] = field
            if (exact := texts.get(name)) is not None:
                text = {"type": "string"}
                kind = {"anyOf": [text, {"type": "null"}]} if "anyOf" in field else text
                properties[exact] = {**kind, "description": f"`{name}` with all its digits."}
        fields["properties"], fields["required"] = properties, list(properties)
        return schema


@cache
def _names_of_texts(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the name of the text of each amount, by the name of the amount."""
    serializers = {_NUMBER, _OPTIONAL_NUMBER}
    fields = model.model_fields.items()
    return {name: f"{name}_exact" for name, field in fields if not serializers.isdisjoint(field.metadata)}
