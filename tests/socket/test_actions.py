"""What sockets ask about posts: success and refusal, for everybody."""

from __future__ import annotations

import pytest

from tests.people import World
from tests.socket.conftest import Gateway

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("layer_name", ["memory", "redis"])
async def test_a_post_is_answered_and_told(gateway: Gateway, world: World) -> None:
    alice = await gateway.open(world.alice)
    await alice.result("subscribe", rooms=["garden"])
    post = await alice.result("post.create", room="garden", text="Hello")
    (event,) = await alice.so_far()
    assert event["data"] == post
