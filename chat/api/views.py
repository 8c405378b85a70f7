"""What all views of the API have in common: who may come in, bodies, queries, caching."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from django.http import QueryDict
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import IsAuthenticatedOrReadOnly
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.access import Viewer
from chat.api.parsers import JSONParser
from chat.bodies import read_struct
from chat.errors import NotFound

S = TypeVar("S", bound=msgspec.Struct)


class ApiView(APIView):
    """Parses, asks access and services, answers.

    An anonymous write is refused before anything is looked up or read.
    """

    parser_classes = (JSONParser, MultiPartParser, FormParser)
    permission_classes = (IsAuthenticatedOrReadOnly,)
    http_method_names = ("get", "head", "post", "patch", "delete")

    def check_permissions(self, request: Request) -> None:
        """Methods that there are not get their 405 instead."""
        if hasattr(self, (request.method or "").lower()):
            super().check_permissions(request)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "no-store")
        return response


class NowhereView(ApiView):
    """Answers for all paths below /api/ that there are not."""

    schema = None

    def get(self, request: Request) -> Response:
        if not request.path.endswith("/"):
            raise NotFound("There is no such address. All of them end with a slash.")
        raise NotFound("There is no such address.")

    post = patch = delete = get

    def check_permissions(self, request: Request) -> None:
        """Nobody needs to sign in for hearing that nothing is there."""


def viewer_of(request: Request) -> Viewer:
    return request.user


def body_of(request: Request) -> QueryDict | dict[str, Any]:
    """Return the body as it came: a form, or a JSON object. Raises what parsers raise."""
    data = request.data
    assert isinstance(data, dict)
    return data


def read_body(request: Request, shape: type[S]) -> S:
    """Read the body's fields into `shape`. In forms, fields of a list type may be repeated."""
    data = body_of(request)
    if not isinstance(data, QueryDict):
        return read_struct(data, shape)
    members = {
        field.name: data.getlist(field.name) if _is_list(field.type) else data[field.name]
        for field in msgspec.structs.fields(shape)
        if field.name in data
    }
    return read_struct(members, shape, is_text=True)


def read_query(request: Request, shape: type[S]) -> S:
    """Read the known parameters of the address; the last of a repeated one counts."""
    names = shape.__struct_fields__
    given = {name: request.query_params[name] for name in names if name in request.query_params}
    return read_struct(given, shape, is_text=True)


def _is_list(annotation: Any) -> bool:
    return "list[" in str(annotation)
