"""Write docs/reference/http.md, every endpoint of the API, from its OpenAPI document."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coin_api.app import create_app
from coin_pipeline.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/http.md"
INTRODUCTION = """# Endpoints

Every endpoint of the API with its parameters and responses. This page is generated from the OpenAPI document (`make
cli`), which a running API serves at `/openapi.json`, and at `/docs` as a page to try them. What they are for is
described in [HTTP API](../api.md).
"""
Json = dict[str, Any]


def reference() -> str:
    """Return the page."""
    app = create_app(Settings(), lambda _: NotImplemented, None, lambda _: "")
    document = app.openapi()
    tags: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            section = "\n".join(_operation(document, f"{method.upper()} {path}", operation))
            tags.setdefault(operation.get("tags", ["other"])[0], []).append(section)
    chapters = [f"## {tag}\n\n" + "\n".join(sections) for tag, sections in sorted(tags.items())]
    return "\n".join([INTRODUCTION, *chapters])


def _operation(document: Json, title: str, operation: Json) -> Iterator[str]:
    yield f"### `{title}`\n"
    text: str = operation.get("description", operation["summary"])
    yield " ".join(text.split("\n\n", maxsplit=1)[0].split()) + "\n"
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        kinds = (f"`{kind}` {_type(content.get('schema', {}))}".strip() for kind, content in body.items())
        yield f"Body: {', '.join(kinds)}.\n"
    parameters = [_resolved(document, parameter) for parameter in operation.get("parameters", [])]
    if parameters:
        yield "| parameter | in | type | |\n|---|---|---|---|"
        yield from (_parameter(parameter) for parameter in parameters)
        yield ""
    responses = {status: _resolved(document, response) for status, response in operation["responses"].items()}
    succeeded = [f"{status} {responses[status]['description'].rstrip('.')}" for status in responses if status < "400"]
    errors = [status for status in responses if status >= "400"]
    yield f"Responses: {_cell('; '.join(succeeded))}. [Errors](../api.md#errors): {', '.join(errors)}.\n"


def _parameter(parameter: Json) -> str:
    needed = "required. " if parameter.get("required") and parameter["in"] != "path" else ""
    text = _cell(needed + parameter.get("description", ""))
    return f"| `{parameter['name']}` | {parameter['in']} | {_cell(_type(parameter.get('schema', {})))} | {text} |"


def _type(schema: Json) -> str:
    """Return a short name of a schema: its model, its type, or the alternatives."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(part) for part in schema["anyOf"] if part.get("type") != "null"))
    return str(schema.get("format") or schema.get("type") or "")


def _resolved(document: Json, node: Json) -> Json:
    if "$ref" not in node:
        return node
    target: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return dict(target)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<").replace("*", "\\*").rstrip(".")


if __name__ == "__main__":
    PAGE.write_text(reference(), "utf-8")
