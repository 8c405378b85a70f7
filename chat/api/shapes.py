"""What answers look like, for the OpenAPI description. The JSON itself is chat.representation's."""

from __future__ import annotations

from rest_framework import serializers

from chat.models import Membership, Room

# The codes that REST answers with; docs/protocol.md, section 13.
ERROR_CODES = (
    "invalid",
    "not_authenticated",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "not_acceptable",
    "conflict",
    "idempotency_conflict",
    "too_large",
    "unsupported_media_type",
    "too_many_pixels",
    "unreadable_picture",
    "picture_too_complex",
    "rate_limited",
    "internal_error",
    "unavailable",
    "busy",
    "storage_unavailable",
    "storage_full",
)
REASONS = ("too_many", "trimmed", "epoch_changed", "seq_ahead")


class Shape(serializers.Serializer[object]):
    """A JSON object that is described and never read or written through this."""


class ErrorDetailSerializer(Shape):
    code = serializers.ChoiceField(ERROR_CODES)
    message = serializers.CharField(help_text="For people; may change.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.CharField(), required=False, help_text="What is wrong, by field."
    )
    retry_after_ms = serializers.IntegerField(required=False, min_value=0)


class ErrorSerializer(Shape):
    error = ErrorDetailSerializer()


class PersonSerializer(Shape):
    id = serializers.IntegerField()
    username = serializers.CharField()
    display_name = serializers.CharField(allow_blank=True, max_length=60)
    avatar = serializers.CharField(allow_null=True, help_text="Path of a picture.")


class SelfSerializer(PersonSerializer):
    email = serializers.CharField(allow_blank=True)
    is_staff = serializers.BooleanField()


class MeSerializer(Shape):
    user = SelfSerializer(allow_null=True, help_text="Null for anonymous visitors.")


class RoomSerializer(Shape):
    slug = serializers.CharField()
    title = serializers.CharField(max_length=80)
    description = serializers.CharField(allow_blank=True, max_length=500)
    visibility = serializers.ChoiceField(Room.Visibility.values)
    is_announcement_only = serializers.BooleanField()
    is_archived = serializers.BooleanField()
    epoch = serializers.CharField()
    seq = serializers.IntegerField(min_value=0, help_text="The log's head.")
    role = serializers.ChoiceField(
        [role for role in Membership.Role.values if role != "banned"],
        allow_null=True,
        help_text="Yours; null when you are no member.",
    )
    last_read_seq = serializers.IntegerField(allow_null=True, min_value=0)
    unread_count = serializers.IntegerField(allow_null=True, min_value=0, max_value=100)


class MemberSerializer(Shape):
    user = PersonSerializer()
    role = serializers.ChoiceField([role for role in Membership.Role.values if role != "banned"])


class ReadMarkerSerializer(Shape):
    room = serializers.CharField()
    seq = serializers.IntegerField(min_value=0)
    unread_count = serializers.IntegerField(min_value=0, max_value=100)


class PageShape(Shape):
    next = serializers.CharField(allow_null=True, help_text="Path; follow it as it is.")
    previous = serializers.CharField(allow_null=True)


class RoomPageSerializer(PageShape):
    results = RoomSerializer(many=True)


class MemberPageSerializer(PageShape):
    results = MemberSerializer(many=True)


class PersonPageSerializer(PageShape):
    results = PersonSerializer(many=True)


class EventSerializer(Shape):
    """An event as sockets get it; `data` depends on `type`, see docs/protocol.md."""

    type = serializers.CharField()
    room = serializers.CharField()
    epoch = serializers.CharField()
    seq = serializers.IntegerField(min_value=1)
    time = serializers.DateTimeField()
    actor = PersonSerializer(allow_null=True)
    client_id = serializers.CharField(required=False)
    data = serializers.DictField()  # type: ignore[assignment]


class EventsSerializer(Shape):
    room = serializers.CharField()
    epoch = serializers.CharField()
    seq = serializers.IntegerField(min_value=0)
    recovered = serializers.BooleanField(allow_null=True)
    reason = serializers.ChoiceField(REASONS, allow_null=True)
    events = EventSerializer(many=True)


class PublishedSerializer(Shape):
    topic = serializers.CharField()
    epoch = serializers.CharField()
    offset = serializers.IntegerField(min_value=1)


class PublishedRecordSerializer(Shape):
    """Where the event stands in its topic; or why it was not published."""

    topic = serializers.CharField(required=False)
    epoch = serializers.CharField(required=False)
    offset = serializers.IntegerField(required=False, min_value=1)
    error = ErrorDetailSerializer(required=False)


class PublishedBatchSerializer(Shape):
    failed_record_count = serializers.IntegerField(min_value=0)
    records = PublishedRecordSerializer(many=True, help_text="In the order of the request.")
