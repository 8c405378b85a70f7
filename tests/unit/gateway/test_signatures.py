"""Signature V4: what AWS publishes and what botocore signs is taken, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

from chat.errors import Forbidden
from chat.gateway.signatures import (
    Authorization,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    Request,
    canonical_requests,
    verify,
)

SECRETS = {"pgk_0123456789abcdef": "pgk_0123456789abcdef_" + "secret" * 7, "other": "another one"}
KEY, SECRET = next(iter(SECRETS.items()))
PATH = "/prod/@connections/Ecrmfdd1oAMAdhQ%3D"

# --- what AWS publishes -----------------------------------------------------------------------

# Of "Signature Version 4 test suite": its name there, what is sent, and the signature. All are of
# one key, one moment and one host, for a service called "service".
EXAMPLES: list[tuple[str, str, str, list[tuple[str, str]], bytes, str]] = [
    (
        "get-vanilla",
        "GET",
        "/",
        [],
        b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    (
        "get-vanilla-query-order-key-case",
        "GET",
        "/?Param2=value2&Param1=value1",
        [],
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "get-vanilla-empty-query-key",
        "GET",
        "/?Param1=value1",
        [],
        b"",
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    (
        "get-unreserved",
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        [],
        b"",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    (
        "get-utf8",
        "GET",
        "/%E1%88%B4",
        [],
        b"",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    (
        "get-header-key-duplicate",
        "GET",
        "/",
        [("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
        b"",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    (
        "get-header-value-trim",
        "GET",
        "/",
        [("my-header1", " value1"), ("my-header2", ' "a   b   c"')],
        b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "post-vanilla",
        "POST",
        "/",
        [],
        b"",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "post-header-value-case",
        "POST",
        "/",
        [("my-header1", "VALUE1")],
        b"",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    (
        "post-x-www-form-urlencoded",
        "POST",
        "/",
        [("content-type", "application/x-www-form-urlencoded")],
        b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
]


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "signature"),
    [each[1:] for each in EXAMPLES],
    ids=[each[0] for each in EXAMPLES],
)
def test_aws_s_own_examples_come_out(
    method: str, url: str, headers: list[tuple[str, str]], body: bytes, signature: str
) -> None:
    moment = "20150830T123600Z"
    headers = [("host", "example.amazonaws.com"), ("x-amz-date", moment), *headers]
    request = request_of(method, url, headers, body)
    names = ";".join(sorted(dict(headers)))
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    authorization = Authorization.parse(
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
    )
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    forms = canonical_requests(request, names)
    assert signature in [authorization.sign(secret, moment, form) for form in forms]


# --- what botocore signs ----------------------------------------------------------------------


def request_of(method: str, url: str, headers: list[tuple[str, str]], body: bytes) -> Request:
    path, _, query = url.partition("?")
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request(method, path.encode(), query.encode(), sent, body)


def signed(
    method: str = "POST",
    url: str = PATH,
    body: bytes = b"hello",
    headers: Mapping[str, str] | None = None,
    *,
    key: str = KEY,
    secret: str = SECRET,
    service: str = "execute-api",
    region: str = "eu-north-1",
    signer: type[SigV4Auth] = SigV4Auth,
) -> Request:
    """What botocore sends, by the clock of this machine."""
    unsent = AWSRequest(method, f"http://chat.example:8000{url}", dict(headers or {}), body)
    signer(Credentials(key, secret), service, region).add_auth(unsent)
    sent = unsent.prepare()
    split = urlsplit(sent.url)
    lines = [(name, as_text(value)) for name, value in sent.headers.items()]
    lines.append(("Host", "chat.example:8000"))
    target = f"{split.path}?{split.query}" if split.query else split.path
    return request_of(method, target, lines, body)


def as_text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def check(request: Request, *, later: timedelta = timedelta(0)) -> str:
    return verify(request, now=datetime.now(UTC) + later, find_secret=SECRETS.get)


def with_header(request: Request, name: str, value: str) -> Request:
    kept = [line for line in request.headers if line[0] != name.encode()]
    return replace(request, headers=[*kept, (name.encode(), value.encode())])


segments = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=20)
# Dot segments are the one thing that botocore resolves before it signs; no route has any.
plain_segments = segments.filter(lambda segment: segment not in (".", ".."))
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)


@st.composite
def signed_requests(draw: st.DrawFn) -> Request:
    """A request that is signed by one of the keys."""
    key = draw(st.sampled_from(sorted(SECRETS)))
    path = "/" + "/".join(
        quote(part, safe=draw(st.sampled_from(["", "@", "@:=+$,;!'()*"])))
        for part in draw(st.lists(plain_segments, min_size=1, max_size=4))
    )
    encoded = plain_segments.map(lambda part: quote(part, safe=""))
    query = "&".join(draw(st.lists(st.builds("{}={}".format, encoded, encoded), max_size=3)))
    names = st.sampled_from(["X-Custom", "Content-Type", "X-Amz-Meta", "amz-sdk-invocation-id"])
    return signed(
        draw(st.sampled_from(["GET", "POST", "DELETE"])),
        f"{path}?{query}" if query else path,
        draw(st.binary(max_size=200)),
        draw(st.dictionaries(names, header_values)),
        key=key,
        secret=SECRETS[key],
        region=draw(st.sampled_from(["eu-north-1", "us-east-1", "local"])),
        signer=draw(st.sampled_from([SigV4Auth, S3SigV4Auth])),
    )


@given(signed_requests())
def test_whatever_botocore_signs_is_taken_as_the_key_s(request_: Request) -> None:
    assert check(request_) in SECRETS


@given(signed_requests(), st.data())
def test_whatever_is_changed_on_the_way_is_refused(request_: Request, data: st.DataObject) -> None:
    changed = data.draw(
        st.sampled_from(
            [
                replace(request_, method="PUT"),
                replace(request_, raw_path=request_.raw_path + b"x"),
                replace(request_, query=request_.query + b"&code=4012"),
                replace(request_, body=request_.body + b"x"),
                with_header(request_, "host", "elsewhere.example"),
            ]
        )
    )
    with pytest.raises(InvalidSignatureException):
        check(changed)


@pytest.mark.parametrize(
    "path",
    [
        "/@connections/Ecrmfdd1oAMAdhQ=",
        "/prod/@connections/Ecrmfdd1oAMAdhQ=",
        "/prod/@connections/Ecrmfdd1oAMAdhQ%3D",
        "/prod/%40connections/Ecrmfdd1oAMAdhQ%3D",
    ],
)
@pytest.mark.parametrize("signer", [SigV4Auth, S3SigV4Auth], ids=["twice", "once"])
def test_every_spelling_of_the_path_is_taken(path: str, signer: type[SigV4Auth]) -> None:
    assert check(signed(url=path, signer=signer)) == KEY


def test_a_path_encoded_once_is_taken_however_it_was_sent() -> None:
    signed_as = signed(url="/prod/%40connections/Ecrmfdd1oAMAdhQ%3D", signer=S3SigV4Auth)
    for spelled in (b"/prod/@connections/Ecrmfdd1oAMAdhQ=", signed_as.raw_path):
        assert check(replace(signed_as, raw_path=spelled)) == KEY


@pytest.mark.parametrize("query", ["reason=a%20b", "reason=a+b", "reason=a%2Bb", "b=1&a=&c"])
def test_a_query_is_taken_however_it_is_spelled(query: str) -> None:
    assert check(signed("DELETE", f"{PATH}?{query}", b"")) == KEY


# --- what is refused --------------------------------------------------------------------------


def test_the_clocks_may_differ_by_five_minutes() -> None:
    request = signed()
    for minutes in (-4.9, 0, 4.9):
        assert check(request, later=timedelta(minutes=minutes)) == KEY
    for minutes in (-5.1, 5.1, 24 * 60):
        with pytest.raises(InvalidSignatureException, match="Signature expired"):
            check(request, later=timedelta(minutes=minutes))


def test_an_unknown_key_and_a_wrong_secret_get_the_same_answer() -> None:
    answers = set()
    for request in (
        signed(secret="wrong"),
        signed(key="pgk_unknown"),
        signed(key="pgk_unknown", secret=""),
        signed(secret=SECRETS["other"]),
    ):
        with pytest.raises(InvalidSignatureException) as refusal:
            check(request)
        answers.add(str(refusal.value))
    assert len(answers) == 1


def test_other_services_keep_their_signatures() -> None:
    with pytest.raises(InvalidSignatureException, match="execute-api"):
        check(signed(service="kinesis"))


def test_nothing_signed_is_missing_authentication() -> None:
    for headers in ([], [(b"host", b"chat.example:8000")]):
        with pytest.raises(MissingAuthenticationTokenException):
            check(replace(signed(), headers=headers))


def test_a_signature_in_the_query_is_none() -> None:
    (authorization,) = signed().values("authorization")
    signature = authorization.rpartition("=")[2]
    query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={signature}".encode()
    with pytest.raises(MissingAuthenticationTokenException):
        check(replace(signed(), query=query, headers=[(b"host", b"chat.example:8000")]))


@pytest.mark.parametrize("name", ["host", "x-amz-date"])
def test_host_and_time_must_be_signed(name: str) -> None:
    request = signed()
    (sent,) = request.values("authorization")
    unsigned = sent.replace(f"{name};", "").replace(f";{name}", "")
    assert unsigned != sent
    with pytest.raises(InvalidSignatureException, match=f"{name} must be signed"):
        check(with_header(request, "authorization", unsigned))


def test_the_scope_is_of_the_day_of_signing() -> None:
    request = signed()
    (sent,) = request.values("authorization")
    (today,) = request.values("x-amz-date")
    with pytest.raises(InvalidSignatureException, match="Date in Credential scope"):
        check(with_header(request, "authorization", sent.replace(today[:8], "20150830")))


@pytest.mark.parametrize(
    "moment",
    ["", "now", "20150830", "2015-08-30T12:36:00Z", "20151340T123600Z", "٢٠١٥٠٨٣٠T123600Z"],
)
def test_the_time_must_be_one(moment: str) -> None:
    with pytest.raises(IncompleteSignatureException):
        check(with_header(signed(), "x-amz-date", moment))


@pytest.mark.parametrize("promised", ["UNSIGNED-PAYLOAD", "0" * 64])
def test_a_promised_hash_must_be_the_body_s(promised: str) -> None:
    # botocore signs what the header says.
    request = signed(headers={"X-Amz-Content-SHA256": promised})
    with pytest.raises(InvalidSignatureException, match="body does not match"):
        check(request)


@pytest.mark.parametrize(
    "header",
    [
        "Basic YWxpY2U6c2VjcmV0",
        "Bearer pgk_0123456789abcdef_secret",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/execute-api/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/execute-api/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=é" + "0" * 63,
        "AWS4-ECDSA-P256-SHA256 Credential=a/20150830/execute-api/aws4_request, "
        "SignedHeaders=host, Signature=00",
    ],
)
def test_other_authorizations_are_incomplete_signatures(header: str) -> None:
    with pytest.raises(IncompleteSignatureException):
        check(with_header(signed(), "authorization", header))


@given(st.binary(max_size=300))
@example(b"AWS4-HMAC-SHA256 Credential=a/20150830/r/execute-api/aws4_request,,,=,")
@example(b"AWS4-HMAC-SHA256 Credential=\0/20150830/r/execute-api/aws4_request")
def test_no_header_breaks_anything(header: bytes) -> None:
    request = signed()
    for name in (b"authorization", b"x-amz-date", b"host"):
        kept = [line for line in request.headers if line[0] != name]
        with pytest.raises(Forbidden):
            check(replace(request, headers=[*kept, (name, header)]))


def test_two_authorizations_are_none() -> None:
    request = signed()
    doubled = [*request.headers, *(line for line in request.headers if line[0] == b"authorization")]
    with pytest.raises(IncompleteSignatureException):
        check(replace(request, headers=doubled))
