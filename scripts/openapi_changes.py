"""Changes of an OpenAPI document that break clients of an earlier version.

A client keeps working if everything that it could send is accepted, and everything that it reads is still sent:
requests may become wider and responses narrower, not the other way round. Descriptions, new operations, new optional
request fields and new response fields break no client.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Json = dict[str, Any]
Direction = Literal["request", "response"]
METHODS = frozenset(("get", "put", "post", "delete", "patch", "head", "options"))
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaking_changes(old: Json, new: Json) -> list[str]:
    """Return a sentence for each change that breaks a client, in the order of the old document.

    >>> breaking_changes({"paths": {"/a": {"get": {}}}}, {"paths": {}})
    ['GET /a was removed']
    """
    return list(_Comparison(old, new).operations())


class _Comparison:
    """Compares two documents.

    Args:
        old: The document that clients know.
        new: The document now.
    """

    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new

    def operations(self) -> Iterator[str]:
        """Yield the changes of all operations; the names of path parameters do not matter."""
        paths = {_anonymous(path): item for path, item in self._new["paths"].items()}
        for path, item in self._old["paths"].items():
            for method in METHODS & item.keys():
                name, now = f"{method.upper()} {path}", paths.get(_anonymous(path), {}).get(method)
                if now is None:
                    yield f"{name} was removed"
                else:
                    yield from (f"{name}: {change}" for change in self._operation(item[method], now))

    def _operation(self, old: Json, new: Json) -> Iterator[str]:
        yield from self._parameters(old, new)
        yield from self._body(old.get("requestBody", {}), new.get("requestBody", {}))
        for status, response in old.get("responses", {}).items():
            if status.startswith("2"):
                yield from self._response(status, response, new.get("responses", {}).get(status))

    def _parameters(self, old: Json, new: Json) -> Iterator[str]:
        before, after = _by_name(old), _by_name(new)
        for key, parameter in before.items():
            if key not in after:
                yield f"the parameter {key[1]} was removed"
            else:
                yield from self._schema(
                    f"the parameter {key[1]}", parameter.get("schema", {}), after[key].get("schema", {}), "request"
                )
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"the parameter {key[1]} is now required"

    def _body(self, old: Json, new: Json) -> Iterator[str]:
        if new.get("required") and not old.get("required"):
            yield "a body is now required"
        yield from self._content("the body", old.get("content", {}), new.get("content", {}), "request")

    def _response(self, status: str, old: Json, new: Json | None) -> Iterator[str]:
        if new is None:
            yield f"the response {status} was removed"
        else:
            where = f"the response {status}"
            yield from self._content(where, old.get("content", {}), new.get("content", {}), "response")

    def _content(self, where: str, old: Json, new: Json, direction: Direction) -> Iterator[str]:
        for media, content in old.items():
            if media not in new:
                yield f"{where} has no {media}"
            else:
                yield from self._schema(where, content.get("schema", {}), new[media].get("schema", {}), direction)

    def _schema(
        self, where: str, old: Json, new: Json, direction: Direction, seen: frozenset[tuple[int, ...]] = frozenset()
    ) -> Iterator[str]:
        """Yield the changes between two schemas; `seen` identifies those on the way to them, as schemas recur."""
        before, after = self._alternatives(self._old, old), self._alternatives(self._new, new)
        sent, read = (before, after) if direction == "request" else (after, before)
        if lost := _types(sent) - _accepted(_types(read)):
            yield f"{where} {'no longer accepts' if direction == 'request' else 'may now be'} {', '.join(sorted(lost))}"
        if direction == "request":
            yield from _narrowed(where, before, after)
        nested = tuple(id(schema) for schema in before if "properties" in schema or "items" in schema)
        if not nested or nested in seen:
            return
        seen |= {nested}
        yield from self._properties(where, before, after, direction, seen)
        if (items := _items(before)) and (items_now := _items(after)):
            yield from self._schema(f"{where}[]", items, items_now, direction, seen)

    def _properties(
        self, where: str, before: list[Json], after: list[Json], direction: Direction, seen: frozenset[tuple[int, ...]]
    ) -> Iterator[str]:
        old, new = _merged(before), _merged(after)
        if not old:
            return
        for name, schema in old.items():
            if name in new:
                yield from self._schema(f"{where}.{name}", schema, new[name], direction, seen)
            elif new or direction == "response":
                yield f"{where}.{name} was removed"
        if direction == "request":
            yield from (f"{where}.{name} is now required" for name in sorted(_required(after) - _required(before)))
        else:
            missing = (_required(before) - _required(after)) & new.keys()
            yield from (f"{where}.{name} may now be absent" for name in sorted(missing))

    def _alternatives(self, document: Json, schema: Json) -> list[Json]:
        """Return the schemas of which a value matches one, with references resolved."""
        if "$ref" in schema:
            node: Any = document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            return self._alternatives(document, node)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return [found for each in schema[key] for found in self._alternatives(document, each)]
        if len(parts := schema.get("allOf", [])) == 1:
            return self._alternatives(document, parts[0])
        return [schema]


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _by_name(operation: Json) -> Mapping[tuple[str, str], Json]:
    """Return the parameters by place and name; those of the path by position, as their names do not matter."""
    named = {(p["in"], p["name"]): p for p in operation.get("parameters", []) if p["in"] != "path"}
    path = [p for p in operation.get("parameters", []) if p["in"] == "path"]
    return named | {("path", str(position)): p for position, p in enumerate(path)}


def _types(schemas: list[Json]) -> set[str]:
    """Return the types of the alternatives, a value for each constant; empty if any value is allowed."""
    found: set[str] = set()
    for schema in schemas:
        if "const" in schema or "enum" in schema:
            found |= {repr(value) for value in schema.get("enum", [schema.get("const")])}
        elif "type" in schema:
            found |= {schema["type"]} if isinstance(schema["type"], str) else {*schema["type"]}
        else:
            return set()
    return found


def _accepted(types: set[str]) -> "set[str] | _Everything":
    """Return what a reader of these types accepts."""
    return (types | {"integer"} if "number" in types else types) if types else _Everything()


class _Everything(set[str]):
    """The set of all types."""

    def __rsub__(self, _other: object) -> set[str]:
        return set()


def _narrowed(where: str, before: list[Json], after: list[Json]) -> Iterator[str]:
    """Yield the limits that have become tighter, of values that have one schema besides null."""
    old, new = ([schema for schema in schemas if schema.get("type") != "null"] for schemas in (before, after))
    if len(old) != 1 or len(new) != 1:
        return
    for key in (*_LOWER, *_UPPER):
        limit, was = new[0].get(key), old[0].get(key)
        if limit is not None and (was is None or (limit > was if key in _LOWER else limit < was)):
            yield f"{where} has the limit {key} {limit}, instead of {'none' if was is None else was}"
    if (pattern := new[0].get("pattern")) and pattern != old[0].get("pattern"):
        yield f"{where} has the pattern {pattern}, instead of {old[0].get('pattern', 'none')}"


def _merged(schemas: list[Json]) -> Json:
    return {name: schema for each in reversed(schemas) for name, schema in each.get("properties", {}).items()}


def _required(schemas: list[Json]) -> set[str]:
    """Return the properties that every alternative that is an object requires."""
    objects = [set(schema.get("required", [])) for schema in schemas if "properties" in schema]
    return set.intersection(*objects) if objects else set()


def _items(schemas: list[Json]) -> Json | None:
    return next((schema["items"] for schema in schemas if isinstance(schema.get("items"), dict)), None)
