"""The words that posts are found by."""

from __future__ import annotations

from django.db import models

from chat.models import Room
from posts.models.post import Post


class SearchEntry(models.Model):
    """The words of a standing post; there is none for what is hidden or deleted.

    The databases index `words` each in their own way, and keep that in step by themselves:
    migration 0002 says how, posts.search how it is asked.
    """

    # The post's place in time among the posts of all rooms (posts.indexing.place_in_time), so that
    # "newest first", "before" and "next page" are ranges of it. Never generated; this type because
    # it is the row's own number in SQLite, which FTS5 refers to.
    number = models.BigAutoField(primary_key=True)
    post = models.OneToOneField(Post, on_delete=models.CASCADE, related_name="search_entry")
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Each once, with spaces between; see posts.indexing.document.
    words = models.TextField()

    class Meta:
        indexes = (
            # Searching one room, and by people who see few.
            models.Index(fields=("room", "number"), name="search_room_number"),
        )

    def __str__(self) -> str:
        return f"words of post {self.post_id}"
