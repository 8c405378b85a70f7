"""Keeps the words of posts in step with every save, inside its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from chat.models import Room
from chat.realtime import stream
from posts.models import Picture, Post, SearchEntry
from posts.words import words

# Numbers that one microsecond has: several rooms may get a post in it.
SLOTS = 1024
# Posts whose room is held at a time while they are indexed anew.
BATCH = 200
# What integers of databases hold.
LEAST, MOST = -(2**63), 2**63 - 1


def room_word(room_id: int) -> str:
    """The word that all posts of a room have; like the next two, no text has it."""
    return f"#{room_id}"


def author_word(author_id: int) -> str:
    return f"@{author_id}"


PICTURE_WORD, BARE_WORD = "!picture", "!bare"


def document(text: str, alts: Iterable[str], room_id: int, author_id: int) -> str:
    """What a post with these alt texts, one for each picture, is found by."""
    said = [text, *alts]
    found = {word for each in said for word in words(each)}
    found |= {room_word(room_id), author_word(author_id)}
    found.add(BARE_WORD if len(said) == 1 else PICTURE_WORD)
    return " ".join(sorted(found))


def place_in_time(moment: datetime, room_id: int = 0) -> int:
    """The number of a post that was created in this room at `moment`, if it is free."""
    microseconds = (moment - stream.EPOCH_START) // timedelta(microseconds=1)
    return max(LEAST, min(microseconds * SLOTS + room_id % SLOTS, MOST))


def index(post: Post, *, is_new: bool = False) -> None:
    """Let a post be found by what it says now, and by nothing once it is gone."""
    entries = SearchEntry.objects.filter(post=post)
    if not post.is_standing:
        entries.delete()
        return
    alts = Picture.objects.filter(post=post).values_list("alt", flat=True)
    said = document(post.text, alts, post.room_id, post.author_id)
    if is_new or not entries.update(words=said):
        number = place_in_time(post.created_at, post.room_id)
        while not _filed(number, post, said):
            number += 1  # another room has a post of this very microsecond


def _filed(number: int, post: Post, said: str) -> bool:
    """Insert an entry unless the number is taken, and return whether it was free."""
    post_id = Post._meta.pk.get_db_prep_value(post.pk, connection)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO posts_searchentry (number, post_id, room_id, words) "
            "VALUES (%s, %s, %s, %s) ON CONFLICT (number) DO NOTHING",
            [number, post_id, post.room_id, said],
        )
        return bool(cursor.rowcount)


def index_room(room: Room) -> int:
    """Index a room's posts anew, and return how many there are.

    For rows that were written past the models, such as by a bulk load.
    """
    count, seq = 0, 0
    while True:
        with transaction.atomic():
            stream.lock(room.pk)
            posts = list(Post.objects.in_room(room).after(seq).oldest_first()[:BATCH])
            for post in posts:
                index(post)
        if not posts:
            return count
        count, seq = count + len(posts), posts[-1].seq


@receiver(post_save, sender=Post)
def post_saved(sender: type[Post], instance: Post, created: bool, **kwargs: Any) -> None:
    index(instance, is_new=created)


@receiver([post_save, post_delete], sender=Picture)
def picture_changed(sender: type[Picture], instance: Picture, **kwargs: Any) -> None:
    """Pictures come before their post is there; then it is indexed with them."""
    post = Post.objects.filter(pk=instance.post_id).first()
    if post is not None:
        index(post)
