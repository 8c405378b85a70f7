"""The client: requests, streams and subscriptions over a connection that mends itself."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from picturegram import rest
from picturegram.address import site_url, socket_url
from picturegram.connection import Connection
from picturegram.ending import Ended
from picturegram.errors import Refused, Unknown
from picturegram.following import Following
from picturegram.inbox import Inbox
from picturegram.pace import Pace
from picturegram.producer import Loss, Producer
from picturegram.subscriptions import ROOM, TOPIC, Key, Position
from picturegram.wire import Frame

# Asking again changes nothing.
READS = {"history", "ping", "presence", "rooms.list", "search", "state.get", "users.list"}
READS |= {"subscribe", "unsubscribe"}
# These make something, once per client_id.
CREATES = {"post.create", "publish", "submitIotEvent"}


class Client:
    """A program's connection to a site, for `async with`; `picturegram.connect` makes one.

    Entering it connects, and raises Unreachable after `connect_timeout_s`, or Stopped when the
    token is refused. From then on it reconnects by itself for as long as the block lasts. At most
    `events_max` events wait for `events`; what a slow reader misses is fetched again. It is for
    one event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        connect_timeout_s: float | None = 10.0,
        request_timeout_s: float | None = 30.0,
        events_max: int = 1000,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._request_timeout_s = request_timeout_s
        self._inbox = Inbox(events_max)
        self._pace = Pace()
        self._following = Following(self._inbox, self._pace)
        self._connection = Connection(socket_url(url), token, self._following, self._pace)
        self._connection.stopped = self._inbox.end
        self._site = rest.Site(site_url(url), token)

    async def __aenter__(self) -> Self:
        self._connection.start()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._connection.socket()
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError):
                raise self._connection.unreachable() from None
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect for good. `events` ends; requests that wait raise Stopped."""
        self._inbox.end()
        await self._connection.close()

    @property
    def hello(self) -> Frame:
        """The server's last greeting: `user`, `limits`, `connection_id` and more."""
        return self._connection.hello

    # --- asking -----------------------------------------------------------------------------

    async def request(self, action: str, /, **fields: Any) -> Any:
        """Return an action's result. Raises Refused, Unknown, Unreachable or Stopped.

        It waits for a connection, goes at the pace that the server allows, and is sent again when
        the connection is lost on the way, if that can do no harm: when it reads, or has a
        `client_id`, as `post.create` and `publish` always have. Anything else raises Unknown then.
        Cancelling leaves the outcome unknown.
        """
        if action in CREATES:
            fields.setdefault("client_id", secrets.token_hex(16))
        is_repeatable = action in READS or "client_id" in fields
        return await self._connection.ask(
            action, fields, is_repeatable=is_repeatable, timeout_s=self._request_timeout_s
        )

    async def stream(self, action: str, /, **fields: Any) -> AsyncGenerator[Any, None]:
        """Yield the items of a streamed answer, such as `history`. Raises as `request` does.

        A stream that breaks off after its first item raises Unknown.
        """
        has_begun = False
        while True:
            try:
                async with asyncio.timeout(self._request_timeout_s):
                    socket = await self._connection.socket()
                    await self._pace.turn()
            except TimeoutError:
                raise self._connection.unreachable() from None
            try:
                async for item in socket.stream(action, fields):
                    has_begun = True
                    yield item
                return
            except Ended as end:
                if has_begun or action not in READS:
                    raise Unknown(f"The stream of {action} broke off.") from end
            except Refused as refusal:
                if has_begun:
                    raise
                await self._connection.wait_for(refusal)

    async def post(
        self,
        room: str,
        text: str,
        *,
        images: Sequence[rest.Image] = (),
        reply_to: str | None = None,
        client_id: str | None = None,
    ) -> Frame:
        """Post, and return the post once it is on disk. Raises as `request` does."""
        fields: Frame = {"text": text, "client_id": client_id or secrets.token_hex(16)}
        if reply_to is not None:
            fields["reply_to"] = reply_to
        if not images:
            post: Frame = await self.request("post.create", room=room, **fields)
            return post
        return await asyncio.to_thread(self._site.create_post, room, fields, images)

    async def publish(
        self,
        topic: str,
        event_type: str,
        payload: Mapping[str, Any],
        *,
        client_id: str | None = None,
    ) -> Frame:
        """Publish an event and return its `{topic, epoch, offset}`. Raises as `request` does."""
        body = {"topic": topic, "event_type": event_type, "payload": dict(payload)}
        key = {} if client_id is None else {"client_id": client_id}
        position: Frame = await self.request("publish", **body, **key)
        return position

    def producer(
        self,
        *,
        is_acknowledged: bool = True,
        queue_max: int = 10_000,
        in_flight_max: int = 64,
        on_loss: Loss | None = None,
    ) -> Producer:
        """Return a queue that publishes in the background, for `async with`; see Producer."""
        publish = partial(
            self._connection.ask, "publish", timeout_s=None, is_repeatable=is_acknowledged
        )
        return Producer(publish, queue_max=queue_max, in_flight_max=in_flight_max, on_loss=on_loss)

    # --- following --------------------------------------------------------------------------

    async def subscribe(
        self,
        *rooms: str,
        topics: Iterable[str] = (),
        filters: Sequence[Mapping[str, Any]] = (),
        after: Mapping[str, Position] | None = None,
    ) -> None:
        """Follow rooms, topics, and what filters let through. Raises as `request` does.

        `after` names positions to begin after, by room or topic; the others begin now. Filters
        are objects with `event_type`, `filter_field`, `filter_expr` and `desired_fields`.
        """
        keys: list[Key] = [(ROOM, room) for room in rooms]
        keys += [(TOPIC, topic) for topic in topics]
        begun = {key: (after or {}).get(key[1]) for key in keys}
        if keys:
            await self._connection.ask(
                "subscribe",
                self._following.subscriptions.asking(keys, begun),
                is_repeatable=True,
                timeout_s=self._request_timeout_s,
                take=partial(self._following.subscriptions.take, begun=begun),
            )
        if filters:
            wanted = [dict(each) for each in filters]
            await self.request("subscribe", subscriptions=wanted)
            known = self._following.filters
            known += [each for each in wanted if each not in known]

    async def unsubscribe(
        self,
        *rooms: str,
        topics: Iterable[str] = (),
        filters: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Stop following. Raises as `request` does."""
        keys: list[Key] = [(ROOM, room) for room in rooms]
        keys += [(TOPIC, topic) for topic in topics]
        for key in keys:
            self._following.subscriptions.forget(key)
        members = self._following.subscriptions.asking(keys)
        if filters:
            unwanted = members["subscriptions"] = [dict(each) for each in filters]
            known = self._following.filters
            known[:] = [each for each in known if each not in unwanted]
        if members:
            await self.request("unsubscribe", **members)

    def events(self) -> AsyncIterator[Frame]:
        """Iterate over what happens in everything subscribed to, as docs/protocol.md describes it.

        Each event of a room or topic comes once and in order, across reconnects. Where that cannot
        be, a `gap` says from where on; a room or topic that is lost is told by `unsubscribed`. What
        has no position, such as typing or what only a filter lets through, may be lost. Ends when
        the client is closed, and raises Stopped when the server ends it.
        """
        return self._inbox

    def position(self, name: str) -> Position | None:
        """Return where we stand in a room or topic: a later run may `subscribe` `after` it.

        Events that are still waiting in `events` count as handled.
        """
        positions = self._following.subscriptions.positions
        return positions.get((ROOM, name)) or positions.get((TOPIC, name))


connect = Client
