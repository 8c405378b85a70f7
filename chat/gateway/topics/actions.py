"""What producers ask over a socket."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from chat.gateway.topics.hub import TopicHub
from chat.gateway.topics.names import TopicId
from chat.gateway.topics.publishing import as_result, draft_of
from chat.gateway.topics.shapes import ClientId, EventType, Published
from chat.realtime.router import Request, router

# Where events in the older form go when they name no topic.
IOT_TOPIC = "iot-events"
Payload = Annotated[dict[str, Any], msgspec.Meta(examples=[{"color": "blue", "value": 1}])]


class Publish(Struct):
    topic: TopicId
    event_type: EventType
    payload: Payload
    # The sender's own key: the same event sent again is not published twice.
    client_id: ClientId | UnsetType = UNSET


class IotEvent(Struct):
    """An event in the older form."""

    MessageType: EventType
    Message: Payload


class SubmitIotEvent(Struct):
    event: IotEvent
    topic: TopicId = IOT_TOPIC
    client_id: ClientId | UnsetType = UNSET


@router.action("publish", body=Publish, result=Published, scope="publish")
async def publish(request: Request, body: Publish) -> dict[str, Any]:
    """Tell everybody who wants a topic's events of one more."""
    return await _publish(request, body.topic, body.event_type, body.payload, body.client_id)


@router.action("submitIotEvent", body=SubmitIotEvent, result=Published, scope="publish")
async def submit_iot_event(request: Request, body: SubmitIotEvent) -> dict[str, Any]:
    """Publish an event in the older form; its topic is `iot-events` unless one is named."""
    event = body.event
    return await _publish(request, body.topic, event.MessageType, event.Message, body.client_id)


async def _publish(
    request: Request,
    topic: str,
    event_type: str,
    payload: dict[str, Any],
    client_id: str | UnsetType,
) -> dict[str, Any]:
    connection = request.connection
    viewer = connection.identity.viewer
    given = None if client_id is UNSET else client_id
    draft = draft_of(viewer, topic=topic, event_type=event_type, payload=payload, client_id=given)
    return as_result(await connection.server.part(TopicHub).publish(viewer, draft))
