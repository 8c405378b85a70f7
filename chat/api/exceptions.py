"""Everything that can go wrong in a request, in the one shape of chat.errors."""

from __future__ import annotations

import logging
import math
import sys
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.views import defaults
from rest_framework.exceptions import APIException, NotAuthenticated, Throttled
from rest_framework.response import Response

from chat import errors
from chat.errors import AppError

logger = logging.getLogger(__name__)

# Paths whose readers are programs; all others get Django's own error pages.
PROGRAMS = ("/api/", "/media/")
# Milliseconds after which a database that went away is worth asking again.
DATABASE_RETRY_MS = 2000

_BY_STATUS: dict[int, type[AppError]] = {
    kind.status: kind
    for kind in (
        errors.Invalid,
        errors.NotAuthenticated,
        errors.Forbidden,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.NotAcceptable,
        errors.Conflict,
        errors.TooLarge,
        errors.UnsupportedMediaType,
    )
}


def as_app_error(error: BaseException) -> AppError:
    """Return the refusal that `error` means; what nobody foresaw is an `internal_error`."""
    match error:
        case AppError():
            return error
        case Throttled():
            return errors.RateLimited(
                retry_after_ms=math.ceil((getattr(error, "wait", None) or 1) * 1000)
            )
        case NotAuthenticated():
            return errors.NotAuthenticated()
        case APIException() if error.status_code in _BY_STATUS:
            detail = error.detail
            return _BY_STATUS[error.status_code](detail if isinstance(detail, str) else "")
        case Http404():
            return errors.NotFound()
        case PermissionDenied():
            return errors.Forbidden()
        case RequestDataTooBig():
            return errors.TooLarge()
        case SuspiciousOperation() | MultiPartParserError() | UnreadablePostError():
            return errors.Invalid(str(error))
        case OperationalError() | InterfaceError():
            return errors.Unavailable(retry_after_ms=DATABASE_RETRY_MS)
        case _:
            return AppError()


def handle_exception(error: Exception, context: dict[str, Any]) -> Response:
    """Answer a view's exception; Django REST framework calls this for every one."""
    refusal = as_app_error(error)
    response = Response(
        {"error": refusal.as_dict()}, status=refusal.status, headers=_headers(refusal)
    )
    _log(refusal, error, context["request"].path, response)
    return response


def _headers(refusal: AppError) -> dict[str, str]:
    headers = {}
    if refusal.retry_after_ms is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after_ms / 1000))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _log(refusal: AppError, error: BaseException, path: str, response: HttpResponse) -> None:
    """Log what is our fault once: Django would name the answer's status a second time."""
    if refusal.status < 500:
        return
    if type(refusal) is AppError:
        logger.error("A request to %s failed.", path, exc_info=error)
    else:
        logger.warning("A request to %s was refused: %r", path, error)
    response._has_been_logged = True  # type: ignore[attr-defined]


# Outside of views: in a middleware, or where there is no view. See handler400 and so on in
# Django's documentation of URL configurations.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(PROGRAMS):
        return defaults.bad_request(request, exception)
    return _answer(as_app_error(exception), exception, request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(PROGRAMS):
        return defaults.page_not_found(request, exception)
    return _answer(errors.NotFound(), exception, request)


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    if error is None or not request.path.startswith(PROGRAMS):
        return defaults.server_error(request)
    return _answer(as_app_error(error), error, request)


def _answer(refusal: AppError, error: BaseException, request: HttpRequest) -> HttpResponse:
    headers = {"Cache-Control": "no-store", **_headers(refusal)}
    response = JsonResponse({"error": refusal.as_dict()}, status=refusal.status, headers=headers)
    _log(refusal, error, request.path, response)
    return response
