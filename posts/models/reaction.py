"""Reactions to posts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import RowNumber

from chat.models import User
from chat.realtime import stream
from chat.realtime.publish import PublishedModel, PublishedQuerySet
from posts.models.post import Post


class ReactionQuerySet(PublishedQuerySet["Reaction"]):
    def to_post(self, post: Post) -> ReactionQuerySet:
        return self.filter(post=post)

    def by(self, user: User) -> ReactionQuerySet:
        return self.filter(user=user)

    def emojis(self) -> set[str]:
        return set(self.order_by().values_list("emoji", flat=True).distinct())

    def ranked(self) -> models.QuerySet[Any]:
        """Each with `count` and `row`, its place among those of the same post and emoji."""
        same = [models.F("post_id"), models.F("emoji")]
        return self.annotate(
            row=models.Window(RowNumber(), partition_by=same, order_by="pk"),
            count=models.Window(models.Count("pk"), partition_by=same),
        )


class Reaction(PublishedModel):
    """One person's emoji on a post."""

    post = models.ForeignKey(Post, on_delete=models.PROTECT, related_name="reactions")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reactions"
    )
    emoji = models.CharField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ReactionQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (
            # Also serves counting a post's reactions.
            models.UniqueConstraint(
                fields=("post", "emoji", "user"), name="reaction_post_emoji_user_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.emoji} by {self.user}"

    def log_room_id(self) -> int:
        return Post._base_manager.values_list("room_id", flat=True).get(pk=self.post_id)

    def take_place(self) -> None:
        """Lock the room before the row goes in, so that counts are exact."""
        stream.lock(self.log_room_id())
