"""Close codes and error codes, and what each means to a client."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from chat.errors import AppError
from chat.realtime.close_codes import CloseCode, is_resumable

# When the server closes with its own codes.
CLOSINGS = {
    CloseCode.SIGNED_OUT: "Signed out, session over, password changed elsewhere, key revoked, "
    "or banned from the site.",
    CloseCode.FORBIDDEN: "The address's room cannot be had.",
    CloseCode.PROTOCOL_ERROR: "A malformed position in the address, or a client that does not "
    "speak the protocol.",
    CloseCode.DROPPED: "Dropped by a moderator, or by a program through the connections API.",
    CloseCode.OVER_CAPACITY: "Too many sockets, or the database is away.",
    CloseCode.RATE_LIMITED: "Went on sending after `rate_limited`.",
    CloseCode.DRAINING: "This server process is stopping.",
    CloseCode.HEARTBEAT_MISSED: "Two heartbeats without a frame from a v1 client.",
    CloseCode.SLOW_READER: "The client reads more slowly than its rooms speak.",
    CloseCode.LEASE_OVER: "This server process stood still so long that others took it for dead.",
    CloseCode.NORMAL: "Over.",
    CloseCode.UNSUPPORTED_DATA: "A binary message in a JSON dialect, or text in the binary one.",
    CloseCode.INVALID_TEXT: "A text message that is not UTF-8.",
    CloseCode.TOO_BIG: "A message over `message_bytes_max`. Do not send it again.",
    CloseCode.INTERNAL_ERROR: "A fault of the server.",
}
# Others that RFC 6455 and its registry define, and that servers and proxies send or report.
STANDARD = {
    1001: ("going_away", "The server or a proxy in front goes away."),
    1006: ("abnormal", "No close frame came: a dead network, or a refused handshake."),
    1008: ("policy", "There is no socket at this address."),
    1012: ("service_restart", "The server program restarts."),
    1013: ("try_again_later", "A server or a proxy in front is overloaded."),
}
# What an error asks of the client, where the class says nothing.
ERRORS = {
    "invalid": "The request is malformed, or a field is out of its limits; `fields` says which. "
    "Do not repeat it unchanged.",
    "unknown_action": "There is no such action; the message names those that there are.",
    "not_authenticated": "This needs a signed-in person, or the token is no good.",
    "forbidden": "You can see it, but may not do that: no member, not yours, announcement room, "
    "archived, muted, a missing scope.",
    "not_found": "There is no such thing, or it is not for you; the two are not told apart.",
    "method_not_allowed": "REST: not with this method.",
    "not_acceptable": "REST: none of the types in `Accept` can be had.",
    "conflict": "It contradicts what is there: the slug is taken, somebody else was faster.",
    "idempotency_conflict": "This `client_id` was used before, with another body.",
    "too_large": "The body or a file has too many bytes.",
    "unsupported_media_type": "The body's type, or a file that is none of the accepted pictures.",
    "too_many_pixels": "REST: a picture has too many pixels.",
    "unreadable_picture": "REST: a picture is damaged or incomplete.",
    "picture_too_complex": "REST: a picture takes too much memory or time to read.",
    "rate_limited": "Too many requests; wait `retry_after_ms`.",
    "internal_error": "A fault of the server; logged. The outcome is unknown: as `unavailable`.",
    "unavailable": "Not available right now, outcome unknown: ask again with the same `client_id`.",
    "busy": "Too many pictures are being read; nothing was stored; wait `retry_after_ms`.",
    "storage_unavailable": "Pictures cannot be stored right now; nothing was stored.",
    "storage_full": "There is no room for pictures; nothing was stored.",
}
STOP = "stop"
COME_BACK = "come back after `retry_after_ms`"
RESUME = "reconnect and resume"
FINAL = frozenset({1003, 1007, 1008})


@dataclass(frozen=True, slots=True)
class Closing:
    """One close code. `advice` is what a client does."""

    code: int
    reason: str
    meaning: str
    advice: str


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One error code; `message` is the text that it comes with unless there is a better one."""

    code: str
    status: int
    message: str
    meaning: str


def closings() -> list[Closing]:
    """Return all close codes, in their order."""
    ours = [
        Closing(int(code), code.reason, CLOSINGS.get(code, ""), advice(code)) for code in CloseCode
    ]
    others = [
        Closing(code, reason, meaning, advice(code)) for code, (reason, meaning) in STANDARD.items()
    ]
    return sorted(ours + others, key=lambda each: each.code)


def advice(code: int) -> str:
    """What a client does after this code."""
    if 4100 <= code < 4200 or code == 1013:
        return COME_BACK
    if code in FINAL or (code >= 4000 and not is_resumable(code)):
        return STOP
    return RESUME


def error_codes() -> list[ErrorCode]:
    """Return all error codes, by their HTTP status."""
    found: dict[str, ErrorCode] = {}
    for kind in _kinds(AppError):
        if kind.code not in found:
            meaning = ERRORS.get(kind.code) or inspect.cleandoc(kind.__doc__ or kind.message)
            found[kind.code] = ErrorCode(kind.code, kind.status, kind.message, meaning)
    return sorted(found.values(), key=lambda each: each.status)


def _kinds(kind: type[AppError]) -> Iterator[type[AppError]]:
    """The classes that define a code, each before those that only share it."""
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)
