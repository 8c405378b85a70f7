"""Removing the files of posts whose deletion cannot be undone any more."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from chat.realtime import stream
from chat.realtime.periodic import every
from posts.attachments import store
from posts.models import Picture, Post

# Posts per sweep; what is left waits for the next.
BATCH = 200


def sweep() -> int:
    """Remove files whose time is over, and return how many pictures that were.

    May run anywhere, several times, and be cut short anywhere: files go first, the mark follows.
    """
    has_files = Exists(Picture.objects.with_files().filter(post=OuterRef("pk")))
    posts = Post.objects.beyond_undo().filter(has_files).order_by("deleted_at")[:BATCH]
    return sum(_sweep_post(post) for post in posts)


def sweep_leftovers() -> int:
    """Remove what crashes left half-written; pictures that are in place are let alone."""
    return store().sweep(lambda ids: ids)


def sweep_orphans() -> int:
    """Remove also the files that no picture of this database knows.

    Only for an operator who knows that no other database uses MEDIA_ROOT; so never by itself.
    """
    return store().sweep(_with_files)


def _sweep_post(post: Post) -> int:
    with transaction.atomic():
        # Whoever restores holds this lock; once it is ours and the time is over, nobody can.
        stream.lock(post.room_id)
        if not Post.objects.beyond_undo().filter(pk=post.pk).exists():
            return 0
    pictures = list(Picture.objects.with_files().filter(post=post))
    for picture in pictures:
        store().remove(picture.pk)
        Picture.objects.filter(pk=picture.pk).update_unpublished(files_removed_at=timezone.now())
    return len(pictures)


def _with_files(ids: Collection[UUID]) -> Collection[UUID]:
    return list(Picture.objects.with_files().filter(pk__in=ids).values_list("pk", flat=True))


every(60)(sweep)
every(3600)(sweep_leftovers)
