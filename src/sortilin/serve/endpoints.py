"""The OpenAPI document as the page of the API shows it: endpoints and schemas, in brief."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body.

    Attributes:
        name: Its name.
        place: path, query, or body.
        kind: What it holds, in a few words.
        is_required: Whether it must be given.
        default: What it is otherwise, as JSON writes it; empty where there is nothing.
        words: What it means.
    """

    name: str
    place: str
    kind: str
    is_required: bool
    default: str
    words: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    Attributes:
        method: In capitals.
        path: Below the server's address.
        title: What it does, in a few words.
        words: More of it.
        fields: What it takes.
        answers: Status, what it means, and the schema that it has, if any.
    """

    method: str
    path: str
    title: str
    words: str
    fields: list[Field]
    answers: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Schema:
    """What an answer holds.

    Attributes:
        name: Its name in the document.
        words: What it is.
        fields: Its fields.
    """

    name: str
    words: str
    fields: list[Field]


def endpoints(document: Mapping[str, Any]) -> list[Endpoint]:
    """All of a document, in its order."""
    return [
        _endpoint(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]


def schemas(document: Mapping[str, Any]) -> list[Schema]:
    """What answers hold, by name; what endpoints take stands with them, and framework's own is left out."""
    shown = _reached(document)
    found = document.get("components", {}).get("schemas", {})
    return [
        Schema(name, found[name].get("description", ""), _fields(found[name], "field"))
        for name in sorted(shown)
        if name in found
    ]


def _endpoint(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Endpoint:
    taken = [
        _field(p["name"], p["schema"], p["in"], p.get("required", False), p.get("description", ""))
        for p in operation.get("parameters", ())
    ]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        taken += _fields(_resolved(document, content["schema"]), "body")
    answers = [
        (status, answer.get("description", ""), _schema_of(answer))
        for status, answer in sorted(operation.get("responses", {}).items())
    ]
    return Endpoint(
        method.upper(), path, operation.get("summary", ""), operation.get("description", ""), taken, answers
    )


def _fields(schema: Mapping[str, Any], place: str) -> list[Field]:
    required = schema.get("required", ())
    return [
        _field(name, value, place, name in required, value.get("description", ""))
        for name, value in schema.get("properties", {}).items()
    ]


def _field(name: str, schema: Mapping[str, Any], place: str, is_required: bool, words: str) -> Field:
    default = schema.get("default")
    shown = (
        ""
        if default is None or default == ""
        else str(default).lower()
        if default in (True, False)
        else str(default)
    )
    return Field(name, place, _kind(schema), is_required, shown, words or schema.get("description", ""))


def _kind(schema: Mapping[str, Any]) -> str:
    """`{"type": "array", "items": {"type": "string"}}` → "list of string"."""
    if "$ref" in schema:
        return _name(schema["$ref"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return _plain_kind(schema)


def _plain_kind(schema: Mapping[str, Any]) -> str:
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {_kind(schema['additionalProperties'])}"
    if schema.get("contentMediaType") or schema.get("format") == "binary":
        return "file"
    return "time" if schema.get("format") == "date-time" else kind


def _schema_of(answer: Mapping[str, Any]) -> str:
    for content in answer.get("content", {}).values():
        if content.get("schema"):
            return _kind(content["schema"])
    return ""


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][_name(schema["$ref"])]
    return found


def _reached(document: Mapping[str, Any]) -> set[str]:
    """Schemas that answers lead to."""
    left = [
        name
        for methods in document["paths"].values()
        for operation in methods.values()
        for answer in operation.get("responses", {}).values()
        for content in answer.get("content", {}).values()
        for name in _references(content)
    ]
    # A list in a body is shown by its schema too.
    left += [name for s in document["components"]["schemas"].values() for name in _references(s)]
    found: set[str] = set()
    while left:
        name = left.pop()
        if name in found or name.startswith(("HTTPValidation", "ValidationError")):
            continue
        found.add(name)
        left += _references(document["components"]["schemas"].get(name, {}))
    return found


def _references(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        own = [_name(value["$ref"])] if isinstance(value.get("$ref"), str) else []
        return own + [name for part in value.values() for name in _references(part)]
    if isinstance(value, list):
        return [name for part in value for name in _references(part)]
    return []
