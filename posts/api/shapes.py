"""What answers about posts look like, for the OpenAPI description."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from chat.api.shapes import PageShape, PersonSerializer, Shape
from chat.limits import limits


class RenditionSerializer(Shape):
    url = serializers.CharField()
    width = serializers.IntegerField(min_value=1)
    height = serializers.IntegerField(min_value=1)
    type = serializers.CharField()


class ImageSerializer(Shape):
    id = serializers.UUIDField()
    url = serializers.CharField(help_text="Path; upright, without metadata.")
    width = serializers.IntegerField(min_value=1)
    height = serializers.IntegerField(min_value=1)
    alt = serializers.CharField(allow_blank=True, max_length=1000)
    placeholder = serializers.CharField(allow_blank=True, help_text="ThumbHash in base64.")
    renditions = RenditionSerializer(many=True, help_text="Narrowest first.")


class ReactionSerializer(Shape):
    emoji = serializers.CharField()
    count = serializers.IntegerField(min_value=1)
    user_ids = serializers.ListField(
        child=serializers.IntegerField(), max_length=100, help_text="The first 100."
    )


class PostSerializer(Shape):
    id = serializers.UUIDField()
    room = serializers.CharField()
    seq = serializers.IntegerField(min_value=1)
    author = PersonSerializer()
    text = serializers.CharField(allow_blank=True, max_length=4000)
    images = ImageSerializer(many=True)
    reply_to = serializers.UUIDField(allow_null=True)
    client_id = serializers.CharField(max_length=64)
    reactions = ReactionSerializer(many=True)
    created_at = serializers.DateTimeField()
    edited_at = serializers.DateTimeField(allow_null=True)
    hidden = serializers.BooleanField()
    deleted = serializers.BooleanField()


class TombstoneSerializer(Shape):
    """What is left of a hidden or deleted post."""

    id = serializers.UUIDField()
    room = serializers.CharField()
    seq = serializers.IntegerField(min_value=1)
    text = serializers.CharField(allow_blank=True, max_length=0)
    images = serializers.ListField(child=serializers.DictField(), max_length=0)
    hidden = serializers.BooleanField(required=False)
    deleted = serializers.BooleanField(required=False)


POST_OR_TOMBSTONE = PolymorphicProxySerializer(
    component_name="PostOrTombstone",
    serializers=[PostSerializer, TombstoneSerializer],
    resource_type_field_name=None,
)


class PostPageSerializer(PageShape):
    room = serializers.CharField()
    epoch = serializers.CharField()
    seq = serializers.IntegerField(min_value=0, help_text="Read before the page.")
    results = PostSerializer(many=True)


class SearchPageSerializer(PageShape):
    results = PostSerializer(many=True, help_text="Newest first, of all rooms.")


class ReactionCountSerializer(Shape):
    post_id = serializers.UUIDField()
    emoji = serializers.CharField()
    count = serializers.IntegerField(min_value=0)


class LimitsSerializer(Shape):
    picture_types = serializers.ListField(child=serializers.CharField())

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        numbers = {name: serializers.IntegerField(min_value=0) for name in limits()}
        return {**numbers, **super().get_fields()}
