"""The admin's buttons for one connection: inspect, send and drop, on a real one."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.test import AsyncClient

from chat.gateway.table import ConnectionsTable
from chat.models import Connection, User
from chat.realtime.database import in_database
from tests.people import World
from tests.socket.acts import do
from tests.socket.client import Socket
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def caretaker(gateway: Gateway) -> AsyncClient:
    client = AsyncClient()
    await client.aforce_login(await do(User.objects.create_superuser, "caretaker"))
    return client


@pytest.fixture
async def bob(gateway: Gateway, world: World) -> Socket:
    socket = await gateway.open(world.bob)
    await (await gateway.server()).part(ConnectionsTable).flush()
    return socket


def page_of(socket: Socket) -> str:
    return f"/admin/chat/connection/{quote(socket.hello['connection_id'])}/"


async def press(client: AsyncClient, url: str, **fields: str) -> str:
    """Press a button, and return the page that comes of it."""
    answer = await client.post(url, fields, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


async def logged() -> list[str]:
    def read() -> list[str]:
        return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]

    return await in_database(read)


async def test_inspecting_shows_what_the_process_says(caretaker: AsyncClient, bob: Socket) -> None:
    page = await press(caretaker, f"{page_of(bob)}change/", _inspect="1")
    assert "It is there, says its process" in page
    assert await logged() == ["Asked after it."]


async def test_one_that_has_gone_since_is_said_to_be_gone(
    caretaker: AsyncClient, bob: Socket
) -> None:
    await bob.leave()
    page = await press(caretaker, f"{page_of(bob)}change/", _inspect="1")
    assert "It is gone" in page
    page = await press(caretaker, f"{page_of(bob)}change/", _send="1", text="Hello")
    assert "It is gone" in page
    page = await press(caretaker, f"{page_of(bob)}drop/")
    assert "It is gone" in page
    assert len(await logged()) == 3


async def test_what_is_sent_arrives_as_it_was_written(caretaker: AsyncClient, bob: Socket) -> None:
    page = await press(caretaker, f"{page_of(bob)}change/", _send="1", text=' {"n":\r\n1}')
    assert "on its way" in page
    assert await bob.text() == ' {"n":\n1}'
    assert await logged() == ['Sent:  {"n":\n1}']


async def test_dropping_closes_with_the_moderator_s_code_and_reason(
    caretaker: AsyncClient, bob: Socket
) -> None:
    page = await press(caretaker, f"{page_of(bob)}drop/", reason="Enough")
    assert "It was dropped." in page
    assert bob.hello["connection_id"] not in page, "the list shows it no more"
    farewell = await bob.event("disconnect")
    assert (farewell["reason"], farewell["reconnect"]) == ("Enough", False)
    assert await bob.closed() == 4012
    assert await logged() == ["Dropped: Enough"]
    assert not await do(Connection.objects.exists)
