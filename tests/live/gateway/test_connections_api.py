"""The connections API, asked by the stock AWS client, on daphne and uvicorn as one site."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import botocore.auth
import httpx
import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from tests.live.pair import Pair
from tests.live.programs import NOBODY, KeyPair, Target, forgetful_proxy, make_keys, management
from tests.live.servers import AppServer

# More than the 128 KiB of a message.
TOO_LARGE = 128 * 1024 + 1


@pytest.fixture(scope="module")
def keys(shared_pair: Pair) -> dict[str, KeyPair]:
    return make_keys(shared_pair.site)


@pytest.fixture
def staff(keys: dict[str, KeyPair]) -> KeyPair:
    return keys["staff"]


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, pair: Pair) -> AppServer:
    """The server that is asked."""
    found: AppServer = getattr(pair, request.param)
    return found


@pytest.fixture(params=["itself", "the other"])
def holder(request: pytest.FixtureRequest, pair: Pair, server: AppServer) -> AppServer:
    """The server that holds the connection."""
    (other,) = [each for each in pair.servers if each is not server]
    return server if request.param == "itself" else other


def stage_of(server: AppServer) -> str:
    return f"{server.http_url}/prod"


async def post(client: Any, connection_id: str, data: str | bytes) -> dict[str, Any]:
    call = partial(client.post_to_connection, ConnectionId=connection_id, Data=data)
    answer: dict[str, Any] = await asyncio.to_thread(call)
    return answer


async def get(client: Any, connection_id: str) -> dict[str, Any]:
    call = partial(client.get_connection, ConnectionId=connection_id)
    answer: dict[str, Any] = await asyncio.to_thread(call)
    return answer


async def delete(client: Any, connection_id: str) -> dict[str, Any]:
    call = partial(client.delete_connection, ConnectionId=connection_id)
    answer: dict[str, Any] = await asyncio.to_thread(call)
    return answer


async def refused(call: Any) -> str:
    """Return the code of the refusal that a call ends with."""
    with pytest.raises(ClientError) as refusal:
        await call
    assert refusal.value.response["ResponseMetadata"]["RequestId"]
    return str(refusal.value.response["Error"]["Code"])


# --- the verbs --------------------------------------------------------------------------------


async def test_boto3_sends_inspects_and_drops(
    pair: Pair, server: AppServer, holder: AppServer, staff: KeyPair
) -> None:
    client = management(stage_of(server), staff)
    began = datetime.now(UTC)
    async with await Target.connect(
        holder, pair.tokens["bob"], user_agent_header="A browser/1.0"
    ) as target:
        answer = await post(client, target.id, "Grüße")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ResponseMetadata"]["RequestId"]
        assert await target.received() == "Grüße"
        await post(client, target.id, b"\xff\x00picture")
        assert await target.received() == b"\xff\x00picture"
        about = await get(client, target.id)
        assert about["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "A browser/1.0"}
        assert about["ConnectedAt"].tzinfo is not None
        assert abs(about["ConnectedAt"] - began) < timedelta(minutes=1)
        assert about["LastActiveAt"] >= about["ConnectedAt"]
        answer = await delete(client, target.id)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert await target.closed() == (1000, "normal")
        for verb in (get, delete, partial(post, data="too late")):
            with pytest.raises(client.exceptions.GoneException):
                await verb(client, target.id)


async def test_nothing_and_the_largest_message_arrive(
    pair: Pair, server: AppServer, staff: KeyPair
) -> None:
    client = management(stage_of(server), staff)
    async with await Target.connect(server, pair.tokens["bob"]) as target:
        for data in ("", "x" * 128 * 1024):
            await post(client, target.id, data)
            assert await target.received() == data


@pytest.mark.parametrize("prefix", ["/@", "/prod/@", "/prod/%40", "/%40"])
async def test_with_and_without_a_stage_signed_or_with_a_token(
    pair: Pair, server: AppServer, staff: KeyPair, prefix: str
) -> None:
    async with await Target.connect(server, pair.tokens["bob"]) as target:
        async with httpx.AsyncClient(trust_env=False, headers=staff.headers) as browser:
            for spelled in (target.id, target.id.replace("=", "%3D")):
                url = f"{server.http_url}{prefix}connections/{spelled}"
                answer = await browser.post(url, content="by curl")
                assert (answer.status_code, answer.json()) == (200, {})
                assert answer.headers["x-amzn-requestid"]
                assert await target.received() == "by curl"
        if prefix == "/@":
            await post(management(server.http_url, staff), target.id, "by boto3")
            assert await target.received() == "by boto3"


async def test_a_bare_id_is_the_key_s_name_as_well(
    pair: Pair, server: AppServer, staff: KeyPair
) -> None:
    bare = KeyPair(staff.id.removeprefix("pgk_"), staff.secret)
    async with await Target.connect(server, pair.tokens["bob"]) as target:
        await post(management(stage_of(server), bare), target.id, "hello")
        assert await target.received() == "hello"


@pytest.mark.parametrize(
    ("query", "farewell"),
    [
        ({"code": "4012", "reason": "That is enough"}, (4012, "That is enough")),
        ({"code": "3000"}, (3000, "")),
        ({"reason": "Grüße & bye"}, (1000, "Grüße & bye")),
    ],
)
async def test_a_drop_may_name_code_and_reason(
    pair: Pair, server: AppServer, holder: AppServer, staff: KeyPair, query: Any, farewell: Any
) -> None:
    client = management(stage_of(server), staff)
    client.meta.events.register(
        "before-sign.apigatewaymanagementapi.DeleteConnection",
        lambda request, **_: setattr(request, "params", query),
    )
    async with await Target.connect(holder, pair.tokens["bob"]) as target:
        await delete(client, target.id)
        assert await target.closed() == farewell


# --- refusals ---------------------------------------------------------------------------------


async def test_each_refusal_has_its_type(
    pair: Pair, server: AppServer, keys: dict[str, KeyPair]
) -> None:
    client = management(stage_of(server), keys["staff"])
    for verb in (get, delete, partial(post, data="x")):
        with pytest.raises(client.exceptions.GoneException):
            await verb(client, NOBODY)
        for wrong in ("x", NOBODY[:-1], "Ecrmfdd1oAMAdhR=", "Ecr+fdd1oAMAdhQ=", f"{NOBODY}/"):
            assert await refused(verb(client, wrong)) == "BadRequestException"
        for name in ("without the scope", "no longer staff", "revoked"):
            client = management(stage_of(server), keys[name])
            with pytest.raises(client.exceptions.ForbiddenException):
                await verb(client, NOBODY)
        client = management(stage_of(server), keys["staff"])
    async with await Target.connect(server, pair.tokens["bob"]) as target:
        with pytest.raises(client.exceptions.PayloadTooLargeException):
            await post(client, target.id, "x" * TOO_LARGE)
        await post(client, target.id, "still here")
        assert await target.received() == "still here"


async def test_who_did_not_sign_or_not_rightly_is_refused(
    pair: Pair, server: AppServer, staff: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = stage_of(server)
    async with await Target.connect(server, pair.tokens["bob"]) as target:
        for verb in (get, delete, partial(post, data="x")):
            unsigned = management(url, staff, signature_version=UNSIGNED)
            assert await refused(verb(unsigned, target.id)) == "MissingAuthenticationTokenException"
            answers = set()
            for wrong in (KeyPair(staff.id, "wrong"), KeyPair("pgk_0123456789abcdef", "wrong")):
                with pytest.raises(ClientError) as refusal:
                    await verb(management(url, wrong), target.id)
                answers.add(str(refusal.value))
            (answer,) = answers
            assert "InvalidSignatureException" in answer
        with monkeypatch.context() as patch:
            # The clock of the client's machine.
            patch.setattr(
                botocore.auth,
                "get_current_datetime",
                lambda: datetime.now(UTC) - timedelta(minutes=6),
            )
            stale = management(url, staff)
            assert await refused(delete(stale, target.id)) == "InvalidSignatureException"
        await post(management(url, staff), target.id, "still here")
        assert await target.received() == "still here"


async def test_a_session_cookie_and_other_people_s_tokens_open_nothing(
    pair: Pair, server: AppServer, keys: dict[str, KeyPair]
) -> None:
    url = f"{stage_of(server)}/@connections/{NOBODY}"
    async with httpx.AsyncClient(trust_env=False) as browser:
        for headers, name in [
            ({"Cookie": "sessionid=x"}, "MissingAuthenticationTokenException"),
            ({"Authorization": "Basic YTpi"}, "IncompleteSignatureException"),
            ({"Authorization": f"Bearer {pair.tokens['bob']}"}, "ForbiddenException"),
            ({"Authorization": "Bearer pgk_0_x"}, "ForbiddenException"),
            (keys["revoked"].headers, "ForbiddenException"),
            (keys["no longer staff"].headers, "ForbiddenException"),
        ]:
            answer = await browser.post(url, content="x", headers=headers)
            assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, name)
            assert answer.headers["x-amzn-requestid"]
            assert list(answer.json()) == ["message"]
            assert answer.headers["cache-control"] == "no-store"


async def test_other_methods_paths_and_parameters_are_refused(
    server: AppServer, staff: KeyPair
) -> None:
    url = f"{stage_of(server)}/@connections/{NOBODY}"
    async with httpx.AsyncClient(trust_env=False, headers=staff.headers) as browser:
        for method in ("PUT", "PATCH", "HEAD", "OPTIONS"):
            answer = await browser.request(method, url)
            assert answer.status_code == 405
            assert answer.headers["allow"] == "POST, GET, DELETE"
            assert answer.headers["x-amzn-requestid"]
        for path in ("/", "%2F", "%0A", "%00"):
            answer = await browser.get(url + path)
            assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (
                400,
                "BadRequestException",
            )
        for query in ("code=1001", "code=x", "code=5000", "code=4012&code=1000", "code=٤٠١٢"):
            assert (await browser.delete(f"{url}?{query}")).status_code == 400
        assert (await browser.delete(f"{url}?reason={'x' * 124}")).status_code == 400
        assert (await browser.delete(f"{url}?reason={'x' * 123}")).status_code == 410
        answer = await browser.get(url, headers={"Host": "elsewhere.example"})
        assert answer.status_code == 400


async def test_a_body_is_counted_while_it_comes(server: AppServer, staff: KeyPair) -> None:
    async def pieces() -> Any:
        for _ in range(TOO_LARGE * 8 // 1024):
            yield b"x" * 1024

    url = f"{stage_of(server)}/@connections/{NOBODY}"
    async with httpx.AsyncClient(trust_env=False, headers=staff.headers) as browser:
        answer = await browser.post(url, content=pieces())
        assert answer.status_code == 413
        assert answer.headers["x-amzn-errortype"] == "PayloadTooLargeException"


# --- delivered once, and truly gone -----------------------------------------------------------


async def test_what_is_retried_is_delivered_once(
    pair: Pair, server: AppServer, holder: AppServer, staff: KeyPair
) -> None:
    async with (
        await Target.connect(holder, pair.tokens["bob"]) as target,
        forgetful_proxy(server, losses=2) as (url, requests),
    ):
        client = management(url, staff, attempts=5)
        await post(client, target.id, "once")
        assert len(requests) == 3
        assert len({invocation(request) for request in requests}) == 1
        await post(client, target.id, "once")
        await post(client, target.id, "the end")
        assert [await target.received() for _ in "123"] == ["once", "once", "the end"]


def invocation(request: bytes) -> bytes:
    found = re.search(rb"amz-sdk-invocation-id: (\S+)", request, re.IGNORECASE)
    assert found is not None
    return found[1]


async def until_gone(client: Any, connection_id: str, deadline_s: float) -> list[str]:
    """Ask until the connection is gone; return the refusals before that."""
    refusals: list[str] = []
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        try:
            await get(client, connection_id)
        except client.exceptions.GoneException:
            return refusals
        except ClientError as error:
            refusals.append(error.response["Error"]["Code"])
        await asyncio.sleep(0.1)
    raise AssertionError(f"not gone after {deadline_s} s: {refusals}")


async def test_who_is_reset_is_gone(
    pair: Pair, server: AppServer, holder: AppServer, staff: KeyPair
) -> None:
    client = management(stage_of(server), staff)
    target = await Target.connect(holder, pair.tokens["bob"])
    await get(client, target.id)
    target.reset()
    assert await until_gone(client, target.id, deadline_s=10) == []


async def test_who_reads_nothing_is_refused_more(
    pair: Pair, server: AppServer, holder: AppServer, staff: KeyPair
) -> None:
    client = management(stage_of(server), staff)
    # One message is kept at the client's end; the rest fills the sockets and then the outbox.
    target = await Target.connect(holder, pair.tokens["bob"], max_queue=1)

    async def fill() -> None:
        for _ in range(200):
            await post(client, target.id, b"\xff" * 128 * 1024)

    with pytest.raises(client.exceptions.LimitExceededException):
        await fill()
    target.reset()
    assert await until_gone(client, target.id, deadline_s=10) == []


async def test_without_redis_only_one_s_own_connections_are_reached(
    pair: Pair, server: AppServer, holder: AppServer, staff: KeyPair
) -> None:
    client = management(stage_of(server), staff)
    async with await Target.connect(holder, pair.tokens["bob"]) as target:
        pair.redis.stop()
        try:
            if holder is server:
                await post(client, target.id, "hello")
                assert await target.received() == "hello"
            else:
                assert await refused(get(client, target.id)) == "ServiceUnavailableException"
        finally:
            pair.redis.start()


async def test_a_killed_process_answers_nothing_until_its_lease_is_over(
    pair: Pair, staff: KeyPair
) -> None:
    client = management(stage_of(pair.uvicorn), staff)
    target = await Target.connect(pair.daphne, pair.tokens["bob"])
    await get(client, target.id)
    pair.daphne.kill()
    refusals = await until_gone(client, target.id, deadline_s=40)
    assert set(refusals) == {"ServiceUnavailableException"}
    # And for good, also where the process comes back.
    pair.daphne.start()
    for asked in pair.servers:
        with pytest.raises(client.exceptions.GoneException):
            await post(management(stage_of(asked), staff), target.id, "hello?")


async def test_a_process_that_was_stopped_leaves_nobody_behind(pair: Pair, staff: KeyPair) -> None:
    client = management(stage_of(pair.uvicorn), staff)
    target = await Target.connect(pair.daphne, pair.tokens["bob"])
    await asyncio.to_thread(pair.daphne.terminate)
    assert set(await until_gone(client, target.id, deadline_s=10)) <= {
        "ServiceUnavailableException"
    }
