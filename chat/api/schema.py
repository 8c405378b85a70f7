"""The OpenAPI description: one decorator for views, and the errors that any of them answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from chat.api.shapes import ErrorSerializer

F = TypeVar("F", bound=Callable[..., Any])

NOTHING = OpenApiResponse(description="Done; no body.")
REFUSED = OpenApiResponse(ErrorSerializer, description="Refused; `error.code` says why.")
# What any address can answer besides its own; docs/protocol.md, section 13.
READING = ("400", "401", "403", "404", "406", "500", "503")
WRITING = ("413", "415")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def describes(
    operation_id: str,
    answers: dict[Any, Any],
    *,
    body: type[msgspec.Struct] | dict[str, dict[str, Any]] | None = None,
    query: type[msgspec.Struct] | None = None,
    parameters: list[OpenApiParameter] | None = None,
    tag: str,
) -> Callable[[F], F]:
    """Describe a view's method. `body` is a struct, or a JSON schema for each media type."""
    if isinstance(body, type):
        described = schema_of(body)
        body = dict.fromkeys((JSON, FORM), described)
    parameters = [*(parameters or []), *(parameters_of(query) if query else [])]
    return extend_schema(
        operation_id=operation_id,
        request=body,
        responses=answers,
        parameters=parameters,
        tags=[tag],
    )


def schema_of(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON schema of a flat struct."""
    _, components = msgspec.json.schema_components([shape], ref_template="#/{name}")
    schema = dict(components[shape.__name__])
    schema.pop("title", None)
    return schema


def parameters_of(query: type[msgspec.Struct]) -> list[OpenApiParameter]:
    properties = schema_of(query)["properties"]
    return [
        OpenApiParameter(
            name,
            type={key: value for key, value in described.items() if key != "description"},
            location=OpenApiParameter.QUERY,
            description=described.get("description", ""),
            required=name in schema_of(query).get("required", ()),
        )
        for name, described in properties.items()
    ]


def add_error_answers(
    result: dict[str, Any], generator: object, request: object, public: bool
) -> dict[str, Any]:
    """Let every operation name the errors that any of them can answer."""
    for path, operations in result["paths"].items():
        if path.startswith("/api/schema"):
            continue
        for method, operation in operations.items():
            for status in READING + (() if method == "get" else WRITING):
                operation["responses"].setdefault(status, {"$ref": "#/components/responses/Error"})
    result["components"].setdefault("responses", {})["Error"] = {
        "description": REFUSED.description,
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return result
