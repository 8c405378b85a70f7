"""What a topics' hub looks after from time to time: rights, what was not heard, what is unused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat.gateway.topics.hub import TopicHub

logger = logging.getLogger(__name__)


async def look(hub: TopicHub) -> None:
    """Look after everything; what cannot be done now is left to the next time."""
    for part in (look_at_rights, look_at_heads, leave_unused):
        try:
            await part(hub)
        except Exception as error:
            logger.warning("The topics could not be looked after: %r", error)
    hub.readers.drop_old()
    hub.producers.drop_old()


async def look_at_rights(hub: TopicHub) -> None:
    """Take topics away from who has lost their room, also while nothing is published."""
    followed = [
        (state, state.room)
        for state in hub.states.values()
        if state.room is not None and hub.is_followed(state)
    ]
    if not followed:
        return
    await hub.readers.read_all({room for _, room in followed})
    for state, room in followed:
        people = hub.readers.of(room)
        for listener in {*state.followers, *hub.book.holders(state.topic)}:
            if people is not None and listener.user_id not in people:
                hub.take_away(state, listener)


async def look_at_heads(hub: TopicHub) -> None:
    """Notice what was published and not heard, with one question to each Redis."""
    asked = {
        state.topic: (state.epoch, state.position)
        for state in hub.states.values()
        if state.is_known and hub.is_followed(state)
    }
    heads = await hub.rings.ask(hub.rings.follow, list(asked)) if asked else {}
    for topic, head in heads.items():
        state, (epoch, position) = hub.states.get(topic), asked[topic]
        if state is None or state.epoch != epoch:
            continue
        if head.epoch != epoch or head.offset < position:
            hub.fill(state)
        elif head.offset > state.position:
            hub.expect(state, head.offset)
    for state in hub.states.values():
        if state.early and state.is_known:
            hub.expect(state, max(state.early))


async def leave_unused(hub: TopicHub) -> None:
    """Forget topics that nobody wants, and leave the groups that no topic needs."""
    for state in hub.states.values():
        if not state.followers:
            state.forget_recent()
    if hub.is_full or not hub.is_everywhere:
        hub.close_unused()
    await hub.buckets.leave(
        lambda bucket: (
            hub.is_everywhere or any(state.bucket == bucket for state in hub.states.values())
        )
    )
