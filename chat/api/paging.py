"""Pages of lists that are ordered by a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from django.db.models import Model, QuerySet
from msgspec import UNSET, Meta, Struct, UnsetType
from rest_framework.request import Request

M = TypeVar("M", bound=Model)

Limit = Annotated[int, Meta(ge=1, le=100, description="Results on a page.")]
# Slugs and usernames. Pages make these parameters; nobody else needs to.
Cursor = Annotated[str, Meta(max_length=50, pattern="^[a-z0-9_.-]+$", description="From a page.")]


class NamePage(Struct):
    """Which page of a list; without a cursor the first."""

    limit: Limit = 50
    after: Cursor | UnsetType = UNSET
    before: Cursor | UnsetType = UNSET


def page_by_name(
    request: Request,
    query: NamePage,
    rows: QuerySet[M],
    field: str,
    represent: Callable[[Sequence[M]], list[dict[str, Any]]],
) -> dict[str, Any]:
    """Return a page of `rows` in the order of `field`, a unique name. One query for the rows."""
    is_backwards = query.before is not UNSET
    if query.before is not UNSET:
        rows = rows.filter(**{f"{field}__lt": query.before})
    if query.after is not UNSET:
        rows = rows.filter(**{f"{field}__gt": query.after})
    ordered = rows.order_by(f"-{field}" if is_backwards else field)
    found = list(ordered[: query.limit + 1])
    shown, is_more = found[: query.limit], len(found) > query.limit
    if is_backwards:
        shown.reverse()
    has_next, has_previous = (
        (True, is_more) if is_backwards else (is_more, query.after is not UNSET)
    )
    return {
        "results": represent(shown),
        "next": _link(request, query, after=_name(shown[-1], field))
        if shown and has_next
        else None,
        "previous": _link(request, query, before=_name(shown[0], field))
        if shown and has_previous
        else None,
    }


def link(request: Request, query: Struct, *, without: tuple[str, ...], **cursor: object) -> str:
    """Return the path of another page of the same list, with what the asker gave besides."""
    kept = {
        name: request.query_params[name]
        for name in query.__struct_fields__
        if name in request.query_params and name not in without
    }
    kept["limit"] = str(msgspec.structs.asdict(query)["limit"])
    return f"{request.path}?{urlencode({**cursor, **kept})}"


def _link(request: Request, query: NamePage, **cursor: str) -> str:
    return link(request, query, without=("before", "after"), **cursor)


def _name(row: Model, field: str) -> str:
    value: Any = row
    for name in field.split("__"):
        value = getattr(value, name)
    return str(value)
