"""What people do in these tests, on a thread of the pool, as REST, sockets and the admin would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chat.models import Room, RoomEvent, User
from chat.realtime import doorbell, stream
from chat.realtime.database import in_database
from chat.realtime.envelope import Frame
from posts import services
from posts.models import Post
from posts.representation import post_data


async def post(author: User, text: str, *, room: str = "garden", **fields: Any) -> Post:
    """Post a line."""
    return await in_database(
        services.create_post, viewer=author, room_slug=room, text=text, **fields
    )


async def post_many(author: User, count: int, *, room: str = "garden") -> None:
    """Post `count` lines, one after the other."""

    def write() -> None:
        for number in range(count):
            services.create_post(viewer=author, room_slug=room, text=f"line {number}")

    await in_database(write)


async def head(room: Room) -> tuple[str, int]:
    """Return where a room's log stands."""
    found = (await in_database(stream.heads, [room.pk]))[room.pk]
    return found.epoch, found.last_seq


async def logged(room: Room) -> list[int]:
    """Return the numbers in a room's log."""
    return await in_database(
        lambda: list(RoomEvent.objects.in_room(room).order_by("seq").values_list("seq", flat=True))
    )


async def as_it_is(post: Post) -> dict[str, Any]:
    """Return a post as a fresh fetch would."""
    return await in_database(lambda: post_data(Post.objects.for_display().get(pk=post.pk)))


async def do(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Do something in the database."""
    return await in_database(function, *args, **kwargs)


class Bells:
    """Stands for the hub of the process that writes, and keeps what it would ring."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.rights_count = 0

    def hear_frame(self, frame: Frame) -> None:
        self.frames.append(frame)

    def hear_rights(self) -> None:
        self.rights_count += 1

    def tell_group(self, group: str, message: dict[str, Any]) -> None:
        pass


@contextmanager
def caught_bells() -> Iterator[Bells]:
    """Let what is written inside the block ring nowhere, as if every doorbell were lost."""
    listener = doorbell._listener
    bells = Bells()
    doorbell.set_listener(bells)
    try:
        yield bells
    finally:
        doorbell.set_listener(listener)
