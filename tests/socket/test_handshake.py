"""Who comes in, as whom, and who does not."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from tests.people import World, make_token
from tests.socket.acts import do
from tests.socket.client import ORIGIN, V1, Closed, Refused
from tests.socket.conftest import Gateway, sign_in
from tests.unit.realtime.test_front_door import FOREIGN

pytestmark = pytest.mark.django_db(transaction=True)


async def name_of(gateway: Gateway, **options: Any) -> str | None:
    """Connect; return whom the server takes us for."""
    user = (await gateway.open(**options)).hello["user"]
    return user and str(user["username"])


async def test_a_session_from_our_own_origin(gateway: Gateway, world: World) -> None:
    cookie = await do(sign_in, world.alice)
    assert await name_of(gateway, cookie=cookie, origin=ORIGIN) == "alice"


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_session_from_a_foreign_origin_is_refused_not_downgraded(
    gateway: Gateway, world: World, origin: str | None
) -> None:
    cookie = await do(sign_in, world.alice)
    with pytest.raises(Refused):
        await gateway.open(cookie=cookie, origin=origin)
    with pytest.raises(Refused):
        await gateway.open(cookie="no session at all", origin=origin)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_nobody_may_come_from_anywhere(
    gateway: Gateway, world: World, origin: str | None
) -> None:
    nobody = await gateway.open(origin=origin)
    assert nobody.hello["user"] is None
    await nobody.result("subscribe", rooms=["garden"])


async def test_an_origin_that_the_operator_trusts(
    gateway: Gateway, world: World, settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://photos.example"]
    cookie = await do(sign_in, world.alice)
    assert await name_of(gateway, cookie=cookie, origin="https://photos.example") == "alice"


async def test_a_dead_session_from_our_own_origin_is_nobody(gateway: Gateway) -> None:
    assert await name_of(gateway, cookie="dead") is None


async def test_a_token_in_the_header(gateway: Gateway, world: World) -> None:
    token = await do(make_token, world.bob, "read")
    for origin in (None, "http://evil.example"):
        assert await name_of(gateway, token=token, origin=origin) == "bob"


async def test_a_token_beside_the_dialect_is_not_echoed(gateway: Gateway, world: World) -> None:
    bearer = "picturegram.bearer." + await do(make_token, world.bob, "read")
    for offered in ((V1, bearer), (bearer, V1)):
        socket = await gateway.open(subprotocols=offered, origin=None)
        assert socket.hello["user"]["username"] == "bob"
        assert socket.subprotocol == V1
    quiet = await gateway.open(subprotocols=("chat", bearer), origin=None)
    assert quiet.subprotocol == "chat"
    with pytest.raises(Refused):
        await gateway.open(subprotocols=(bearer,), origin=None)


async def test_a_token_counts_before_a_cookie(gateway: Gateway, world: World) -> None:
    token = await do(make_token, world.bob, "read")
    cookie = await do(sign_in, world.alice)
    assert await name_of(gateway, token=token, cookie=cookie, origin="http://evil.example") == "bob"


async def test_a_bad_token_is_refused_not_downgraded(gateway: Gateway, world: World) -> None:
    cookie = await do(sign_in, world.alice)
    token = await do(make_token, world.bob, "read")
    for bad in ("pgk_1_2", token[:-1], token + "x", token.upper()):
        with pytest.raises(Refused):
            await gateway.open(token=bad, cookie=cookie)
        with pytest.raises(Refused):
            await gateway.open(subprotocols=(V1, f"picturegram.bearer.{bad}"))


async def test_a_token_in_the_address_is_nothing(gateway: Gateway, world: World) -> None:
    token = await do(make_token, world.bob, "read")
    assert await name_of(gateway, path=f"/ws/?token={token}&access_token={token}") is None


@pytest.mark.parametrize("offered", [("soap",), ("picturegram.v2.msgpack",), ("",)])
async def test_offers_without_one_of_ours_are_refused(
    gateway: Gateway, offered: tuple[str, ...]
) -> None:
    with pytest.raises(Refused):
        await gateway.open(subprotocols=offered)


@pytest.mark.parametrize(
    "path",
    ["/", "/ws", "/ws/rooms/", "/ws/rooms/garden", "/chat/", "/chatss", "/ws/rooms/Garden/", "/x"],
)
async def test_there_are_no_other_addresses(gateway: Gateway, path: str) -> None:
    with pytest.raises(Refused):
        await gateway.open(path=path)


async def test_a_host_that_is_not_served_is_refused(gateway: Gateway) -> None:
    socket = gateway.socket()
    socket.scope["headers"] = [(b"host", b"evil.example")]
    with pytest.raises(Refused):
        await socket.connect()


async def test_without_a_database_everybody_is_asked_to_come_back(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.server()

    def fail(scope: object) -> None:
        raise OperationalError("no database")

    monkeypatch.setattr("chat.realtime.consumer.identify", fail)
    v1 = await gateway.open()
    assert v1.hello["type"] == "disconnect"
    assert v1.hello["reconnect"] is True
    assert v1.hello["retry_after_ms"] > 0
    assert await v1.closed() == v1.hello["code"] == 4100
    quiet = await gateway.plain()
    with pytest.raises(Closed) as closed:
        await quiet.frame()
    assert closed.value.code == 4100


async def test_a_room_address_without_a_database_asks_to_come_back(
    gateway: Gateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.server()

    def fail(*args: object) -> None:
        raise OperationalError("no database")

    monkeypatch.setattr("chat.realtime.hub.access_room", fail)
    socket = await gateway.open(path="/ws/rooms/garden/")
    assert await socket.closed() == 4100
