"""Requests signed with AWS Signature Version 4, as the stock AWS clients sign them.

Pure: a request, the time and a way to find secrets go in, the key's id or a refusal comes out. The
format is that of the "AWS Signature Version 4 for API requests" chapter of the IAM user guide.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from urllib.parse import quote_from_bytes, unquote_to_bytes

from chat.errors import Forbidden

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "execute-api"
# How far the signer's clock may be from ours.
SKEW_MAX = timedelta(minutes=5)
# Whoever signs for other hosts, or without a time, signs for a replay.
MUST_SIGN = frozenset({"host", "x-amz-date"})
CREDENTIAL = re.compile(r"([\w-]{1,64})/(\d{8})/([\w-]{1,64})/([\w-]{1,64})/aws4_request", re.ASCII)
SIGNED_HEADERS = re.compile(r"[a-z0-9-]+(;[a-z0-9-]+)*")
SIGNATURE = re.compile(r"[0-9a-f]{64}")


class MissingAuthenticationTokenException(Forbidden):
    message = "Missing Authentication Token"


class IncompleteSignatureException(Forbidden):
    message = "The Authorization header is not one of Signature Version 4."


class InvalidSignatureException(Forbidden):
    """Unknown keys and bad signatures alike, so that nobody learns which keys exist."""

    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )


REFUSALS = (
    MissingAuthenticationTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
)


@dataclass(frozen=True)
class Request:
    """What was sent, before anything was decoded."""

    method: str
    # Still percent-encoded, without the query.
    raw_path: bytes
    query: bytes
    # Names in lower case, as ASGI has them.
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of a header, each with its white space as the signature wants it."""
        wanted = name.encode()
        found = [value for key, value in self.headers if key == wanted]
        return [b" ".join(value.split()).decode("latin-1") for value in found]


@dataclass(frozen=True)
class Authorization:
    """The `Authorization` header, taken apart."""

    key_id: str
    # YYYYMMDD.
    date: str
    region: str
    service: str
    signed_headers: str
    signature: str

    @classmethod
    def parse(cls, header: str) -> Authorization:
        """Raise IncompleteSignatureException for whatever is no such header."""
        algorithm, _, rest = header.partition(" ")
        pairs = (part.strip().partition("=") for part in rest.split(","))
        parts = {name: value for name, _, value in pairs}
        credential = CREDENTIAL.fullmatch(parts.get("Credential", ""))
        signed_headers = parts.get("SignedHeaders", "")
        signature = parts.get("Signature", "")
        if (
            algorithm != ALGORITHM
            or credential is None
            or not SIGNED_HEADERS.fullmatch(signed_headers)
            or not SIGNATURE.fullmatch(signature)
        ):
            raise IncompleteSignatureException
        key_id, date, region, service = credential.groups()
        return cls(key_id, date, region, service, signed_headers, signature)

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    def sign(self, secret: str, signed_at: str, canonical_request: bytes) -> str:
        """Compute the signature that this request must carry."""
        to_sign = "\n".join(
            (ALGORITHM, signed_at, self.scope, hashlib.sha256(canonical_request).hexdigest())
        )
        key = f"AWS4{secret}".encode()
        for part in (*self.scope.split("/"), to_sign):
            key = hmac.digest(key, part.encode("latin-1"), "sha256")
        return key.hex()


def verify(request: Request, *, now: datetime, find_secret: Callable[[str], str | None]) -> str:
    """Return the id of the key that signed this request. Raises the refusals above."""
    headers = request.values("authorization")
    if not headers:
        raise MissingAuthenticationTokenException
    if len(headers) > 1:
        raise IncompleteSignatureException
    authorization = Authorization.parse(headers[0])
    signed_at = _check_scope(request, authorization, now)
    _check_body(request, authorization)
    secret = find_secret(authorization.key_id)
    # Every form is computed and compared, for keys that do not exist too: the time tells nothing.
    is_signed = False
    for canonical in canonical_requests(request, authorization.signed_headers):
        expected = authorization.sign(secret or "", signed_at, canonical)
        is_signed |= hmac.compare_digest(expected, authorization.signature)
    if secret is None or not is_signed:
        raise InvalidSignatureException
    return authorization.key_id


def _check_scope(request: Request, authorization: Authorization, now: datetime) -> str:
    """Return the time of signing as it was sent, once it and what it was signed for are right."""
    if authorization.service != SERVICE:
        raise InvalidSignatureException(f"Credential should be scoped to {SERVICE}.")
    if missing := MUST_SIGN - set(authorization.signed_headers.split(";")):
        raise InvalidSignatureException(f"{' and '.join(sorted(missing))} must be signed.")
    sent = request.values("x-amz-date")
    if len(sent) != 1 or not re.fullmatch(r"\d{8}T\d{6}Z", sent[0], re.ASCII):
        raise IncompleteSignatureException("X-Amz-Date must be YYYYMMDDTHHMMSSZ.")
    try:
        signed_at = datetime.strptime(sent[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise IncompleteSignatureException("X-Amz-Date names no time.") from None
    if authorization.date != sent[0][:8]:
        raise InvalidSignatureException("Date in Credential scope does not match X-Amz-Date.")
    if abs(now - signed_at) > SKEW_MAX:
        ours = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        raise InvalidSignatureException(
            f"Signature expired: {sent[0]} is more than {SKEW_MAX} from {ours}."
        )
    return sent[0]


def _check_body(request: Request, authorization: Authorization) -> None:
    """Compare the body with its hash where the signer promised one; there is no other way."""
    if "x-amz-content-sha256" in authorization.signed_headers.split(";"):
        promised = request.values("x-amz-content-sha256")
        if promised != [hashlib.sha256(request.body).hexdigest()]:
            raise InvalidSignatureException("The body does not match X-Amz-Content-Sha256.")


def canonical_requests(request: Request, signed_headers: str) -> list[bytes]:
    """Return what the signer may have signed: signers differ in what they encode how often.

    Another request that shares one of these forms spells the same path and query otherwise, or
    decodes to a path with a percent sign in it, where there is no connection.
    """
    names = signed_headers.split(";")
    headers = [f"{name}:{','.join(request.values(name))}\n" for name in names]
    rest = "\n".join(("".join(headers), signed_headers, hashlib.sha256(request.body).hexdigest()))
    forms = product(_canonical_paths(request.raw_path), _canonical_queries(request.query))
    return [
        "\n".join((request.method, path, query, rest)).encode("latin-1") for path, query in forms
    ]


def _canonical_paths(raw_path: bytes) -> list[str]:
    twice = quote_from_bytes(raw_path, safe="/~")  # as the SDKs do
    once = quote_from_bytes(unquote_to_bytes(raw_path), safe="/~")
    as_sent = raw_path.decode("latin-1")
    return list(dict.fromkeys((twice, once, as_sent)))


def _canonical_queries(query: bytes) -> list[str]:
    pairs = [pair.partition(b"=")[::2] for pair in query.split(b"&") if pair]
    as_sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    encoded = [(_encoded(name), _encoded(value)) for name, value in pairs]
    forms = ("&".join("=".join(pair) for pair in sorted(form)) for form in (encoded, as_sent))
    return list(dict.fromkeys(forms))


def _encoded(part: bytes) -> str:
    return quote_from_bytes(unquote_to_bytes(part.replace(b"+", b" ")), safe="~")
