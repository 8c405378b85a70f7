"""Pictures of posts; their files are made by posts.pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from uuid_utils.compat import uuid7

from chat.realtime import stream
from chat.realtime.publish import PublishedModel, PublishedQuerySet
from posts.models.post import Post

if TYPE_CHECKING:
    from chat.access import Viewer


class PictureQuerySet(PublishedQuerySet["Picture"]):
    def viewable_by(self, viewer: Viewer) -> PictureQuerySet:
        """Pictures of standing posts in rooms that `viewer` may see at this moment."""
        return self.filter(
            post__in=Post.objects.standing().visible_to(viewer), files_removed_at=None
        )

    def with_files(self) -> PictureQuerySet:
        return self.filter(files_removed_at=None)


class Picture(PublishedModel):
    """A picture of a post. It is inserted before its post, which is then published with it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Deferred until commit, like every foreign key here, so the post may follow.
    post = models.ForeignKey(Post, on_delete=models.PROTECT, related_name="pictures")
    # From 0, in the order shown.
    position = models.PositiveSmallIntegerField(default=0)
    alt = models.CharField(max_length=1000, blank=True)
    # Of the bytes that were uploaded, hexadecimal; nothing else of them is kept.
    sha256 = models.CharField(max_length=64, editable=False)
    # Pixels of the upright picture.
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    # ThumbHash, base64.
    placeholder = models.CharField(max_length=60, blank=True, editable=False)
    is_animated = models.BooleanField(default=False, editable=False)
    # The cleaned picture in full size, and smaller ones: each {name, width, height, type}.
    original = models.JSONField(editable=False)
    renditions = models.JSONField(default=list, editable=False)
    # When the files went, after a deletion could no longer be undone.
    files_removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PictureQuerySet.as_manager()

    class Meta:
        ordering = ("post", "position")
        constraints = (
            # Also serves reading a post's pictures in order.
            models.UniqueConstraint(
                fields=("post", "position"), name="picture_post_position_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(width__gte=1, height__gte=1), name="picture_has_a_size"
            ),
        )

    def __str__(self) -> str:
        return self.alt or f"picture, {self.width} × {self.height}"

    def log_room_id(self) -> int:
        return Post._base_manager.values_list("room_id", flat=True).get(pk=self.post_id)

    def has_post(self) -> bool:
        return Post._base_manager.filter(pk=self.post_id).exists()

    def take_place(self) -> None:
        """Lock the room when the post is there already; no number is taken ahead."""
        if self.has_post():
            stream.lock(self.log_room_id())
